"""What is watched while a command runs: its time, its tree, and memory where no group limits it.

A poller sees late. A tree outgrows its limit by what is written within `INTERVAL_S` and one walk
over it; where others free as much of the same disk meanwhile, or the disk does not count its files
(btrfs), within `WALK_EVERY_S`. Memory goes over by what is touched within `INTERVAL_S`: some 100
MiB where the machine is fast. And a poller sees only what processes hold: pages of a file in memory
that none of them has mapped count nowhere. With control groups the kernel counts all of it, at
once.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Iterator
from functools import partial
from typing import Protocol

from graph.errors import SandboxLost
from sandbox.core.protocol import LimitHit, Limits
from sandbox.host.executors import on_worker
from sandbox.host.resource_usage import TreeSize, exceeded, family, processor_ns

INTERVAL_S = 0.05
CLOCK_S = 1.0
LONGEST = 3
"""So many times its time a command may take where others keep the processors from it."""
OWN_PROCESSES = 2
"""bubblewrap, outside and inside."""


class Watched(Protocol):
    """A command that runs. Every process of it that this machine sees descends from `pid`."""

    limit: LimitHit | None

    @property
    def pid(self) -> int: ...

    def stop(self, limit: LimitHit | None = None, loss: str = "it was stopped") -> None: ...


async def watch_time(execution: Watched, seconds: float, cpus: float) -> None:
    """Stop a command at its time, in which waiting for a processor does not count."""
    started = time.monotonic()
    left, before = seconds, dict[str, tuple[int, int]]()
    while left > 0 and (rest := started + LONGEST * seconds - time.monotonic()) > 0:
        slept = time.monotonic()
        await asyncio.sleep(min(max(left, INTERVAL_S), CLOCK_S, rest))
        after = await on_worker(lambda: processor_ns(family(execution.pid)))
        took = time.monotonic() - slept
        left -= took - waited_s(before, after, took, cpus)
        before = after
    execution.stop("time")


def waited_s(
    before: dict[str, tuple[int, int]],
    after: dict[str, tuple[int, int]],
    took: float,
    cpus: float,
) -> float:
    """How much sooner threads would have come as far, had they the processors they may use.

    What they lack since they are more than `cpus` is their own, and so is sleep.
    """
    spent = [
        tuple(now - then for now, then in zip(times, before.get(task, (0, 0)), strict=True))
        for task, times in after.items()
    ]
    ran, waited = (sum(times) / 1e9 for times in zip(*spent, strict=True)) if spent else (0.0, 0.0)
    wanted = min((ran + waited) / took, cpus)
    return max(min(wanted, 1) * (took - ran / wanted), 0.0) if wanted else 0.0


async def watch_tree(execution: Watched, size: TreeSize) -> None:
    """Stop a command whose tree outgrows its limit; until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S)
        if await is_outgrown(execution, size):
            execution.stop("disk")
            if execution.limit == "disk":  # else it ended meanwhile: who measures then tells it
                size.allow_what_is()


async def is_outgrown(execution: Watched, size: TreeSize, *, anyway: bool = False) -> bool:
    """Whether a command's tree did, where it is due for a look. Raises SandboxLost: it is gone."""
    try:
        if not anyway and not await on_worker(lambda: size.is_due):
            return False
        return await asyncio.to_thread(size.is_outgrown, partial(family, execution.pid))
    except OSError as error:
        raise SandboxLost(f"the tree of a command is gone: {error}") from error


async def watch_processes(execution: Watched, limits: Limits) -> None:
    """Stop a command whose processes hold too much memory, or are too many; until cancelled."""
    pids, memory = limits.pids + OWN_PROCESSES, limits.memory_mb << 20
    while True:
        await asyncio.sleep(INTERVAL_S)
        limit = await on_worker(lambda: exceeded(family(execution.pid), pids=pids, memory=memory))
        if limit:
            execution.stop(limit)


@contextlib.contextmanager
def watched(execution: Watched, watchers: Iterable[Coroutine[None, None, None]]) -> Iterator[None]:
    """Watch while the block runs. A command that cannot be watched is stopped: SandboxLost."""
    tasks = [asyncio.create_task(watcher) for watcher in watchers]
    for task in tasks:
        task.add_done_callback(lambda _: execution.stop())
    try:
        yield
    finally:
        failed = [task for task in tasks if not task.cancel()]
    for task in failed:
        if error := task.exception():
            raise SandboxLost(f"a command could not be watched: {error}") from error
