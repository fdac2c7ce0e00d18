"""Descriptors that a child process gets, closed on this side once it has them."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pipe:
    """The end that this process keeps, and the one for the child."""

    ours: int
    theirs: int


class ChildFds(ExitStack):
    """Opens what a child gets. The `with` block closes it here, our ends only after an error."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs: list[int] = []

    def open_read(self, path: Path) -> int:
        """A file opened anew: its reader reads from the beginning."""
        return self._give(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def create_write(self, path: Path) -> int:
        """An empty file of ours to write to; its place must be free."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return self._give(os.open(path, flags, 0o600))

    def memfd(self, data: bytes) -> int:
        """Bytes to read, as a file in memory: nobody has to feed it."""
        fd = self._give(os.memfd_create("data", os.MFD_CLOEXEC))
        written = 0
        while written < len(data):  # more than 2 GiB the kernel does not take at once
            written += os.pwrite(fd, memoryview(data)[written:], written)
        return fd

    def shared_memory(self) -> Pipe:
        """An empty file in memory, to be written to here and read by the child."""
        theirs = os.memfd_create("shared", os.MFD_CLOEXEC)
        try:
            ours = os.dup(theirs)
        except OSError:
            os.close(theirs)
            raise
        return self._pipe(ours, theirs)

    def pipe_from_child(self, uid: int | None = None) -> Pipe:
        """A pipe to read here, without blocking.

        `uid` may open the other end by name: what writes to `/dev/stderr` does.
        """
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        if uid is not None:
            os.fchown(writing, uid, uid)
        return self._pipe(reading, writing)

    def pipe_to_child(self) -> Pipe:
        """A pipe to write to here, without blocking."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(writing, False)
        return self._pipe(writing, reading)

    def dup(self, fd: int) -> int:
        """The same open file once more."""
        return self._give(os.dup(fd))

    def _pipe(self, ours: int, theirs: int) -> Pipe:
        self.push(lambda error, *_: os.close(ours) if error else None)
        return Pipe(ours, self._give(theirs))

    def _give(self, fd: int) -> int:
        self.callback(os.close, fd)
        self.theirs.append(fd)
        return fd
