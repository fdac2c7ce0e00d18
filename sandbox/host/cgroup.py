"""Control groups: the kernel's own limits on memory, processes and processor time of a command.

Made below this process's own group, so that limits set on it hold for its commands too. Version 1
has a hierarchy for each controller, version 2 one for all, and there no group that hands its
controllers on holds processes: a group that is this process's alone, or that was delegated to it
(systemd's `Delegate=`, a container's own), is divided, and its processes move to a leaf of it.
Where that cannot be (an ordinary user's shell), groups are made below the nearest ancestor that
hands controllers on, if no limit lies between. Where no such folder is writable (most containers),
`find` says so by None and `sandbox.host.resource_watch` takes over.

All commands together weigh as many processes as may run in them: else they would share the
processor time of one.
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
from sandbox.host.resource_usage import family

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
HOME = "coding-agent"
"""The group that all groups of ours are in."""
LEAF = "coding-agent-service"
"""Where the processes of a divided group are, beside `HOME`."""

PERIOD_US = 100_000
REMOVE_TRIES = 50
"""A group whose last process just ended stays busy for a while."""
MOVE_TRIES = 10
"""Processes may start others while they are moved."""

_NUMBERS = itertools.count(1)
_V1 = ("memory", "pids", "cpu")
_NEEDED = {"memory", "pids"}
_WEIGHTS = {"cpu.shares": (1024, 1 << 18), "cpu.weight": (100, 10_000)}
"""By file: the weight of one process, and the most that the kernel takes."""
_IDLE_WEIGHT = 0.01


@dataclass(frozen=True)
class Usage:
    """What the kernel counted: processes killed for their memory, new ones refused."""

    memory_kills: int = 0
    pids_refusals: int = 0


class Group:
    """The group of one command: a folder in the one hierarchy of version 2, or in several.

    Its methods block: to put a process in can take the kernel 20 ms. One that is `idle` weighs
    next to nothing until it is woken.
    """

    def __init__(self, folders: tuple[Path, ...], limits: Limits, *, idle: bool = False) -> None:
        self._folders = folders
        self._limits = limits
        self._is_idle = idle
        self._weighing: list[Path] = []
        """Those of the folders that have a weight."""

    def join(self, pid: int) -> None:
        """Make the group, with its limits, and put a process in it. Raises OSError."""
        limited = set[str]()
        weight = _IDLE_WEIGHT if self._is_idle else self._limits.weight
        for folder in self._folders:
            folder.mkdir()
            there = _limit(folder, self._limits, weight)
            limited |= {name.partition(".")[0] for name in there}
            if there & _WEIGHTS.keys():
                self._weighing.append(folder)
        if not limited >= _NEEDED:
            raise OSError(errno.ENODEV, f"only {limited} can be limited")
        for folder in self._folders:
            _set(folder, "cgroup.procs", str(pid))
        if not self._is_idle:
            self._weigh_homes()

    def wake(self) -> None:
        """Let its process weigh what the limits say."""
        for folder in self._weighing:
            for name, text in _weights(self._limits.weight).items():
                with contextlib.suppress(OSError):
                    _set(folder, name, text)
        self._weigh_homes()

    def end(self, *, counted: bool = True) -> Usage:
        """Remove it, with what is left in it; one that stays busy waits for `clear`.

        What was not `counted` says nothing of what the kernel counted.
        """
        usage = self._usage() if counted else Usage()
        left = self._folders
        for _ in range(REMOVE_TRIES):
            left = tuple(folder for folder in left if not _try_remove(folder))
            if not left:
                break
            time.sleep(0.002)
        self._weigh_homes()
        return usage

    def _weigh_homes(self) -> None:
        for folder in self._weighing:
            _weigh(folder.parent, self._limits.cpus)

    def _usage(self) -> Usage:
        kills = refusals = 0
        for folder in self._folders:
            kills += _counter(folder / "memory.oom_control", "oom_kill")
            kills += _counter(folder / "memory.events", "oom_kill")
            refusals += _counter(folder / "pids.events", "max")
        return Usage(kills, refusals)


class Groups:
    """Makes the group of each command; what dead processes of ours left is cleared first."""

    def __init__(self, homes: tuple[Path, ...]) -> None:
        self.homes = homes
        self._prefix = process_name(os.getpid())
        clear(homes)

    def new(self, limits: Limits, *, idle: bool = False) -> Group:
        name = f"{self._prefix}.{next(_NUMBERS)}"
        return Group(tuple(home / name for home in self.homes), limits, idle=idle)


def find(root: Path = ROOT, own: Path = OWN) -> Groups | None:
    """Where groups limiting memory and processes can be made, in either version; else None."""
    paths = _own_paths(own)
    if (root / "cgroup.controllers").exists():
        home = _v2_home(root, root / paths.get("", "/").lstrip("/"))
        return Groups((home,)) if home else None
    homes = {name: _v1_home(root / name, paths.get(name, "/")) for name in _V1}
    if any(homes[name] is None for name in _NEEDED):
        return None
    return Groups(tuple(home for home in homes.values() if home))


def clear(homes: tuple[Path, ...]) -> None:
    """Remove the groups of services that are no more, with what still runs in them."""
    for home in homes:
        for folder in home.iterdir():
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


def _v1_home(mount: Path, path: str) -> Path | None:
    """In a container the path may be the host's; what is mounted is then its own group."""
    for folder in (mount / path.lstrip("/"), mount):
        if (folder / "cgroup.procs").exists() and (home := _make(folder)):
            return home
    return None


def _v2_home(root: Path, own: Path) -> Path | None:
    if own.name == LEAF:
        own = own.parent
    elif _may_divide(own, is_top=own == root) and _divide(own):
        return _v2_home_in(own, "cgroup.controllers")
    for folder in (own, *own.parents):
        if home := _v2_home_in(folder, "cgroup.subtree_control"):
            return home
        if folder == root or _is_limited(folder):
            break
    return None


def _v2_home_in(folder: Path, handed_on: str) -> Path | None:
    controllers = _controllers(folder / handed_on)
    home = _make(folder) if controllers else None
    return home if home and _hand_on(home, controllers) else None


def _may_divide(own: Path, *, is_top: bool) -> bool:
    """Whether the processes of a group may be moved: it is delegated, or all of them are ours."""
    if not _controllers(own / "cgroup.controllers") or not (own / "cgroup.type").exists():
        return False  # the machine's first group has no type
    return is_top or _is_delegated(own) or set(_processes(own)) <= set(family(os.getpid()))


def _is_delegated(folder: Path) -> bool:
    """Marked by systemd."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            return os.getxattr(folder, name) == b"1"
    return False


def _divide(own: Path) -> bool:
    """Move a group's processes to a leaf, so that it hands its controllers on; whether it does."""
    leaf = own / LEAF
    try:
        leaf.mkdir(exist_ok=True)
    except OSError:
        return False
    for _ in range(MOVE_TRIES):
        _move(own, leaf)
        if _hand_on(own, _controllers(own / "cgroup.controllers")):
            return True
    _move(leaf, own)
    return False


def _move(source: Path, target: Path) -> None:
    for pid in _processes(source):
        _write(target / "cgroup.procs", str(pid))


def _processes(folder: Path) -> list[int]:
    return list(map(int, read_text(folder / "cgroup.procs").split()))


def _controllers(file: Path) -> list[str]:
    """Those of the file that a group of ours uses; empty where one that it needs is missing."""
    found = set(read_text(file).split()) & {*_NEEDED, "cpu"}
    return sorted(found) if found >= _NEEDED else []


def _hand_on(folder: Path, controllers: list[str]) -> bool:
    return _write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))


def _is_limited(folder: Path) -> bool:
    """Whether commands outside of this group would escape a limit that is set on it.

    Not one of processes: systemd gives one to every unit, and each command has its own.
    """
    settings = ("memory.max", "memory.high", "memory.swap.max", "cpu.max", "cpuset.cpus", "io.max")
    values = (read_text(folder / name).split() for name in settings)
    return any(value and value[0] != "max" for value in values)


def _make(folder: Path) -> Path | None:
    home = folder / HOME
    try:
        home.mkdir(exist_ok=True)
    except OSError:
        return None
    return home if os.access(home, os.W_OK) else None


def _limit(folder: Path, limits: Limits, weight: float) -> set[str]:
    """Write the settings that are there, and name them."""
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
        **_weights(weight),
    }
    with os.scandir(folder) as entries:
        there = {entry.name for entry in entries}
    wanted = [name for name in settings if name in there]
    for name in wanted:
        _set(folder, name, settings[name])
    return set(wanted)


def _set(folder: Path, name: str, text: str) -> None:
    """Write a setting. Raises OSError: it is not taken."""
    handle = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _weights(weight: float) -> dict[str, str]:
    return {name: str(round(one * weight)) for name, (one, _) in _WEIGHTS.items()}


def _weigh(home: Path, cpus: float) -> None:
    """Let a home weigh as many processes as its groups may run at once, each by its own weight."""
    for name, (one, most) in _WEIGHTS.items():
        if before := _number(f"{home}/{name}"):
            with os.scandir(home) as entries:
                groups = [entry.path for entry in entries if entry.is_dir()]
            running = sum(_number(f"{group}/{name}") for group in groups)
            weight = min(round(max(running * max(cpus, 1), one)), most)
            if weight != before:
                _write(home / name, str(weight))


def _number(file: str) -> int:
    """What a file says; of a group that has just gone, nothing."""
    text = b""
    with contextlib.suppress(OSError):
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(handle, 32).strip()
        finally:
            os.close(handle)
    return int(text) if text.isdigit() else 0


def _try_remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        _write(folder / "cgroup.kill", "1")
        for pid in _processes(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
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
