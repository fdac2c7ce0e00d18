"""A repository of many files: how soon the first request comes, at the first run and again."""

import asyncio
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import NAME, TOKEN, environment, finished_run
from benchmarks.server_process import ServerProcess
from benchmarks.timed_claude import TimedClaude
from demo.forge_server import ForgeServer

FILES: Final = 20_000
_FOLDERS: Final = 200
_OPTIONS: Final = (
    *("-c", "user.name=bench", "-c", "user.email=bench@example.invalid"),
    *("-c", "gc.auto=0"),  # which would go on behind while the repository is hosted
)


@dataclass(frozen=True)
class LargeRepository:
    """Seconds from `POST /code` to the first model request, in a server that is warm."""

    first_s: float
    again_s: float


async def measure_large_repository(folder: Path) -> LargeRepository:
    """Two runs on the large repository, after one on a small one."""
    await asyncio.to_thread(_make, folder / "large", FILES)
    await asyncio.to_thread(_make, folder / "small", 10)
    async with TimedClaude(turns=2) as claude, ForgeServer(token=TOKEN) as forge:
        await forge.add_repository(NAME, folder / "large")
        await forge.add_repository("bench/small", folder / "small")
        server = ServerProcess(folder, environment(folder, claude, forge))
        try:
            await server.start()
            await _seconds(server, f"{forge.address}/bench/small", claude)
            url = f"{forge.address}/{NAME}"
            first, again = [await _seconds(server, url, claude) for _ in range(2)]
        finally:
            await server.kill()
    return LargeRepository(first, again)


async def _seconds(server: ServerProcess, repo_url: str, claude: TimedClaude) -> float:
    claude.turns.clear()
    begun = time.perf_counter()
    await finished_run(server.address, repo_url)
    return claude.turns[0].received - begun


def _make(folder: Path, files: int) -> None:
    for number in range(files):
        file = folder / f"package_{number % _FOLDERS:03}" / f"module_{number:05}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"def value_{number}():\n    return {number}\n")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-qm", "Begin"),
        ("repack", "-adq"),
    ):
        subprocess.run(["git", *_OPTIONS, *words], cwd=folder, check=True)
