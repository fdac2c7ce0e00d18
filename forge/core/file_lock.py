"""Locks between processes, by a file: the kernel gives one back when its holder ends."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_PAUSE_S: Final = 0.02


@asynccontextmanager
async def locked(path: Path, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold the lock of a file, which stays; `shared`: along with others who do."""
    descriptor = await asyncio.to_thread(_opened, path)
    try:
        while not _taken(descriptor, shared=shared):  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def locked_if_free(path: Path) -> AsyncIterator[bool]:
    """Hold the lock of a file where nobody else does; whether it is held."""
    descriptor = await asyncio.to_thread(_opened, path)
    try:
        yield _taken(descriptor, shared=False)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
