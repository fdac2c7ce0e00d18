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
_TABLES = (
    ("sysvipc", "shm"),
    ("sysvipc", "sem"),
    ("sysvipc", "msg"),
    ("net", "tcp"),
    ("net", "tcp6"),
)
"""Of connections the kernel keeps some for a minute, and with them their ports."""


def memory_kills() -> int:
    """How many processes of the container the kernel has killed for their memory."""
    for name in ("memory/memory.oom_control", "memory.events"):
        for line in read_proc(".", name, CGROUP).splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def look_back(kills: int) -> dict[str, Any]:
    """What the kernel killed since `kills`, and whether a command left what outlives processes."""
    left = any(map(_has_entry, _SHARED)) or any(
        read_proc(*table).count(b"\n") > 1 for table in _TABLES
    )
    return {"memory_kills": memory_kills() - kills, "left": left}


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
