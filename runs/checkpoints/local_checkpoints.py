"""LangGraph's checkpoints of one run: one SQLite file that holds values of the vocabulary alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph import RunFolder
from runs.checkpoints.checkpoint_serializer import CheckpointSerializer
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.sqlite.database import private_file, store_errors

_CACHE_KIB: Final = 64
"""Of pages in memory: each run has a connection, and writes to it once a node."""
_NEWEST: Final = """
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?
    ORDER BY rowid DESC LIMIT 1
"""
"""SQLite numbers rows as they are added."""
_DISCARD: Final = "DELETE FROM writes WHERE thread_id = ? AND task_id = ?"


class SqliteRunSaver(RunSaver, AsyncSqliteSaver):
    """A checkpointer of one file."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        barrier: LogBarrier,
        on_checkpoint: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(connection, serde=CheckpointSerializer())
        self.barrier = barrier
        self.on_checkpoint = on_checkpoint

    async def find_newest(self, thread_id: str, namespace: str) -> str | None:
        await self.setup()
        async with self.lock, self.conn.execute(_NEWEST, (thread_id, namespace)) as rows:
            newest = await rows.fetchone()
        return str(newest[0]) if newest else None

    async def discard_writes(self, thread_id: str, task_id: str) -> None:
        async with self.lock:
            await self.conn.execute(_DISCARD, (thread_id, task_id))
            await self.conn.commit()


@asynccontextmanager
async def open_checkpointer(
    path: Path,
    barrier: LogBarrier | None = None,
    on_checkpoint: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[SqliteRunSaver]:
    """The checkpoints at `path`, a new file where there is none; behind a log's barrier, if any."""
    await asyncio.to_thread(private_file, path)
    connection = await aiosqlite.connect(path)
    saver = SqliteRunSaver(connection, barrier or LogBarrier(), on_checkpoint)
    try:
        await connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        yield saver
    finally:
        # A cancelled graph leaves writes behind that nobody waits for. One that had begun when the
        # connection closes would keep the file locked for as long as its cursor lives.
        async with saver.lock:
            try:
                await connection.rollback()
            finally:
                await connection.close()


class LocalCheckpoints:
    """A file in each run's folder."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    @asynccontextmanager
    async def open(self, run_id: str, barrier: LogBarrier) -> AsyncIterator[RunSaver]:
        path = RunFolder.of(self._runs, run_id).checkpoint
        with store_errors(path):
            async with open_checkpointer(path, barrier) as saver:
                yield saver
