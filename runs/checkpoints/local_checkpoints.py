"""LangGraph's checkpoints of one run: one SQLite file that holds values of the vocabulary alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph import RunFolder
from graph.errors import StoreError
from runs.checkpoints.checkpoint_serializer import CheckpointSerializer
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.sqlite.database import private_file, store_errors
from runs.store.patience import when_available

T = TypeVar("T")

_CACHE_KIB: Final = 64
"""Of pages in memory: each run has a connection, and writes to it once a node."""
_NEWEST: Final = """
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?
    ORDER BY rowid DESC LIMIT 1
"""
"""SQLite numbers rows as they are added."""
_DISCARD: Final = "DELETE FROM writes WHERE thread_id = ? AND task_id = ?"


class FileSaver(AsyncSqliteSaver):
    """A checkpointer of one file: it outlasts a program that locks the file, such as a backup."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        super().__init__(connection, serde=CheckpointSerializer())
        self._path = path

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._outlasting(partial(super().aget_tuple, config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        put = partial(super().aput, config, checkpoint, metadata, new_versions)
        return await self._outlasting(put)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await self._outlasting(partial(super().aput_writes, config, writes, task_id, task_path))

    async def _outlasting(self, call: Callable[[], Awaitable[T]]) -> T:
        async def attempt() -> T:
            try:
                with store_errors(self._path):
                    return await call()
            except StoreError:
                async with self.lock:  # else the next attempt would go on in the same transaction
                    await self.conn.rollback()
                raise

        return await when_available(attempt, what=f"the checkpointer of {self._path}")


class SqliteRunSaver(RunSaver, FileSaver):
    """A checkpointer of one file, of one run or of several."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        path: Path,
        barrier: LogBarrier,
        on_checkpoint: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        FileSaver.__init__(self, connection, path)
        self.barrier = barrier
        self.on_checkpoint = on_checkpoint

    async def find_newest(self, thread_id: str, namespace: str) -> str | None:
        async def find() -> str | None:
            await self.setup()
            async with self.lock, self.conn.execute(_NEWEST, (thread_id, namespace)) as rows:
                newest = await rows.fetchone()
            return str(newest[0]) if newest else None

        return await self._outlasting(find)

    async def discard_writes(self, thread_id: str, task_id: str) -> None:
        async def discard() -> None:
            async with self.lock:
                await self.conn.execute(_DISCARD, (thread_id, task_id))
                await self.conn.commit()

        await self._outlasting(discard)


@asynccontextmanager
async def open_checkpointer(
    path: Path,
    barrier: LogBarrier | None = None,
    on_checkpoint: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[SqliteRunSaver]:
    """The checkpoints at `path`, a new file where there is none; behind a log's barrier, if any."""
    await asyncio.to_thread(private_file, path)
    connection = await aiosqlite.connect(path)
    saver = SqliteRunSaver(connection, path, barrier or LogBarrier(), on_checkpoint)
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
