"""What a poller watches while a command runs: the tree's size, and memory where no group does.

A poller sees late. A tree outgrows its limit by what is written within `INTERVAL_S` and one walk
over it; where others free as much of the same disk meanwhile, or the disk does not count its files
(btrfs), within `WALK_EVERY_S`. `sandbox.overshoot` measures by how much here. Memory goes
over by what is touched within `INTERVAL_S`: some 100 MiB where the machine is fast. And a poller
sees only what processes hold: pages of a file in memory that none of them has mapped count nowhere.
With control groups the kernel counts all of it, at once.
"""

import asyncio
import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from graph.errors import SandboxLost
from sandbox.sandbox import LimitHit, Limits
from sandbox.threads import on_worker

INTERVAL_S = 0.05
WALK_EVERY_S = 2.0
WALK_SHARE = 20
"""A walk takes at most this part of the time: the longer it took, the later is the next."""

ENTRY_BYTES = 4096
"""What an entry counts at least, so that empty files meet the limit too: 256 to the MiB."""

OWN_PROCESSES = 2
"""bubblewrap, outside and inside."""

SLACK_BYTES = 1 << 20
"""A tree grows by this much without being written to: disks settle late what a file takes."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


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
        return self._free_now(), tree_bytes(self._folder) + _deleted(leader)

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
    return "memory" if _resident(pids) > memory and _proportional(pids) > memory else None


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
        for task in _names(f"/proc/{pid}/task"):
            pids += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return pids


def _resident(pids: list[int]) -> int:
    """Memory that the processes have mapped; what several share is counted for each."""
    words = (_read(f"/proc/{pid}/statm").split() for pid in pids)
    return sum(int(word[1]) * _PAGE for word in words if word)


def _proportional(pids: list[int]) -> int:
    """The same, what is shared counted once: slower to tell."""
    found = (_PSS.search(_read(f"/proc/{pid}/smaps_rollup")) for pid in pids)
    return sum(int(pss[1]) * 1024 for pss in found if pss)


def tree_bytes(folder: Path) -> int:
    """Bytes on the disk below a folder, a file with several names once, links not followed."""
    total = 0
    linked: set[int] = set()
    folders = [str(folder)]
    try:
        while folders:
            for entry, info in _entries(folders.pop()):
                if stat.S_ISDIR(info.st_mode):
                    folders.append(entry.path)
                elif info.st_nlink > 1:
                    if info.st_ino in linked:
                        continue
                    linked.add(info.st_ino)
                total += max(info.st_blocks * 512, ENTRY_BYTES)
    except OSError:
        return sys.maxsize  # too deep for a path: no honest tree is
    return total


def _entries(folder: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What is in a folder: it may vanish meanwhile, or refuse to be read."""
    with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry, entry.stat(follow_symlinks=False)


def _deleted(leader: int) -> int:
    """Bytes of files that have no name any more, only a process that holds them open."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in descendants(leader):
        for fd in _names(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                info = os.stat(f"/proc/{pid}/fd/{fd}")  # noqa: PTH116 - thousands of them
                if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                    sizes[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(sizes.values())


def _names(folder: str) -> list[str]:
    """Empty for a process that is gone."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - thousands of them
    except OSError:
        return []


def _read(path: str) -> bytes:
    """Empty for a process that is gone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - thousands of them
            return file.read()
    except OSError:
        return b""
