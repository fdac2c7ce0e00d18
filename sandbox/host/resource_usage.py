"""What a command uses: its processes, their memory, the size of its tree.

Part of the program of `sandbox.backends.container.supervisor`: standard library alone, as there.
"""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator

PAGE = os.sysconf("SC_PAGE_SIZE")
WALK_EVERY_S = 2.0
WALK_SHARE = 20
"""A walk takes at most this part of the time: the longer it took, the later is the next."""
ENTRY_BYTES = 4096
"""What an entry counts at least, so that empty files meet the limit too: 256 to the MiB."""
SLACK_BYTES = 1 << 20
"""A tree grows by this much without being written to: disks settle late what a file takes."""
_SET_IDS = 1 << 6 | 1 << 7
"""The capabilities to become another group and user."""

Processes = dict[int, tuple[int, int, int]]
"""By their ids: the parent, the number of threads, the resident pages."""


class Outgrown(Exception):
    """Raised when a tree is over its limit and grew."""


class Disk:
    """The size of a tree: walked over now and then, and at the end where its disk lost much.

    `size` is what it was when it was last walked over, in this command or one before; 0: never.
    """

    def __init__(self, folders: list[str], limit: int, size: int) -> None:
        self.folders = folders
        self.limit = limit
        self.size = size
        self.walked = False
        self.free = self.free_now()
        self.walk_at = time.monotonic() + WALK_EVERY_S

    def watch(self, mine: Callable[[], Iterable[int]]) -> None:
        """Walk where it is time to; `mine` tells the command's processes."""
        now = time.monotonic()
        if now >= self.walk_at:
            self.walk(mine())
            took = time.monotonic() - now
            self.walk_at = time.monotonic() + max(WALK_EVERY_S, WALK_SHARE * took)

    def look(self) -> None:
        """The last look, a cheap one where little was written."""
        if self.walked or self.free - self.free_now() > self.limit // 2:
            self.walk(())

    def walk(self, pids: Iterable[int]) -> None:
        """A tree that was over its limit before may be cleaned up."""
        size = sum(map(tree_bytes, self.folders)) + deleted_bytes(pids)
        grown = size > self.size + SLACK_BYTES
        self.size, self.walked = size, True
        if grown and size > self.limit:
            raise Outgrown

    def free_now(self) -> int:
        try:
            disk = os.statvfs(self.folders[0])
        except OSError:
            return 0
        return disk.f_bfree * disk.f_frsize


def tree_bytes(folder: "str | os.PathLike[str]") -> int:
    """Bytes on the disk below a folder, a file with several names once, links not followed."""
    total = 0
    linked = set()
    folders = [os.fspath(folder)]
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


def _entries(folder: str) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    """What is in a folder: it may vanish or become another thing meanwhile, or not be readable."""
    gone = (FileNotFoundError, NotADirectoryError, PermissionError)
    with contextlib.suppress(*gone), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry, entry.stat(follow_symlinks=False)


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
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            fields = read_proc(name, "stat").rpartition(b")")[2].split()
            if len(fields) > 21 and fields[0] != b"Z":
                found[int(name)] = (int(fields[1]), int(fields[17]), int(fields[21]))
    return found


def descendants(every: Processes, ancestor: int) -> Processes:
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in every.items():
        children.setdefault(parent, []).append(pid)
    found, left = {}, [ancestor]
    while left:
        for pid in children.pop(left.pop(), ()):
            found[pid] = every[pid]
            left.append(pid)
    return found


def owned(every: Processes, user: int) -> Processes:
    return {pid: facts for pid, facts in every.items() if _owner(pid) == user}


def threads_of(some: Processes) -> int:
    return sum(threads for _, threads, _ in some.values())


def proportional(pid: int) -> int:
    """A process's part of the memory that it shares; all of its own where that is not told."""
    for line in read_proc(str(pid), "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) << 10
    fields = read_proc(str(pid), "statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if len(fields) > 2 else 0


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
        return os.listdir(f"/proc/{folder}")
    except OSError:
        return []


def read_proc(pid: str, name: str) -> bytes:
    """Empty where the process is no more, or the kernel tells no such thing."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
