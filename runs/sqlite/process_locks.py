"""Which processes of this machine that hold leases still live: each holds the lock of a file."""

import os
import secrets
from pathlib import Path
from typing import Final

from graph.files import locked_if_free, try_lock

_PICKS_UP: Final = b"picks up\n"


class ServiceLock:
    """This process's own lock. The kernel gives it back at the process's end, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.service = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._descriptor: int | None = None

    def acquire(self, *, picks_up: bool) -> None:
        """Hold the lock from now on, and remove the files of processes that have ended.

        `picks_up` says to others that this process takes over what they leave.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(self.service)
        new = path.with_suffix(".new")  # nobody takes it for one that was left
        self._descriptor = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try_lock(self._descriptor)
        os.write(self._descriptor, _PICKS_UP if picks_up else b"")
        new.rename(path)
        for left in self._folder.glob("*.lock"):
            if left != path:
                with locked_if_free(left) as free:
                    if free:
                        left.unlink(missing_ok=True)

    def release(self) -> None:
        if self._descriptor is not None:
            self._path(self.service).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def is_dead(self, service: str) -> bool:
        """Whether the process that held leases as `service` has ended."""
        if service == self.service:
            return False
        with locked_if_free(self._path(service), shared=True) as free:
            return free

    def someone_picks_up(self) -> bool:
        """Whether a living process, this one or another, takes over what others leave."""
        return any(_picks_up(path) for path in self._folder.glob("*.lock"))

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.lock"


def _picks_up(path: Path) -> bool:
    with locked_if_free(path, shared=True) as free:
        return not free and path.read_bytes() == _PICKS_UP
