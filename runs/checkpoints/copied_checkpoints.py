"""Checkpoints on this machine's own disk, each copied into the run's shared folder.

SQLite wants a disk of its own: a file that is open in a shared folder keeps it from being reloaded.
After a node's end others mostly have something to commit: one commit does for both. A node whose
checkpoint is lost in that moment is done again, as one that was cut short.
"""

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from graph.calls import end_tasks, uninterrupted
from graph.errors import StoreError
from graph.files import map_full_disk
from runs.checkpoints.local_checkpoints import open_checkpointer
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.shared.backend import Mount
from runs.sqlite.database import store_errors
from runs.store.patience import when_available

log = logging.getLogger(__name__)

_SOON_S: Final = 0.5
_SUFFIXES: Final = ("", "-wal", "-shm", "-copy")


class CopiedCheckpoints:
    """Each drive goes on from the newest copy and keeps one of its own, under the next number."""

    def __init__(self, mount: Mount, own: Path, service: str, *, soon_s: float = _SOON_S) -> None:
        self._mount = mount
        self._own = own
        self._service = service
        self._soon_s = soon_s

    @asynccontextmanager
    async def open(self, run_id: str, barrier: LogBarrier) -> AsyncIterator[RunSaver]:
        path = self._own / f"{run_id}.db"

        async def copy_once() -> None:
            with store_errors(path):
                copy = await asyncio.to_thread(_make_copy, path)
            name = f"{number:020d}-{self._service}.db"
            await self._mount.write({f"{_folder(run_id)}/{name}": copy})
            commits.begin()

        async def keep_copy() -> None:
            await when_available(copy_once, what=f"the copy of {path.name}")

        with store_errors(path), map_full_disk():
            copies = self._mount.root / _folder(run_id)
            last = await asyncio.to_thread(_restore_newest, copies, path)
            number = max(last + 1, time.time_ns())  # a clock may be set back, and machines differ
            commits = SoonCommit(self._mount, run_id, self._soon_s)
            try:
                async with open_checkpointer(path, barrier, keep_copy) as saver:
                    yield saver
            finally:
                await commits.close()
                await asyncio.to_thread(_remove, path)


class SoonCommit:
    """Commits of one run's files, each within `soon_s` after it was begun."""

    def __init__(self, mount: Mount, run_id: str, soon_s: float) -> None:
        self._mount = mount
        self._run_id = run_id
        self._soon_s = soon_s
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._is_wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    @uninterrupted
    async def close(self) -> None:
        """Begin none any more, and commit what waits: the next drive begins once this one ends."""
        if self._task:
            await end_tasks(self._task)
        if self._is_wanted:
            await self._commit()

    async def _work(self) -> None:
        while self._is_wanted:
            await asyncio.sleep(self._soon_s)
            if not await self._commit():
                return

    @uninterrupted
    async def _commit(self) -> bool:
        """Whether it is committed; what failed waits for the next, or for the end of the drive."""
        self._is_wanted = False
        try:
            await self._mount.commit_run(self._run_id)
        except StoreError as error:
            self._is_wanted = True
            log.warning("a checkpoint of run %s waits: %s", self._run_id, error)
            return False
        return True


def _folder(run_id: str) -> str:
    return f"runs/{run_id}/checkpoints"


def _restore_newest(copies: Path, path: Path) -> int:
    """Put the newest copy where the checkpoints will be, remove older ones; the copy's number."""
    _remove(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = sorted(copies.glob("[0-9]*.db"))
    if found:
        shutil.copyfile(found[-1], path)
    for older in found[:-1]:
        older.unlink(missing_ok=True)
    return int(found[-1].name.partition("-")[0]) if found else 0


def _make_copy(path: Path) -> bytes:
    """The checkpoints as one whole file, whatever is being written."""
    copy = Path(f"{path}-copy")
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        return copy.read_bytes()
    finally:
        copy.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    for suffix in _SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
