"""`python -m benchmarks.large_history`: runs on a repository of 20,000 files and 500 MB of history.

Prints a table: the first run, one whose base is kept, and one whose base has moved by a commit.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.load import NAME, TOKEN, environment
from benchmarks.script import PROMPT
from benchmarks.server_process import ServerProcess
from benchmarks.timed_claude import TimedClaude
from demo.temporary_folder import temporary_folder
from sandbox.host.resource_usage import family
from tests.standins.github_server.repository import HostedRepository
from tests.standins.github_server.server import ForgeServer

FILES: Final = 20_000
HISTORY_MB: Final = 500
_RECORDS: Final = 100
_A_FOLDER: Final = 40
_MIB: Final = 1 << 20
_WHO: Final = "committer Ada <ada@example.org> 1700000000 +0000"
_WORDS: Final = ("count", "total", "entry", "reader", "writer", "index", "value", "parse", "state")


async def main() -> None:
    """Measure three runs in one server, and print what they took."""
    with temporary_folder() as folder:
        await asyncio.to_thread(_make, folder / "large")
        async with TimedClaude(turns=2) as claude, ForgeServer(token=TOKEN) as forge:
            hosted = await forge.add_repository(NAME, folder / "large")
            small = folder / "small"
            await asyncio.to_thread(_make, small, files=10, history_mb=0)
            await forge.add_repository("bench/small", small)
            data = folder / "data" / "runs"
            server = ServerProcess(folder, environment(folder, claude, forge))
            try:
                await server.start()
                await _run(server, f"{forge.address}/bench/small", claude, data)
                url = f"{forge.address}/{NAME}"
                runs = [
                    await _run(server, url, claude, data),
                    await _run(server, url, claude, data),
                ]
                await asyncio.to_thread(_move, hosted)
                runs.append(await _run(server, url, claude, data))
            finally:
                await server.kill()
        kept = sum(_size(path) for path in (folder / "data" / "bases").glob("*"))
    rows = zip(*(run.items() for run in runs), strict=True)
    print("| what | first run | base kept | base moved by a commit |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row[0][0]} | {' | '.join(value for _, value in row)} |")
    print(f"\nThe kept base: {kept / _MIB:.1f} MiB.")


async def _run(server: ServerProcess, url: str, claude: TimedClaude, runs: Path) -> dict[str, str]:
    claude.turns.clear()
    begun, nodes, run_id = time.perf_counter(), dict[str, float](), ""
    async with _peaks(server.pids[-1]) as peaks:
        async for event in _events(server.address, url):
            run_id = event["runId"]
            if event["type"] == "node.started":
                nodes.setdefault(event["node"], time.perf_counter())
    asked = {turn.role: turn.received for turn in reversed(claude.turns)}
    return {
        "`prepare`": f"{nodes['plan'] - nodes['prepare']:.2f} s",
        "`POST /code` to first model request": f"{asked['planner'] - begun:.2f} s",
        "the coder's tree, from node to request": f"{asked['coder'] - nodes['code']:.2f} s",
        "memory: the server": f"{peaks[0]:.0f} MiB",
        "memory: its largest process": f"{peaks[1]:.0f} MiB",
        "the run's own base": f"{_size(runs / run_id / 'base.git')} bytes",
    }


async def _events(address: str, url: str) -> AsyncIterator[dict[str, Any]]:
    async with (
        httpx.AsyncClient(timeout=300, trust_env=False) as http,
        http.stream("POST", f"{address}/code", json={"repoUrl": url, "prompt": PROMPT}) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


@asynccontextmanager
async def _peaks(pid: int) -> AsyncIterator[list[float]]:
    """MiB of the server and of the largest process below it, at most, while the block runs."""
    peaks = [0.0, 0.0]

    async def watch() -> None:
        while True:
            sizes = [_resident(each) for each in await asyncio.to_thread(family, pid)]
            peaks[0], peaks[1] = max(peaks[0], sizes[0]), max(peaks[1], *sizes[1:], 0.0)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    try:
        yield peaks
    finally:
        task.cancel()


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / _MIB
    return 0.0


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")]
    return sum(each.stat().st_size for each in files if each.is_file())


def _make(folder: Path, *, files: int = FILES, history_mb: int = HISTORY_MB) -> None:
    """A bare repository: a commit of all files, then commits of records that do not compress."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    importing = subprocess.Popen(
        ["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE
    )
    assert importing.stdin
    for part in _stream(random.Random(20), files, history_mb):
        importing.stdin.write(part)
    importing.stdin.close()
    if importing.wait():
        raise SystemExit("git fast-import failed")


def _stream(chance: random.Random, files: int, history_mb: int) -> Iterator[bytes]:
    yield _commit("Begin")
    for number in range(files):
        place = number // _A_FOLDER
        path = f"package{place // 20}/part{place % 20}/module_{number}.py"
        yield _file(path, _module(chance, number))
    for number in range(_RECORDS):
        yield _commit(f"Record {number}")
        yield _file("records/newest.bin", chance.randbytes(history_mb * _MIB // _RECORDS))
    yield _commit("Leave the records out") + b"D records/newest.bin\n"


def _commit(message: str) -> bytes:
    return f"commit refs/heads/main\n{_WHO}\ndata {len(message)}\n{message}\n".encode()


def _file(path: str, content: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"


def _module(chance: random.Random, number: int) -> bytes:
    """Some kilobytes that look like code."""
    lines = [f'"""Module {number}."""', ""]
    for place in range(chance.randint(5, 40)):
        name = "_".join(chance.choices(_WORDS, k=3))
        value = chance.randint(0, 10**9)
        lines += [f"def {name}_{place}(value):", f"    return value + {value}", ""]
    return "\n".join(lines).encode()


def _move(hosted: HostedRepository) -> None:
    stream = _commit("Move on").decode() + "from refs/heads/main^0\n"
    more = stream.encode() + _file("package0/part0/module_0.py", b"VALUE = 1\n")
    done = ["git", "fast-import", "--quiet"]
    subprocess.run(done, cwd=hosted.git_dir, input=more, check=True)


if __name__ == "__main__":
    asyncio.run(main())
