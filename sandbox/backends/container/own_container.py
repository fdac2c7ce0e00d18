"""What a supervisor does where a container is its command's alone, and sets the limits.

Part of the program of `sandbox.backends.container.supervisor`: standard library alone, as there.
"""

from __future__ import annotations  # a container's Python may be older than ours

import contextlib
import ctypes
import os
from typing import Any

from sandbox.host.resource_usage import read_proc

CGROUP = "/sys/fs/cgroup"
FIRST = 1000
_DROP, _CAPABILITIES = 24, 64
_SHARED = ("/dev/shm", "/dev/mqueue")  # noqa: S108 - the container's


def memory_kills() -> int:
    """How many processes of the container the kernel has killed for their memory."""
    for name in ("memory/memory.oom_control", "memory.events"):
        for line in read_proc(".", name, CGROUP).splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def look_back(kills: int) -> dict[str, Any]:
    """What the kernel killed since `kills`, and whether a command left what outlives processes."""
    tables = [read_proc("sysvipc", name).splitlines() for name in ("shm", "sem", "msg")]
    left = any(map(_has_entry, _SHARED)) or any(len(lines) > 1 for lines in tables)
    left = left or _connections() > 0
    return {"memory_kills": memory_kills() - kills, "left": left}


def _connections() -> int:
    """With those that were closed: the kernel keeps some for a minute, and so their ports.

    Its lists of them take milliseconds to read.
    """
    found = 0
    for name in ("sockstat", "sockstat6"):
        for line in read_proc("net", name).splitlines():
            words = line.split()
            if words[:1] in ([b"TCP:"], [b"TCP6:"]):
                kinds = [kind for kind in (b"inuse", b"tw") if kind in words]
                found += sum(int(words[words.index(kind) + 1]) for kind in kinds)
    return found


def _has_entry(folder: str) -> bool:
    """Names are not listed: there may be more of them than memory."""
    return os.path.isdir(folder) and any(os.scandir(folder))


def drop_capabilities() -> None:
    """Of what other users' processes could come to have: this one keeps its own."""
    prctl = ctypes.CDLL(None).prctl
    for capability in range(_CAPABILITIES):
        prctl(_DROP, capability, 0, 0, 0)


def be_killed_first(score: int) -> None:
    """Have the kernel, short of memory, take what is started now. 0 takes it back.

    Where it lets nobody say so it takes the largest.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))
