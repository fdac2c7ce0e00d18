"""Files that are mounted where nobody else sees it, and that nobody need unmount.

Each is mounted in a namespace of its own that no process lives in: descriptors of this process are
all that holds it. The kernel unmounts it when they are closed, and so when this process ends,
however it ends. The host's own mounts, its tools and its backups do not see it.
"""

import contextlib
import ctypes
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from graph.errors import SandboxUnavailable
from graph.files import try_lock

log = logging.getLogger(__name__)

WITHIN_S = 20.0
"""How long what is left of a killed process may take to let go of a file."""

_POLL_S = 0.02
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19

Step = Callable[[], None]
_Key = tuple[int, int]


class _Mount:
    """A mounted file, for all in this process that use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.fds: tuple[int, ...] = ()

    def make(self, file: Path, place: Path, first: Step, mount: Step) -> None:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            _await(lambda: try_lock(handle))
            _await(lambda: not _is_mounted(file))
            first()
            with ThreadPoolExecutor(1) as thread:  # used once: it cannot come back
                self.fds = (handle, *thread.submit(_apart, mount, place).result())
        except BaseException:
            os.close(handle)
            raise

    def end(self) -> None:
        handle, _, root = self.fds
        if ctypes.CDLL(None).syncfs(root):
            log.warning("A tree is lost: what was written to it did not come to the disk.")
            os.ftruncate(handle, 0)
        for fd in reversed(self.fds):
            os.close(fd)


_MOUNTS: dict[_Key, _Mount] = {}
_TABLE = threading.Lock()


class MountedFile:
    """One use of a file system in a file: the last one that is closed unmounts it."""

    def __init__(self, file: Path, place: Path, *, first: Step, mount: Step) -> None:
        """Call `mount`, and before it `first`, unless it is mounted here already.

        Blocks. Raises SandboxUnavailable: another process uses it.
        """
        info = file.stat()
        key = (info.st_dev, info.st_ino)
        with _TABLE:
            self._mount = _MOUNTS.setdefault(key, _Mount())
            self._mount.users += 1
        self._leave = weakref.finalize(self, _leave, key, self._mount)
        self._leave.atexit = False
        try:
            with self._mount.lock:
                if not self._mount.fds:
                    self._mount.make(file, place, first, mount)
        except BaseException:
            self.close()
            raise

    def room(self) -> os.statvfs_result:
        """What is left in it."""
        return os.fstatvfs(self._mount.fds[-1])

    def remove(self, name: str) -> None:
        """Remove a file at its root, where it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._mount.fds[-1])

    def entering(self, nsenter: str) -> list[str]:
        """The words before a command line that make it see the mount."""
        return [nsenter, f"--mount=/proc/{os.getpid()}/fd/{self._mount.fds[1]}", "--"]

    def close(self) -> None:
        """Blocks."""
        self._leave()


def _leave(key: _Key, mount: _Mount) -> None:
    with _TABLE:
        mount.users -= 1
        last = mount.users == 0
        if last:
            del _MOUNTS[key]
    if last and mount.fds:
        mount.end()


def _apart(mount: Step, place: Path) -> tuple[int, int]:
    """The namespace, and the root of what was mounted in it. Ends with its thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None):
        raise OSError(ctypes.get_errno(), "no mounts of its own can be had")
    mount()
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), root
    except OSError:
        os.close(root)
        raise


def _await(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not reached():
        if time.monotonic() > deadline:
            raise SandboxUnavailable(
                "another process uses this tree", "End that process, then resume the run."
            )
        time.sleep(_POLL_S)


def _is_mounted(file: Path) -> bool:
    """Told by name: one that was renamed since is told as it is called now."""
    name = str(file.resolve())
    return any(_backs(device, name) for device in Path("/sys/block").glob("loop*/loop"))


def _backs(device: Path, name: str) -> bool:
    try:
        return (device / "backing_file").read_text().strip() == name
    except OSError:
        return False  # just let go
