"""Many runs at once in one server, beside as many of deepagents at once in one process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.peers.candidates import Place, deepagents
from benchmarks.script import PROMPT, make_repository
from benchmarks.server_process import ServerProcess
from benchmarks.timed_claude import TimedClaude
from tests.standins.github_server.server import ForgeServer

RUNS: Final = 20
TURNS: Final = 60
LATENCY_S: Final = 0.2
TOKEN: Final = "ghp_" + "b" * 36
NAME: Final = "bench/greet"
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Load:
    """Turns of all conversations in a second, and the process's largest resident set."""

    turns_per_s: float
    memory_mib: float


async def deepagents_load(folder: Path, runs: int = RUNS) -> Load:
    """Its agents at once in one process, with one store of checkpoints."""
    repository = folder / "repository"
    await asyncio.to_thread(make_repository, repository)
    async with TimedClaude(TURNS, LATENCY_S) as claude:
        call = await asyncio.to_thread(
            deepagents, Place(claude.base_url, repository, folder), loops=runs
        )
        process = await asyncio.create_subprocess_exec(*call.words)
        async with _watched(process.pid) as memory:
            if await process.wait():
                raise SystemExit("the agents failed")
        return Load(claude.turns_per_second(), max(memory))


async def product_load(folder: Path, runs: int = RUNS) -> Load:
    """Runs at once in one server, from an empty data folder to their pull requests."""
    await asyncio.to_thread(make_repository, folder / "repository")
    async with TimedClaude(TURNS, LATENCY_S) as claude, ForgeServer(token=TOKEN) as forge:
        await forge.add_repository(NAME, folder / "repository")
        server = ServerProcess(folder, environment(folder, claude, forge))
        try:
            await server.start()
            async with _watched(server.pids[-1]) as memory:
                url = f"{forge.address}/{NAME}"
                each = (finished_run(server.address, url, f"{PROMPT} ({n})") for n in range(runs))
                await asyncio.gather(*each)
            return Load(claude.turns_per_second(), max(memory))
        finally:
            await server.kill()


def environment(folder: Path, claude: TimedClaude, forge: ForgeServer) -> dict[str, str]:
    """The settings of a server that is measured."""
    return {
        "ANTHROPIC_API_KEY": "benchmark-key-benchmark",
        "ANTHROPIC_BASE_URL": claude.base_url,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": forge.api_url,
        "CODING_AGENT_DATA_DIR": str(folder / "data"),
        "CODING_AGENT_KEY_RATE": "0",
        "CODING_AGENT_MAX_CONCURRENT_RUNS": str(RUNS),
    }


async def finished_run(address: str, repo_url: str, prompt: str = PROMPT) -> None:
    """One run, waited for without a stream."""
    body = {"repoUrl": repo_url, "prompt": prompt}
    async with httpx.AsyncClient(base_url=address, timeout=90, trust_env=False) as http:
        answer = await http.post("/code", json=body, headers={"Prefer": "respond-async"})
        answer.raise_for_status()
        view = answer.json()
        while view["status"] in ("queued", "running"):
            view = (await http.get(f"/runs/{view['runId']}", params={"wait": 60})).json()
    if view["status"] != "succeeded":
        raise SystemExit(f"a run ended {view['status']}: {view['error']}")


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[list[float]]:
    """MiB of a process's resident set, four times a second."""
    seen = [resident_mib(pid)]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.25)
            seen.append(resident_mib(pid))

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def resident_mib(pid: int) -> float:
    """0 where there is no such process any more."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
