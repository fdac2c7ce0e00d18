"""`make bench-roles`: what the roles cost beside mini-swe-agent; prints tables in Markdown.

usage: python -m benchmarks.roles [rounds] [letters of tasks, such as AF] [apart]

`apart`: coder and fixer end with a reply of their own, not beside their last calls.
"""

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.peers.environments import MINI, program_of
from benchmarks.roles.candidates import Measured, run_mini, run_product
from benchmarks.roles.tasks import TASKS, BenchTask
from demo.temporary_folder import temporary_folder

_ROUNDS: Final = 3
_ROLES: Final = ("planner", "coder", "reviewer", "fixer")
Run = Callable[[BenchTask, Path], Awaitable[Measured]]


async def main(rounds: int, letters: str, *, apart: bool) -> None:
    """Measure each task by each candidate in turn, so that all meet the machine alike."""
    program_of(MINI, "mini")
    runs: tuple[Run, ...] = (
        partial(run_product, beside=not apart),
        partial(run_mini, together=False),
        partial(run_mini, together=True),
    )
    print(f"Beside {MINI}. Medians of {rounds}.\n")
    print("| task | requests | input | cached | output | cost | seconds |" + "\n|---|" + "---|" * 6)
    found = {}
    with temporary_folder() as root:
        for task in TASKS:
            if letters and task.kind[0] not in letters:
                continue
            measured: list[list[Measured]] = [[], [], []]
            for round_ in range(rounds):
                for side, run in zip(measured, runs, strict=True):
                    folder = root / f"{task.name}-{round_}-{len(side)}-{runs.index(run)}"
                    folder.mkdir(mode=0o755)
                    side.append(await run(task, folder))
            found[task] = measured
            for name, side in zip(("roles", "one call", "together"), measured, strict=True):
                print(_row(f"{task.kind}: {name}", side), flush=True)
    print("\n| task | before the review | with it | beside as many calls a reply |")
    print("|---|---|---|---|")
    for task, (ours, one, together) in found.items():
        print(_ratios(task, ours, one, together))


def _row(name: str, side: Sequence[Measured]) -> str:
    first = side[0]
    roles = " + ".join(str(first.requests(role)) for role in _ROLES if first.requests(role))
    requests = f"{first.requests()}{f' ({roles})' if roles else ''}"
    cells = (
        name,
        requests,
        f"{_median(side, lambda each: each.input_tokens) / 1000:.1f} k",
        f"{_median(side, lambda each: each.read_share):.0%}",
        f"{_median(side, lambda each: each.output_tokens) / 1000:.1f} k",
        f"${_median(side, lambda each: each.cost()):.3f}",
        f"{_median(side, lambda each: each.seconds):.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _ratios(
    task: BenchTask, ours: Sequence[Measured], one: Sequence[Measured], more: Sequence[Measured]
) -> str:
    cost = _median(ours, lambda each: each.cost())
    before = _median(ours, lambda each: each.cost(without="reviewer"))
    single, together = (_median(side, lambda each: each.cost()) for side in (one, more))
    cells = (f"{before / single:.2f} x", f"{cost / single:.2f} x", f"{cost / together:.2f} x")
    return f"| {task.kind} | {' | '.join(cells)} |"


def _median(side: Sequence[Measured], read: Callable[[Measured], float]) -> float:
    return statistics.median(map(read, side))


if __name__ == "__main__":
    asked = [word for word in sys.argv[1:] if word != "apart"]
    rounds_ = int(asked[0]) if asked else _ROUNDS
    asyncio.run(main(rounds_, "".join(asked[1:]), apart="apart" in sys.argv[1:]))
