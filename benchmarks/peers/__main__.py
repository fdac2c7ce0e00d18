"""`make bench-peers`: one script by the product and by its peers, in one session; a table.

usage: python -m benchmarks.peers [rounds] [names of candidates]
"""

import asyncio
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers.candidates import (
    Call,
    Candidate,
    Measured,
    Place,
    commands_ms,
    deepagents,
    mini_swe_agent,
    plain_loop,
    product,
)
from benchmarks.script import TURNS
from demo.temporary_folder import temporary_folder

_ROUNDS: Final = 5
_LONG: Final = 120
_ALL: Final[tuple[Callable[[Place], Call], ...]] = (
    product,
    plain_loop,
    mini_swe_agent,
    deepagents,
)


async def main(rounds: int, names: Sequence[str]) -> None:
    """Each round by each candidate in turn, so that all meet the machine alike."""
    with temporary_folder() as root:
        own = await asyncio.to_thread(commands_ms, root / "own", _LONG)
        found = [
            Candidate(_folder(root, call), call)
            for call in _ALL
            if not names or call.__name__ in names
        ]
        for candidate in found:
            await candidate.measure(2)
        short: list[list[Measured]] = [[] for _ in found]
        long: list[list[Measured]] = [[] for _ in found]
        for _ in range(rounds):
            for number, candidate in enumerate(found):
                short[number].append(await candidate.measure(TURNS))
        for number, candidate in enumerate(found):
            long[number].append(await candidate.measure(_LONG))
        print(
            "| candidate | overhead per turn | process start to first request |"
            " turns 100 to 120 against 1 to 20 | memory |\n|---|---|---|---|---|"
        )
        for candidate, few, many in zip(found, short, long, strict=True):
            print(_row(candidate.name, few, many, own))
    print(f"\nMedians of {rounds}; the long run once.")
    print(f"Load of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")


def _folder(root: Path, call: Callable[[Place], Call]) -> Path:
    folder = root / call.__name__
    folder.mkdir(mode=0o711)
    return folder


def _row(
    name: str, short: Sequence[Measured], long: Sequence[Measured], own: Sequence[float]
) -> str:
    turns = _overheads(short, own)
    start_s = statistics.median([each.start_s for each in short])
    early, late = (
        statistics.median(_overheads(long, own, part)) for part in (slice(20), slice(99, None))
    )
    peak = statistics.median([each.peak_mib for each in short])
    cells = (
        f"{statistics.median(turns):.1f} ms",
        f"{start_s:.2f} s",
        f"{late:.1f} ms against {early:.1f} ms ({late / early:.2f} x)",
        f"{peak:.0f} MiB",
    )
    return f"| {name} | {' | '.join(cells)} |"


def _overheads(
    runs: Sequence[Measured], own: Sequence[float], part: slice = slice(None)
) -> list[float]:
    """What each turn takes beside its command, in ms."""
    return [
        gap - command
        for each in runs
        for gap, command in list(zip(each.gaps_ms, own, strict=False))[part]
    ]


if __name__ == "__main__":
    asyncio.run(main(int((*sys.argv, str(_ROUNDS))[1]), sys.argv[2:]))
