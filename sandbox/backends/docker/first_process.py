"""A container's first process, where it is one of this machine."""

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.host.orphans import read_text


@dataclass(frozen=True)
class FirstProcess:
    """With it all of the container ends. `handle` is a pidfd: numbers are given again."""

    pid: int
    handle: int

    @classmethod
    def find(cls, pid: int, container: str) -> Self | None:
        """None where that is another's process: the daemon may run in another machine."""
        if sys.platform != "linux" or not pid:
            return None
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return None
        if container in read_text(Path(f"/proc/{pid}/cgroup")):
            return cls(pid, handle)
        os.close(handle)
        return None

    def kill(self) -> None:
        """The daemon takes longer, or may be gone."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        os.close(self.handle)
