"""What a command uses: its processes, their memory and processor time, the size of its tree.

Part of the program of `sandbox.backends.container.supervisor`: standard library alone, as there.
"""

from __future__ import annotations  # a container's Python may be older than ours

import contextlib
import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

PROC = "/proc"
PAGE = os.sysconf("SC_PAGE_SIZE")
WALK_EVERY_S = 2.0
WALK_SHARE = 20
"""A walk takes at most this part of the time: the longer it took, the later is the next."""
ENTRY_BYTES = 4096
"""What an entry counts at least, so that empty files meet the limit too: 256 to the MiB."""
SLACK_BYTES = 1 << 20
"""A tree grows by this much without being written to: disks settle late what a file takes."""
UNCOUNTABLE = sys.maxsize
"""More than any limit: the size of a tree that cannot be counted."""
DEEPEST = 64
"""Folders within each other that are open while they are counted, at most."""
_SET_IDS = 1 << 6 | 1 << 7
"""The capabilities to become another group and user."""
_IS_ROOT = os.geteuid() == 0
_FOLDER = (os.O_RDONLY if _IS_ROOT else os.O_PATH) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTABLE = stat.S_IRUSR | stat.S_IXUSR

Processes = dict[int, tuple[int, int, int]]
"""By their ids: the parent, the number of threads, the resident pages."""


class TreeSize:
    """The size of a tree: walked over now and then, and when its disk has lost enough.

    `size` (bytes) is the tree's when it was last walked over, and what was found to be written to
    its disk since it was asked for; until the first walk half of the limit. `size` given: the one
    that was known before, 0 for none. `free`: how its disk is asked, as by `free_on_disk`.
    """

    def __init__(
        self,
        folders: Sequence[str],
        limit: int,
        size: int = 0,
        free: Callable[[str], tuple[int, int]] | None = None,
    ) -> None:
        self._folders = folders
        self._free_on_disk = free or free_on_disk
        self._limit = limit
        self._at_walk = size or limit // 2
        self._allowed = max(limit, size + SLACK_BYTES) if size else limit
        self._free = self._free_now()
        self._walk_at = time.monotonic() + WALK_EVERY_S
        self._walking = threading.Lock()

    @property
    def size(self) -> int:
        """At most so large: all that its disk lost since the last walk may have gone into it."""
        free, files = self._free_now()
        lost, made = max(self._free[0] - free, 0), max(self._free[1] - files, 0)
        return self._at_walk + lost + made * ENTRY_BYTES

    @property
    def is_due(self) -> bool:
        """Whether it is to be walked over: it may have outgrown its limit, or it is time."""
        return time.monotonic() >= self._walk_at or self.size > self._allowed

    def has_outgrown(self, pids: Callable[[], Iterable[int]]) -> bool:
        """Whether it `is_outgrown`, which is told here. Blocks. Raises OSError: it is gone."""
        outgrown = self.is_outgrown(pids)
        if outgrown:
            self.allow_what_is()
        return outgrown

    def is_outgrown(self, pids: Callable[[], Iterable[int]]) -> bool:
        """Walk; whether the tree is over its limit and grew, or cannot be counted. Blocks.

        Deleted files that these processes hold open count. Until `allow_what_is` each walk says so.
        Raises OSError: it is gone.
        """
        with self._walking:
            started = time.monotonic()
            free = self._free_now()
            size = sum(map(tree_bytes, self._folders)) + deleted_bytes(pids())
            outgrown = size > self._allowed or size >= UNCOUNTABLE
            self._at_walk, self._free = size, free
            if not outgrown:
                self._allowed = min(self._allowed, self._had)
            took = time.monotonic() - started
            self._walk_at = time.monotonic() + max(WALK_EVERY_S, WALK_SHARE * took)
            return outgrown

    def allow_what_is(self) -> None:
        """A tree that is told to be over its limit may be cleaned up: what it then may have is what
        it had, and less as it shrinks."""
        self._allowed = self._had

    @property
    def _had(self) -> int:
        return max(self._limit, self._at_walk + SLACK_BYTES)

    def _free_now(self) -> tuple[int, int]:
        return self._free_on_disk(self._folders[0])


def free_on_disk(folder: str) -> tuple[int, int]:
    """Bytes and files that a folder's disk has left; 0 files all the time where it counts none."""
    disk = os.statvfs(folder)
    return disk.f_bfree * disk.f_frsize, disk.f_ffree


def tree_bytes(folder: str | os.PathLike[str]) -> int:
    """Bytes on the disk below a folder, a file with several names once, links not followed.

    A folder that its own user may not list is opened for as long as it is counted. What cannot be
    counted, or is deeper than any honest tree, is more than any limit.
    """
    try:
        return _folder_bytes(os.fspath(folder), None, set(), DEEPEST)
    except FileNotFoundError:
        return 0
    except OSError:
        return UNCOUNTABLE


def _folder_bytes(name: str, parent: int | None, linked: set[int], depth: int) -> int:
    """Of the folder of that name in `parent`. Raises OSError."""
    if not depth:
        raise OSError(errno.ELOOP, "too deep")
    handle = os.open(name, _FOLDER, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if _IS_ROOT or mode & _LISTABLE == _LISTABLE:
            return _count(handle, linked, depth)
        os.chmod(f"/proc/self/fd/{handle}", mode | _LISTABLE)
        total = _count(handle, linked, depth)
        if stat.S_IMODE(os.fstat(handle).st_mode) == mode | _LISTABLE:
            os.chmod(f"/proc/self/fd/{handle}", mode)
        return total
    finally:
        os.close(handle)


def _count(folder: int, linked: set[int], depth: int) -> int:
    total, inner = 0, []
    with os.scandir(folder if _IS_ROOT else f"/proc/self/fd/{folder}") as entries:
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(info.st_mode):
                inner.append(entry.name)
            elif info.st_nlink > 1:
                if info.st_ino in linked:
                    continue
                linked.add(info.st_ino)
            total += max(info.st_blocks * 512, ENTRY_BYTES)
    for name in inner:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            total += _folder_bytes(name, folder, linked, depth - 1)
    return total


def deleted_bytes(pids: Iterable[int]) -> int:
    """Bytes of files that have no name any more, only a process that holds them open."""
    sizes = {}
    for pid in pids:
        for fd in list_proc(f"{pid}/fd"):
            with contextlib.suppress(OSError):
                info = os.stat(f"/proc/{pid}/fd/{fd}")
                if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                    sizes[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(sizes.values())


def processes() -> Processes:
    """Every process that lives."""
    return dict(_living(int(name) for name in os.listdir(PROC) if name.isdecimal()))


def descendants(every: Processes, ancestor: int) -> Processes:
    """Those of `every` that come from a process."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in every.items():
        children.setdefault(parent, []).append(pid)
    found, left = {}, [ancestor]
    while left:
        for pid in children.pop(left.pop(), ()):
            found[pid] = every[pid]
            left.append(pid)
    return found


def family(leader: int) -> Processes:
    """A process and all that come from it, without a look at any other."""
    pids = [leader]
    for pid in pids:
        for task in list_proc(f"{pid}/task"):
            pids += map(int, read_proc(str(pid), f"task/{task}/children").split())
    return dict(_living(pids))


def owned(every: Processes, user: int) -> Processes:
    return {pid: facts for pid, facts in every.items() if _owner(pid) == user}


def threads_of(some: Processes) -> int:
    return sum(threads for _, threads, _ in some.values())


def exceeded(
    mine: Processes, *, pids: int, memory: int, proc: str = PROC
) -> Literal["pids", "memory"] | None:
    """The limit, of threads or of bytes of memory, that these processes are over."""
    if threads_of(mine) > pids:
        return "pids"
    resident = sum(pages for _, _, pages in mine.values()) * PAGE  # shared ones once for each
    return "memory" if resident > memory and _memory_of(mine, proc) > memory else None


def processor_ns(some: Iterable[int]) -> dict[str, tuple[int, int]]:
    """By thread: nanoseconds that it ran, and that it waited for a processor."""
    found = {}
    for pid in some:
        for task in list_proc(f"{pid}/task"):
            words = read_proc(str(pid), f"task/{task}/schedstat").split()
            if len(words) > 1:
                found[task] = int(words[0]), int(words[1])
    return found


def can_become(user: int) -> bool:
    """Whether commands can run as that user: a container may know of its root alone."""
    lines = [line.split() for line in read_proc("self", "uid_map").splitlines()]
    mapped = any(int(first) <= user < int(first) + int(count) for first, _, count in lines)
    held = [line for line in read_proc("self", "status").splitlines() if line[:7] == b"CapEff:"]
    allowed = all(int(line.split()[1], 16) & _SET_IDS == _SET_IDS for line in held)
    return os.getuid() == 0 and (mapped or not lines) and allowed


def list_proc(folder: str) -> list[str]:
    """Empty for a process that is gone."""
    try:
        return os.listdir(f"{PROC}/{folder}")
    except OSError:
        return []


def read_proc(pid: str, name: str, proc: str = PROC) -> bytes:
    """Empty where the process is no more, or the kernel tells no such thing."""
    try:
        with open(f"{proc}/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _living(pids: Iterable[int]) -> Iterator[tuple[int, tuple[int, int, int]]]:
    for pid in pids:
        fields = read_proc(str(pid), "stat").rpartition(b")")[2].split()
        if len(fields) > 21 and fields[0] != b"Z":
            yield pid, (int(fields[1]), int(fields[17]), int(fields[21]))


def _memory_of(some: Iterable[int], proc: str) -> int:
    """Bytes that processes hold, shared ones once.

    gVisor tells no process's part of what it shares. It counts what all of the sandbox hold.
    """
    shares = {pid: _share(pid, proc) for pid in some}
    total = sum(_own(pid, proc) if share is None else share for pid, share in shares.items())
    told = any(share is not None for share in shares.values())
    return total if told else min(total, _anonymous(proc))


def _share(pid: int, proc: str) -> int | None:
    """A process's own memory and its part of what it shares; None where that is not told."""
    for line in read_proc(str(pid), "smaps_rollup", proc).splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) << 10
    return None


def _own(pid: int, proc: str) -> int:
    fields = read_proc(str(pid), "statm", proc).split()
    return (int(fields[1]) - int(fields[2])) * PAGE if len(fields) > 2 else 0


def _anonymous(proc: str) -> int:
    """Bytes that all processes hold; files in memory, which gVisor counts with them, left out."""
    lines = (line.split() for line in read_proc(".", "meminfo", proc).splitlines())
    kib = {fields[0]: int(fields[1]) for fields in lines if len(fields) > 1}
    return max(0, kib.get(b"AnonPages:", sys.maxsize) - kib.get(b"Shmem:", 0)) << 10


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
