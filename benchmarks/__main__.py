"""`make bench`: the product beside the bare loop, in one session; prints a table in Markdown.

usage: python -m benchmarks [turns] [load]
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.http_start import measure_http
from benchmarks.load import Load, bare_load, product_load
from benchmarks.readers import measure_readers
from benchmarks.script import PROMPT, TURNS, commands, make_repository
from benchmarks.timed_claude import TimedClaude
from demo.temporary_folder import temporary_folder

ROUNDS = 3
LONG = 120
_MIB = 1024 * 1024


Command = Callable[[str, Path, Path], list[str]]
Row = tuple[str, str, str, str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """One whole process: seconds to its first request, gaps in ms, billed tokens, bytes kept."""

    start_s: float
    gaps: list[float]
    billed: float
    cached: float
    kept: int


class Candidate:
    """One way to run the script. Its folder stays from run to run, as on a machine in use."""

    def __init__(self, root: Path, command: Command) -> None:
        self._command = command
        self._repository, self._folder = root / "repository", root / "folder"
        make_repository(self._repository)
        self._folder.mkdir(mode=0o711)

    async def measure(self, turns: int) -> Measured:
        """One run as a process of its own."""
        async with TimedClaude(turns) as claude:
            environment = {
                **os.environ,
                "ANTHROPIC_API_KEY": "benchmark-key-benchmark",
                "ANTHROPIC_BASE_URL": claude.base_url,
                "CODING_AGENT_DATA_DIR": str(self._folder),
                "CODING_AGENT_MAX_COST_USD": "100",
            }
            before, begun = _kept(self._folder), time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *self._command(claude.base_url, self._repository, self._folder),
                env=environment,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            if await process.wait():
                raise SystemExit(f"{self._command.__name__} failed")
            return Measured(
                claude.turns[0].received - begun,
                claude.gaps(),
                claude.billed_tokens(),
                claude.cache_share(),
                _kept(self._folder) - before,
            )


def bare(base_url: str, repository: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.bare_loop", base_url, str(repository), str(folder)]


def product(_base_url: str, repository: Path, _folder: Path) -> list[str]:
    return [_program(), "run", PROMPT, "--repo", str(repository), "--quiet"]


def _program() -> str:
    return str(Path(sys.executable).with_name("coding-agent"))


def _kept(folder: Path) -> int:
    """Bytes of the run's own state: log, checkpoints, transcripts, changes."""
    names = ("runs.db*", "runs/*/checkpoint.db*", "runs/*/transcripts/**/*", "runs/*/changes/*")
    return sum(
        path.stat().st_size for name in names for path in folder.glob(name) if path.is_file()
    )


def commands_ms(turns: int) -> list[float]:
    """Each command's own time: bash alone, in a plain folder."""
    root = Path(tempfile.mkdtemp(prefix="coding-agent-bench-", dir="/tmp"))
    try:
        make_repository(root)
        times = []
        for command in commands(turns):
            begun = time.perf_counter()
            subprocess.run(["/bin/bash", "-c", command], cwd=root, capture_output=True, check=False)
            times.append((time.perf_counter() - begun) * 1000)
        return times
    finally:
        shutil.rmtree(root)


def help_s() -> float:
    """Seconds for `coding-agent --help`."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run([_program(), "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def beside(ours: float, other: float, unit: str, digits: int = 1) -> tuple[str, str, str]:
    """Two figures and their ratio."""
    return f"{ours:.{digits}f} {unit}", f"{other:.{digits}f} {unit}", f"{ours / other:.2f} x"


def overheads(measured: Measured, own: list[float]) -> list[float]:
    """What each turn takes beside its command: the gap less the command's own time."""
    return [gap - command for gap, command in zip(measured.gaps, own, strict=True)]


def turn_ms(measured: list[Measured], own: list[float]) -> float:
    """The median overhead of a turn."""
    return statistics.median([over for one in measured for over in overheads(one, own)])


async def turn_rows() -> tuple[Row, ...]:
    """One run at a time."""
    own, long_own = commands_ms(TURNS), commands_ms(LONG)
    with temporary_folder() as root:
        (root / "bare").mkdir(mode=0o711)
        (root / "product").mkdir(mode=0o711)
        theirs, mine = Candidate(root / "bare", bare), Candidate(root / "product", product)
        for candidate in (theirs, mine):
            await candidate.measure(2)
        pairs = [(await theirs.measure(TURNS), await mine.measure(TURNS)) for _ in range(ROUNDS)]
        long = await mine.measure(LONG)
    bares, ours = ([pair[side] for pair in pairs] for side in (0, 1))
    http = await measure_http()
    turns = overheads(long, long_own)
    early, late = statistics.median(turns[:20]), statistics.median(turns[99:])
    starts = [statistics.median([one.start_s for one in side]) for side in (ours, bares)]
    k_tokens = [side[0].billed / 1000 for side in (ours, bares)]
    return (
        ("overhead per turn", *beside(turn_ms(ours, own), turn_ms(bares, own), "ms"), "≤ 1.3 x"),
        ("turns 100 to 120 against 1 to 20", *beside(late, early, "ms"), "≤ 1.2 x"),
        ("process start to first model request", *beside(starts[0], starts[1], "s", 2), "≤ 1.3 x"),
        ("`coding-agent --help`", f"{help_s():.2f} s", "", "", "≤ 0.3 s"),
        ("`POST /code` to first event", f"{http.event_ms:.0f} ms", "", "", "≤ 20 ms"),
        ("`POST /code` to first model request", f"{http.model_ms:.0f} ms", "", "", "≤ 400 ms"),
        ("billed-equivalent input tokens", *beside(k_tokens[0], k_tokens[1], "k"), "≤ 32 k"),
        ("input read from cache", f"{ours[0].cached:.1%}", f"{bares[0].cached:.1%}", "", "≥ 94 %"),
        ("state of 120 turns", f"{long.kept / _MIB:.2f} MB", "", "", "≤ 1.5 MB"),
    )


async def load_rows() -> tuple[Row, ...]:
    """Many runs and readers at once; a large repository has a benchmark of its own."""
    pairs = [(await in_folder(bare_load), await in_folder(product_load)) for _ in range(ROUNDS)]
    theirs, ours = (_middle([pair[side] for pair in pairs]) for side in (0, 1))
    readers = await in_folder(measure_readers)
    lag = f"{readers.median_ms:.0f} ms, 99 %: {readers.worst_ms:.0f} ms"
    turns = beside(ours.turns_per_s, theirs.turns_per_s, "/s")
    memory = beside(ours.memory_mib, theirs.memory_mib, "MiB", 0)
    return (
        ("20 runs at once: turns", *turns, "≥ 0.9 x"),
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
    print("| what | product | bare loop, or early | ratio | to reach |\n|---|---|---|---|---|")
    for part in parts or measured:
        for row in await measured[part]():
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\nLoad of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
