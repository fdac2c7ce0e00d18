"""Control groups: the kernel's own limits on memory, processes and processor time of a command.

Made below this process's own group or an ancestor of it, so that limits set on this process hold
for its commands too. Version 1 has a hierarchy for each controller, version 2 one for all. Where
no such folder is writable (an ordinary user's shell, most containers), `find` says so by None and
`sandbox.host.resource_watch` takes over.
"""

import contextlib
import errno
import itertools
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.protocol import Limits
from sandbox.host.orphans import is_gone, process_name, read_text

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
HOME = "coding-agent"
"""The group that all groups of ours are in."""

PERIOD_US = 100_000
REMOVE_TRIES = 50
"""A group whose last process just ended stays busy for a while."""

_NUMBERS = itertools.count(1)
_V1 = ("memory", "pids", "cpu")
_NEEDED = {"memory", "pids"}


@dataclass(frozen=True)
class Usage:
    """What the kernel counted: processes killed for their memory, new ones refused."""

    memory_kills: int = 0
    pids_refusals: int = 0


class Group:
    """The group of one command: a folder in the one hierarchy of version 2, or in several.

    Its methods block: to put a process in can take the kernel 20 ms.
    """

    def __init__(self, folders: tuple[Path, ...], limits: Limits) -> None:
        self._folders = folders
        self._limits = limits

    def join(self, pid: int) -> None:
        """Make the group, with its limits, and put a process in it. Raises OSError."""
        limited = set()
        for folder in self._folders:
            folder.mkdir()
            limited |= _limit(folder, self._limits)
            (folder / "cgroup.procs").write_text(str(pid))
        if not limited >= _NEEDED:
            raise OSError(errno.ENODEV, f"only {limited} can be limited")

    def end(self) -> Usage:
        """Remove it, with what is left in it; one that stays busy waits for `clear`."""
        usage = self._usage()
        left = self._folders
        for _ in range(REMOVE_TRIES):
            left = tuple(folder for folder in left if not _try_remove(folder))
            if not left:
                break
            time.sleep(0.002)
        return usage

    def _usage(self) -> Usage:
        kills = refusals = 0
        for folder in self._folders:
            kills += _counter(folder / "memory.oom_control", "oom_kill")
            kills += _counter(folder / "memory.events", "oom_kill")
            refusals += _counter(folder / "pids.events", "max")
        return Usage(kills, refusals)


class Groups:
    """Makes the group of each command; what dead processes of ours left is cleared first."""

    def __init__(self, parents: tuple[Path, ...], limits: Limits) -> None:
        self._parents = parents
        self._limits = limits
        self._prefix = process_name(os.getpid())
        clear(parents)

    def new(self) -> Group:
        name = f"{self._prefix}.{next(_NUMBERS)}"
        return Group(tuple(parent / name for parent in self._parents), self._limits)


def find(limits: Limits, root: Path = ROOT, own: Path = OWN) -> Groups | None:
    """Where groups limiting memory and processes can be made, in either version; else None."""
    paths = _own_paths(own)
    if (root / "cgroup.controllers").exists():
        parent = _v2_parent(root, paths.get("", "/"))
        return Groups((parent,), limits) if parent else None
    parents = {name: _v1_parent(root / name, paths.get(name, "/")) for name in _V1}
    if any(parents[name] is None for name in _NEEDED):
        return None
    return Groups(tuple(parent for parent in parents.values() if parent), limits)


def clear(parents: tuple[Path, ...]) -> None:
    """Remove the groups of services that are no more, with what still runs in them."""
    for parent in parents:
        for folder in parent.iterdir():
            service, _, number = folder.name.partition(".")
            if number and is_gone(service):
                _try_remove(folder)


def _own_paths(own: Path) -> dict[str, str]:
    """The path of this process's group by controller; the key of version 2 is empty."""
    paths: dict[str, str] = {}
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _v1_parent(mount: Path, path: str) -> Path | None:
    """In a container the path may be the host's; what is mounted is then its own group."""
    for folder in (mount / path.lstrip("/"), mount):
        if (folder / "cgroup.procs").exists() and (home := _make(folder)):
            return home
    return None


def _v2_parent(root: Path, path: str) -> Path | None:
    """The nearest ancestor that hands the controllers on and that we may write in."""
    folder = root / path.lstrip("/")
    for candidate in (folder, *folder.parents):
        if not candidate.is_relative_to(root):
            break
        handed_on = set(read_text(candidate / "cgroup.subtree_control").split())
        if handed_on >= _NEEDED and (home := _make(candidate)):
            controllers = sorted(handed_on & {*_NEEDED, "cpu"})
            if _write(home / "cgroup.subtree_control", " ".join(f"+{c}" for c in controllers)):
                return home
    return None


def _make(folder: Path) -> Path | None:
    home = folder / HOME
    try:
        home.mkdir(exist_ok=True)
    except OSError:
        return None
    return home if os.access(home, os.W_OK) else None


def _limit(folder: Path, limits: Limits) -> set[str]:
    """Write the settings that are there, and say which controllers those belong to."""
    memory = str(limits.memory_mb << 20)
    quota = str(round(limits.cpus * PERIOD_US))
    settings = {
        "memory.limit_in_bytes": memory,
        "memory.memsw.limit_in_bytes": memory,
        "memory.max": memory,
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": str(limits.pids),
        "cpu.cfs_quota_us": quota,
        "cpu.max": f"{quota} {PERIOD_US}",
    }
    there = [name for name in settings if (folder / name).exists()]
    for name in there:
        (folder / name).write_text(settings[name])
    return {name.partition(".")[0] for name in there}


def _try_remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        _write(folder / "cgroup.kill", "1")
        for pid in read_text(folder / "cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return False
    return True


def _counter(file: Path, name: str) -> int:
    for line in read_text(file).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True
