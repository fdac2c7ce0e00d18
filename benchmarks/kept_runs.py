"""`python -m benchmarks.kept_runs`: what listing and counting cost where many runs are kept.

usage: python -m benchmarks.kept_runs [runs] [events]

A server of its own answers over HTTP, on SQLite and on the PostgreSQL that the tests start too.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from benchmarks.server_process import ServerProcess
from demo.temporary_folder import temporary_folder
from graph import Status
from runs.model.attempts import Ending, Step, finish_attempt
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.sqlite.store import SqliteStore
from runs.store import Store

RUNS: Final = 10_000
EVENTS: Final = 100
_CALLS: Final = 50
_AT_ONCE: Final = 8
_OWNERS: Final = ("ann", "ben", "cleo", "dora")
_ENDS: Final[tuple[Status, ...]] = ("succeeded", "succeeded", "succeeded", "incomplete", "failed")


async def fill(store: Store, runs: int, events: int) -> str:
    """Keep runs that have ended, each with so many events; the id of the last."""
    left = iter(range(runs))
    last = ""

    async def work() -> None:
        nonlocal last
        for number in left:
            last = await _keep(store, number, events)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return last


async def _keep(store: Store, number: int, events: int) -> str:
    run = Run(
        run_id=new_run_id(),
        owner=_OWNERS[number % len(_OWNERS)],
        status="running",
        request={
            "repo_url": f"octocat/repo-{number % 50}",
            "prompt": "Make the parser accept empty lines. " * 8,
            "max_cost_usd": 5.0,
        },
    )
    run, _ = await store.create(run, None, lambda _: [])
    status = _ENDS[number % len(_ENDS)]

    def end(found: Run) -> Step:
        url = f"https://github.com/octocat/repo-{number % 50}/pull/{number}"
        pulled = found.replace(pr_url=url, published_at=time.time())
        ended = finish_attempt(pulled, Ending(status=status), time.time())
        return Step(ended.run, (*_events(events), *ended.entries))

    await store.transact(run.run_id, end)
    return run.run_id


def _events(number: int) -> Iterator[Entry]:
    """Mostly what roles say and do, some of what a run is shown by."""
    usage = {"type": "usage", "role": "coder", "model": "m", "costUsd": 0.01, "runCostUsd": 0.01}
    for at in range(number):
        if at % 10 == 0:
            yield entry_of(f"usage:{at}", usage)
        else:
            yield entry_of("", {"type": "role.text", "role": "coder", "text": "word " * 60})


@dataclass(frozen=True)
class Cost:
    """Milliseconds until the answer, and of the server's processor, of each call."""

    times: list[float]
    processor: float


async def measure(folder: Path, last: str, **environment: str) -> dict[str, Cost]:
    """What each call costs, by what is asked."""
    keys = {name: f"{name}-0123456789-0123456789" for name in _OWNERS}
    settings = {
        "CODING_AGENT_DATA_DIR": str(folder / "data"),
        "CODING_AGENT_API_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items()),
        "CODING_AGENT_OPERATORS": _OWNERS[0],
        "CODING_AGENT_KEY_RATE": "0",
    }
    server = ServerProcess(folder, {**settings, **environment})
    await server.start()
    process = psutil.Process(server.pids[-1])
    found = {}
    try:
        async with httpx.AsyncClient(base_url=server.address, trust_env=False) as http:
            for who, path in _calls(last):
                http.headers["Authorization"] = f"Bearer {keys[who]}"
                name = path if who == _OWNERS[0] else f"{path} (own)"
                found[name] = await _timed(http, path, process)
            return found
    finally:
        await server.stop()


def _calls(last: str) -> Iterator[tuple[str, str]]:
    """Who asks, an operator or one caller, and what for."""
    operator, caller = _OWNERS[:2]
    yield operator, "/runs?limit=50"
    yield caller, "/runs?limit=50"
    yield operator, "/runs?limit=100"
    yield operator, "/runs?limit=50&status=failed"
    yield operator, "/runs?limit=50&repo=octocat/repo-7"
    yield operator, f"/runs?limit=50&cursor={last}"
    yield operator, f"/runs/{last}"
    yield operator, "/figures"
    yield caller, "/figures"
    yield operator, "/metrics"


async def _timed(http: httpx.AsyncClient, path: str, process: psutil.Process) -> Cost:
    (await http.get(path)).raise_for_status()
    times, before = [], process.cpu_times()
    for _ in range(_CALLS):
        begun = time.perf_counter()
        (await http.get(path)).raise_for_status()
        times.append((time.perf_counter() - begun) * 1000)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return Cost(times, used * 1000 / _CALLS)


@contextmanager
def _postgres() -> Iterator[str]:
    from tests.standins.postgres_server import serving

    with serving() as server:
        yield server.new_database()


async def measure_store(name: str, runs: int, events: int) -> None:
    """Fill one store, measure it, print its rows."""
    database = _postgres() if name == "PostgreSQL" else nullcontext()
    with temporary_folder() as folder, database as url:
        (folder / "data").mkdir(mode=0o711)
        environment: dict[str, str] = {"CODING_AGENT_DATABASE_URL": url} if url else {}
        store: Any = SqliteStore(folder / "data" / "runs.db")
        if url:
            from runs.postgres import ConnectionOptions, PostgresStore

            store = PostgresStore(ConnectionOptions(url), connections=_AT_ONCE)
        await store.open()
        begun = time.perf_counter()
        last = await fill(store, runs, events)
        seconds = time.perf_counter() - begun
        await store.close()
        print(f"| {name} | keep {runs} runs of {events} events | {seconds:.0f} s | | |", flush=True)
        for path, cost in (await measure(folder, last, **environment)).items():
            shown = f"`GET {path.replace(last, 'ID')}`"
            figures = (statistics.median(cost.times), max(cost.times), cost.processor)
            print(f"| {' | '.join((name, shown, *map(_ms, figures)))} |", flush=True)


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms"


async def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    events = int(sys.argv[2]) if len(sys.argv) > 2 else EVENTS
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| store | what | median | worst | processor |\n|---|---|---|---|---|")
    for name in ("SQLite", "PostgreSQL"):
        await measure_store(name, runs, events)


if __name__ == "__main__":
    asyncio.run(main())
