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
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from runs.checkpoints.checkpoint_serializer import CheckpointSerializer
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.postgres import ConnectionOptions, ConnectionPool, map_postgres_errors, open_pool
from runs.store.patience import when_available

T = TypeVar("T")

_NEWEST: Final = """
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s
    ORDER BY (metadata ->> 'step')::int DESC, checkpoint_id DESC LIMIT 1
"""
"""LangGraph counts a thread's steps on, whatever the clock says."""
_DISCARD: Final = "DELETE FROM checkpoint_writes WHERE thread_id = %s AND task_id = %s"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('coding-agent checkpoints'))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('coding-agent checkpoints'))"
_AGAIN_S: Final = 0.1


class LastingPostgresSaver(AsyncPostgresSaver):
    """A checkpointer that outlasts a database which goes away for a while."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await _outlasting(partial(super().aget_tuple, config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        put = partial(super().aput, config, checkpoint, metadata, new_versions)
        return await _outlasting(put)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await _outlasting(partial(super().aput_writes, config, writes, task_id, task_path))


class PostgresRunSaver(RunSaver, LastingPostgresSaver):
    """A checkpointer of the runs of one database."""

    def __init__(self, pool: ConnectionPool, barrier: LogBarrier) -> None:
        AsyncPostgresSaver.__init__(self, pool, serde=CheckpointSerializer())
        self.barrier = barrier

    async def find_newest(self, thread_id: str, namespace: str) -> str | None:
        row = await _outlasting(partial(self._execute, _NEWEST, thread_id, namespace))
        return str(row["checkpoint_id"]) if row else None

    async def discard_writes(self, thread_id: str, task_id: str) -> None:
        await _outlasting(partial(self._execute, _DISCARD, thread_id, task_id))

    async def _execute(self, sql: str, *values: str) -> dict[str, Any] | None:
        """The first row, where there are any."""
        async with self._cursor() as cursor:
            await cursor.execute(sql, values)
            return await cursor.fetchone() if cursor.description else None


class PostgresCheckpoints:
    """Checkpoints by a few connections that all runs of this process share.

    The store of the same database has been opened before, and has made the schema.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._pool: ConnectionPool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def open(self, run_id: str, barrier: LogBarrier) -> AsyncIterator[RunSaver]:  # noqa: ARG002 - one for all
        pool = await _outlasting(self._open_pool)
        with map_postgres_errors():
            yield PostgresRunSaver(pool, barrier)

    async def remove(self, run_id: str) -> None:
        """Remove the checkpoints of a run. Raises StoreError."""
        pool = await self._open_pool()
        with map_postgres_errors():
            await PostgresRunSaver(pool, LogBarrier()).adelete_thread(run_id)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _open_pool(self) -> ConnectionPool:
        """The connections, over tables that are up to date. Raises StoreError."""
        async with self._opening:
            if self._pool is None:
                pool = await open_pool(self._options)
                try:
                    with map_postgres_errors():
                        await _make_tables(pool)
                except BaseException:
                    await pool.close()
                    raise
                self._pool = pool
            return self._pool


async def _make_tables(pool: ConnectionPool) -> None:
    """One process does, while others ask again.

    Who waited within a statement would keep the library from making its indexes concurrently.
    """
    async with pool.connection() as connection:
        while not await _is_true(connection, _LOCK):  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(_AGAIN_S)
        try:
            await AsyncPostgresSaver(connection).setup()
        finally:
            await connection.execute(_UNLOCK)


async def _is_true(connection: Any, sql: str) -> bool:
    row = await (await connection.execute(sql)).fetchone()
    return bool(row and next(iter(row.values())))


async def _outlasting(call: Callable[[], Awaitable[T]]) -> T:
    async def mapped() -> T:
        with map_postgres_errors():
            return await call()

    return await when_available(mapped, what="the checkpoints")
