"""What a poller watches while a command runs: the tree's size, and memory where no group does.

A poller sees late. A tree outgrows its limit by what is written within `INTERVAL_S` and one walk
over it; where others free as much of the same disk meanwhile, or the disk does not count its files
(btrfs), within `WALK_EVERY_S`. Memory goes over by what is touched within `INTERVAL_S`: some 100
MiB where the machine is fast. And a poller sees only what processes hold: pages of a file in memory
that none of them has mapped count nowhere. With control groups the kernel counts all of it, at
once.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from graph.errors import SandboxLost
from sandbox.core.protocol import LimitHit, Limits
from sandbox.host.executors import on_worker
from sandbox.host.resource_usage import (
    ENTRY_BYTES,
    PAGE,
    SLACK_BYTES,
    WALK_EVERY_S,
    WALK_SHARE,
    deleted_bytes,
    list_proc,
    proportional,
    read_proc,
    tree_bytes,
)

INTERVAL_S = 0.05
OWN_PROCESSES = 2
"""bubblewrap, outside and inside."""


@dataclass(frozen=True)
class Free:
    """What a disk has left: bytes, and files; 0 files all the time where it does not count them."""

    bytes: int
    files: int

    def lost_since(self, before: "Free") -> int:
        """At most so much a tree on it can have grown."""
        return max(before.bytes - self.bytes, 0) + max(before.files - self.files, 0) * ENTRY_BYTES


class TreeSize:
    """The size of a tree: walked over now and then, and when the disk has lost enough.

    Until the first walk the tree is taken for half full.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._size = limit // 2
        self._free = self._free_now()
        self._walked = False
        self._walk_at = time.monotonic() + WALK_EVERY_S
        self._walking = asyncio.Lock()

    async def suspect(self) -> bool:
        """Whether the tree is over its limit if all that the disk lost went into it."""
        free = await on_worker(self._free_now)
        return self._size + free.lost_since(self._free) > self._limit

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._walk_at

    async def outgrown(self, leader: int) -> bool:
        """Walk; whether the tree, with deleted files still open, is over its limit and grew.

        One that is known to be over it may be cleaned up.
        """
        async with self._walking:
            started = time.monotonic()
            free, size = await asyncio.to_thread(self._measure, leader)
            grown = size > self._size + SLACK_BYTES or not self._walked
            self._size, self._free, self._walked = size, free, True
            took = time.monotonic() - started
            self._walk_at = time.monotonic() + max(WALK_EVERY_S, WALK_SHARE * took)
            return grown and size > self._limit

    def _measure(self, leader: int) -> tuple[Free, int]:
        return self._free_now(), tree_bytes(self._folder) + deleted_bytes(descendants(leader))

    def _free_now(self) -> Free:
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise SandboxLost(f"the tree of a command is gone: {error}") from error
        return Free(disk.f_bfree * disk.f_frsize, disk.f_ffree)


class Watched(Protocol):
    """A command that runs. Every process of it that this machine sees descends from `pid`."""

    @property
    def pid(self) -> int: ...

    def stop(self, limit: LimitHit | None = None, loss: str = "it was stopped") -> None: ...


async def watch_tree(execution: Watched, size: TreeSize) -> None:
    """Stop a command whose tree outgrows its limit; until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S)
        if (size.due or await size.suspect()) and await size.outgrown(execution.pid):
            execution.stop("disk")


async def watch_processes(execution: Watched, limits: Limits) -> None:
    """Stop a command whose processes hold too much memory, or are too many; until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S)
        if limit := await on_worker(partial(_exceeded, execution.pid, limits)):
            execution.stop(limit)


def _exceeded(leader: int, limits: Limits) -> LimitHit | None:
    pids = descendants(leader)
    if len(pids) > limits.pids + OWN_PROCESSES:
        return "pids"
    memory = limits.memory_mb << 20
    return "memory" if _resident(pids) > memory and sum(map(proportional, pids)) > memory else None


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


def descendants(leader: int) -> list[int]:
    """A process and all that come from it."""
    pids = [leader]
    for pid in pids:
        for task in list_proc(f"{pid}/task"):
            pids += map(int, read_proc(str(pid), f"task/{task}/children").split())
    return pids


def _resident(pids: list[int]) -> int:
    """Memory that the processes have mapped; what several share is counted for each."""
    words = (read_proc(str(pid), "statm").split() for pid in pids)
    return sum(int(word[1]) * PAGE for word in words if word)
