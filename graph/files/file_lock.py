"""Locks between processes, by a file: the kernel gives one back when its holder ends."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from graph.calls import acquire

_PAUSE_S: Final = 0.02


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file or folder, until it is closed; False where somebody else holds the lock."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def locked(path: Path, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold the lock of a file, which is made where it is missing; `shared`: along with others who
    do. Who holds the lock of a file may remove it: those who wait take the next one."""
    while True:
        descriptor = await acquire(asyncio.to_thread(_open, path, os.O_CREAT), os.close)
        try:
            while not try_lock(descriptor, shared=shared):  # noqa: ASYNC110 - others set no event
                await asyncio.sleep(_PAUSE_S)
            if await asyncio.to_thread(_is_at, path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def locked_if_free(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock of a file where nobody else does; whether it was free, as a missing one is."""
    while True:
        try:
            descriptor = _open(path)
        except FileNotFoundError:
            yield True
            return
        try:
            free = try_lock(descriptor, shared=shared)
            if not free or _is_at(path, descriptor):
                yield free
                return
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int = 0) -> int:
    return os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file still has this name: its holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
