"""Results of set-up, each one file that is there whole or not at all, and never written again."""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from graph.files import locked, locked_if_free
from sandbox.tree.delete_tree import remove_at_once

OLDEST_S: Final = 7 * 86_400.0
"""What a set-up installs may have newer versions: after this time it is made anew."""
REPORT_SUFFIX: Final = ".report"
COPY_SUFFIX: Final = ".files"
"""Of a folder beside an archive that holds the same files."""
_IN_USE_S: Final = 3_600.0
_COPY_UNUSED_S: Final = 86_400.0


async def keep(file: Path, make: Callable[[Path], Awaitable[None]]) -> Path:
    """The file, made once: who asks meanwhile, in another process too, waits for the same one."""
    await asyncio.to_thread(file.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    async with locked(file.with_suffix(".lock")):
        if await asyncio.to_thread(is_fresh, file):
            return file
        new = file.with_name(f".new-{secrets.token_hex(8)}")
        try:
            await make(new)
            await asyncio.to_thread(_finish, new, file)
        finally:
            await asyncio.to_thread(new.unlink, missing_ok=True)
    return file


def tidy(folder: Path, most_bytes: int) -> None:
    """Remove what is old, what a killed process left, and the least used of what is too much."""
    now = time.time()
    kept: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            info = path.stat()
            if path.suffix == COPY_SUFFIX:
                if now - info.st_mtime > _COPY_UNUSED_S:
                    remove_result(path)
                else:
                    kept.append((info.st_mtime, _archive_bytes(path), path))
            elif now - info.st_mtime > OLDEST_S and now - info.st_atime > _IN_USE_S:
                _remove(path)
            elif path.suffix == ".tar":
                kept.append((info.st_atime, info.st_size, path))
            elif path.name.startswith(".new-") and now - info.st_mtime > _IN_USE_S:
                path.unlink()
    total = sum(size for _, size, _ in kept)
    for used, size, path in sorted(kept):
        if total > most_bytes and now - used > _IN_USE_S:
            remove_result(path)
            total -= size


def copy_beside(archive: Path, machine_boot: str) -> Path:
    """Where the files of this very archive lie for one boot of the machine."""
    info = archive.stat()
    return archive.with_suffix(
        f".{machine_boot}-{info.st_ino:x}-{int(info.st_mtime):x}{COPY_SUFFIX}"
    )


def remove_result(path: Path) -> None:
    """Remove an archive and what it said, or a copy of its files. Blocks."""
    if path.suffix == COPY_SUFFIX:
        remove_at_once(path)
    else:
        path.unlink(missing_ok=True)
        path.with_suffix(REPORT_SUFFIX).unlink(missing_ok=True)


def _archive_bytes(copy: Path) -> int:
    """About what a copy takes, without a walk over it."""
    try:
        return copy.with_name(f"{copy.name.split('.')[0]}.tar").stat().st_size
    except FileNotFoundError:
        return 0


def _remove(path: Path) -> None:
    """Remove what is old, but for a lock that somebody holds: its times never change."""
    keeper = (
        locked_if_free(path)
        if path.suffix == ".lock"
        else contextlib.nullcontext(enter_result=True)
    )
    with keeper as free:
        if free:
            path.unlink()


def is_fresh(file: Path) -> bool:
    """Whether it is there and not too old; it is then marked as used."""
    try:
        made = file.stat().st_mtime
        os.utime(file, (time.time(), made))
    except FileNotFoundError:
        return False
    return time.time() - made < OLDEST_S


def _finish(new: Path, file: Path) -> None:
    handle = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(handle, 0o400)
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(file)
