"""LangGraph's checkpoints of all runs in one PostgreSQL database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.base import BasePostgresSaver

from runs.checkpoints.checkpoint_serializer import CheckpointSerializer
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.postgres import ConnectionOptions, DriverConnection, PostgresDatabase
from runs.store.patience import when_available

T = TypeVar("T")
MakeLast = Callable[[str], Awaitable[None]]
"""Makes files of a run, by its id, last."""

_NEWEST: Final = """
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s
    ORDER BY (metadata ->> 'step')::int DESC, checkpoint_id DESC LIMIT 1
"""
"""LangGraph counts a thread's steps on, whatever the clock says."""
_DISCARD: Final = "DELETE FROM checkpoint_writes WHERE thread_id = %s AND task_id = %s"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('coding-agent checkpoints'))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('coding-agent checkpoints'))"
_AGAIN_S: Final = 0.1
_CONNECTIONS: Final = 4


async def _nothing(_: str) -> None:
    """Files of this machine's disk last by themselves."""


class DatabaseSaver(BasePostgresSaver):
    """A checkpointer by the connections of a database: it outlasts one that goes away.

    A server that does not answer is given up, as by whatever else asks that database. What a write
    speaks of is made to last before.
    """

    def __init__(self, database: PostgresDatabase, make_last: MakeLast) -> None:
        super().__init__(serde=CheckpointSerializer())
        self._database = database
        self._make_last = make_last

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._call(lambda saver: saver.get_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        await self._make_files_last(config)
        return await self._call(lambda saver: saver.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await self._make_files_last(config)
        await self._call(lambda saver: saver.put_writes(config, writes, task_id, task_path))

    async def _make_files_last(self, config: RunnableConfig) -> None:
        await _outlasting(partial(self._make_last, str(config["configurable"]["thread_id"])))

    async def _call(self, function: Callable[[PostgresSaver], T]) -> T:
        def call(connection: DriverConnection) -> T:
            return function(PostgresSaver(connection, serde=self.serde))

        return await _outlasting(partial(self._database.use, call))

    async def _execute(self, sql: str, *values: str) -> Any:
        """The first row, where there are any."""

        def execute(connection: DriverConnection) -> Any:
            cursor = connection.execute(sql, values)
            return cursor.fetchone() if cursor.description else None

        return await _outlasting(partial(self._database.use, execute))


class PostgresRunSaver(RunSaver, DatabaseSaver):
    """A checkpointer of the runs of one database."""

    def __init__(
        self, database: PostgresDatabase, barrier: LogBarrier, make_last: MakeLast
    ) -> None:
        DatabaseSaver.__init__(self, database, make_last)
        self.barrier = barrier

    async def find_newest(self, thread_id: str, namespace: str) -> str | None:
        row = await self._execute(_NEWEST, thread_id, namespace)
        return str(row[0]) if row else None

    async def discard_writes(self, thread_id: str, task_id: str) -> None:
        await self._execute(_DISCARD, thread_id, task_id)


class PostgresCheckpoints:
    """Checkpoints by a few connections that all runs of this process share.

    `shared` are connections that are open already; else there are some of their own. The store of
    the same database has been opened before, and has made the schema. `make_last` is called before
    each write: files of the run that it speaks of may lie where they are to be committed.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        shared: PostgresDatabase | None = None,
        make_last: MakeLast = _nothing,
    ) -> None:
        self._database = shared or PostgresDatabase(options, connections=_CONNECTIONS)
        self._is_own = shared is None
        self._make_last = make_last
        self._has_tables = False
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def open(self, run_id: str, barrier: LogBarrier) -> AsyncIterator[RunSaver]:  # noqa: ARG002 - one for all
        await _outlasting(self._make_tables)
        yield PostgresRunSaver(self._database, barrier, self._make_last)

    async def remove(self, run_id: str) -> None:
        """Remove the checkpoints of a run. Raises StoreError."""
        await self._make_tables()
        await self._database.use(lambda connection: PostgresSaver(connection).delete_thread(run_id))

    async def close(self) -> None:
        if self._is_own:
            await self._database.close()

    async def _make_tables(self) -> None:
        """Let the tables be up to date: one process sees to it, while others ask again.

        Who waited within a statement would keep the library from making its indexes concurrently.
        """
        async with self._opening:
            if not self._has_tables:
                await self._database.open()
                while not await self._database.use(_make_tables_if_free):  # noqa: ASYNC110
                    await asyncio.sleep(_AGAIN_S)
                self._has_tables = True


def _make_tables_if_free(connection: DriverConnection) -> bool:
    """Whether no other process is at it."""
    if not _is_true(connection, _LOCK):
        return False
    try:
        PostgresSaver(connection).setup()
    finally:
        connection.execute(_UNLOCK)
    return True


def _is_true(connection: DriverConnection, sql: str) -> bool:
    row = connection.execute(sql).fetchone()
    return bool(row and row[0])


async def _outlasting(call: Callable[[], Awaitable[T]]) -> T:
    return await when_available(call, what="the checkpoints")
