"""`python -m benchmarks.store_load`: what a change costs where many runs write to one store.

usage: python -m benchmarks.store_load [seconds]

Each run adds ten events twice a second, as one whose role works. A store is one process's, which
drives all runs; or there is one for each run, with one connection, as functions on Modal have it.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Final

from demo.temporary_folder import temporary_folder
from runs.model.attempts import Step
from runs.model.log_entry import entry_of
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.sqlite.store import SqliteStore
from runs.store import Store

_AT_ONCE: Final = (1, 10, 100)
_PAUSE_S: Final = 0.5
_EVENTS: Final = 10
_SECONDS: Final = 15.0


async def write(stores: Sequence[Store], runs: int, seconds: float) -> list[float]:
    """Milliseconds of each change; the runs are spread over the stores."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    spread = zip(range(runs), cycle(stores), strict=False)
    await asyncio.gather(*(_run(store, at / runs, end, times) for at, store in spread))
    return times


async def _run(store: Store, delay: float, end: float, times: list[float]) -> None:
    run = Run(
        run_id=new_run_id(),
        owner="ann",
        status="running",
        request={"repo_url": "octocat/hello", "prompt": "Make the parser accept empty lines."},
    )
    await store.create(run, None, lambda _: [])
    await asyncio.sleep(delay * _PAUSE_S)
    while time.perf_counter() < end:
        events = tuple(
            entry_of("", {"type": "role.text", "role": "coder", "text": "word " * 60})
            for _ in range(_EVENTS)
        )
        begun = time.perf_counter()
        await store.transact(run.run_id, lambda found, events=events: Step(found, events))  # type: ignore[misc]
        took = time.perf_counter() - begun
        times.append(took * 1000)
        await asyncio.sleep(max(0.0, _PAUSE_S - took))


@contextmanager
def _stores() -> Iterator[dict[str, Callable[[int], Sequence[Store]]]]:
    """Makes stores of each kind; PostgreSQL on a Unix socket, each commit on the disk."""
    from runs.postgres import ConnectionOptions, PostgresStore
    from tests.standins.postgres_server import serving

    with temporary_folder() as folder, serving("fsync=on", "max_connections=150") as server:
        options = ConnectionOptions(server.new_database())
        yield {
            "SQLite": lambda _: [SqliteStore(folder / "runs.db")],
            "PostgreSQL": lambda _: [PostgresStore(options)],
            "PostgreSQL, a connection a run": lambda runs: [
                PostgresStore(options, listens=False, connections=1, slots=runs)
                for _ in range(runs)
            ],
        }


async def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else _SECONDS
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| store | runs at once | changes a second | median | 99 % |\n|---|---|---|---|---|")
    with _stores() as kinds:
        for name, make in kinds.items():
            for runs in _AT_ONCE:
                stores = make(runs)
                await asyncio.gather(*(store.open() for store in stores))
                times = await write(stores, runs, seconds)
                await asyncio.gather(*(store.close() for store in stores))
                hundredths = statistics.quantiles(times, n=100)
                figures = f"{hundredths[49]:.1f} ms | {hundredths[98]:.1f} ms"
                print(f"| {name} | {runs} | {len(times) / seconds:.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
