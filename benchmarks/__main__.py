"""`make bench`: one run of the product, then many at once beside deepagents; a table.

usage: python -m benchmarks [turns] [load]
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.http_start import measure_http
from benchmarks.load import Load, deepagents_load, product_load
from benchmarks.peers.candidates import Candidate, product
from benchmarks.readers import measure_readers
from benchmarks.script import TURNS
from demo.temporary_folder import temporary_folder

ROUNDS = 3
LONG = 120
_MIB = 1024 * 1024


Row = tuple[str, str, str, str, str]
T = TypeVar("T")


def _kept(folder: Path) -> int:
    """Bytes of the run's own state: log, checkpoints, transcripts, changes."""
    names = ("runs.db*", "runs/*/checkpoint.db*", "runs/*/transcripts/**/*", "runs/*/changes/*")
    return sum(
        path.stat().st_size for name in names for path in folder.glob(name) if path.is_file()
    )


def help_s() -> float:
    """Seconds for `coding-agent --help`."""
    program, times = str(Path(sys.executable).with_name("coding-agent")), []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run([program, "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def beside(ours: float, other: float, unit: str, digits: int = 1) -> tuple[str, str, str]:
    """Two figures and their ratio."""
    return f"{ours:.{digits}f} {unit}", f"{other:.{digits}f} {unit}", f"{ours / other:.2f} x"


async def turn_rows() -> tuple[Row, ...]:
    """One run at a time; what its turns take is measured beside others by `benchmarks.peers`."""
    with temporary_folder() as root:
        candidate = Candidate(root / "product", product)
        await candidate.measure(2)
        short, before = await candidate.measure(TURNS), _kept(candidate.folder)
        await candidate.measure(LONG)
        kept_mib = (_kept(candidate.folder) - before) / _MIB
    http = await measure_http()
    return (
        ("`coding-agent --help`", f"{help_s():.2f} s", "", "", "≤ 0.1 s"),
        ("`POST /code` to first event", f"{http.event_ms:.0f} ms", "", "", "≤ 20 ms"),
        ("`POST /code` to first model request", f"{http.model_ms:.0f} ms", "", "", "≤ 400 ms"),
        ("billed-equivalent input tokens", f"{short.billed / 1000:.1f} k", "", "", "≤ 32 k"),
        ("input read from cache", f"{short.cached:.1%}", "", "", "≥ 94 %"),
        ("state of 120 turns", f"{kept_mib:.2f} MB", "", "", "≤ 1.5 MB"),
    )


async def load_rows() -> tuple[Row, ...]:
    """Many runs and readers at once; a large repository has a benchmark of its own."""
    pairs = [
        (await in_folder(deepagents_load), await in_folder(product_load)) for _ in range(ROUNDS)
    ]
    theirs, ours = (_middle([pair[side] for pair in pairs]) for side in (0, 1))
    readers = await in_folder(measure_readers)
    lag = f"{readers.median_ms:.0f} ms, 99 %: {readers.worst_ms:.0f} ms"
    turns = beside(ours.turns_per_s, theirs.turns_per_s, "/s")
    memory = beside(ours.memory_mib, theirs.memory_mib, "MiB", 0)
    return (
        ("20 runs at once: turns", *turns, "≥ 1.5 x"),
        ("20 runs at once: memory", *memory, "≤ 200 MiB"),
        ("100 readers of a run: events delivered", f"{readers.events_per_s:.0f} /s", "", "", ""),
        ("100 readers: from event to reader", lag, "", "", ""),
        ("100 readers: memory they add", f"{readers.memory_mib:.0f} MiB", "", "", ""),
    )


async def in_folder(measure: Callable[[Path], Awaitable[T]]) -> T:
    with temporary_folder() as root:
        return await measure(root)


def _middle(loads: list[Load]) -> Load:
    return Load(
        statistics.median([each.turns_per_s for each in loads]),
        statistics.median([each.memory_mib for each in loads]),
    )


async def main(parts: list[str]) -> None:
    """Measure, print the table."""
    measured = {"turns": turn_rows, "load": load_rows}
    print("| what | product | deepagents | ratio | to reach |\n|---|---|---|---|---|")
    for part in parts or measured:
        for row in await measured[part]():
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\nLoad of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
