"""LangGraph's checkpoints of one run: one SQLite file that holds values of the vocabulary alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.types import ERROR
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph import RunFolder
from runs.driving.checkpoint_serializer import CheckpointSerializer
from runs.sqlite.database import private_file, store_errors

_CACHE_KIB: Final = 64
"""Of pages in memory: each run has a connection, and writes to it once a node."""
_COMMAND: Final = str(UUID(int=0))
"""Where LangGraph keeps what a command writes: as of a task that there is not."""
_NEWEST: Final = """
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?
    ORDER BY rowid DESC LIMIT 1
"""
"""SQLite numbers rows as they are added."""


class LogBarrier:
    """Holds a node's result back until the node's events are in the log.

    Else a process killed between the two would go on after the node, and its events be lost.
    """

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Event] = {}
        self._stopped = False

    def hold(self, task_id: str) -> None:
        self._open[task_id] = asyncio.Event()

    def release(self, task_id: str) -> None:
        if event := self._open.pop(task_id, None):
            event.set()

    def stop(self) -> None:
        """Let nothing through any more: what a stopped graph writes may be half a result."""
        self._stopped = True
        for task_id in list(self._open):
            self.release(task_id)

    async def wait_logged(self, task_id: str) -> bool:
        """True once the task's events are logged, False where they will not be."""
        if event := self._open.get(task_id):
            await event.wait()
        return not self._stopped


class RunSaver(AsyncSqliteSaver):
    """A checkpointer behind a LogBarrier; `kept` is called after each checkpoint."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        barrier: LogBarrier,
        on_checkpoint: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(connection, serde=CheckpointSerializer())
        self._barrier = barrier
        self._on_checkpoint = on_checkpoint

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, else the one that was added last.

        LangGraph takes the greatest id for the newest. Ids follow the wall clock, so that one that
        was set back would lead a later process to an old checkpoint.
        """
        if get_checkpoint_id(config):
            return await super().aget_tuple(config)
        await self.setup()
        thread = str(config["configurable"]["thread_id"])
        namespace = config["configurable"].get("checkpoint_ns", "")
        async with self.lock, self.conn.execute(_NEWEST, (thread, namespace)) as rows:
            newest = await rows.fetchone()
        if newest is None:
            return None
        place = {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": newest[0]}
        return await super().aget_tuple({"configurable": place})

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        result = await super().aput(config, checkpoint, metadata, new_versions)
        if self._on_checkpoint:
            await self._on_checkpoint()
        return result

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep a result. Interrupts, which end no node, wait for nothing.

        LangGraph keeps what a failed or cancelled node had written so far, and would take that for
        its result: the node is not run again, and where its routing is missing the graph just ends.
        Of the error itself only the text would come back.
        """
        if any(channel == ERROR for channel, _ in writes):
            return
        special = any(channel in WRITES_IDX_MAP for channel, _ in writes)
        if await self._barrier.wait_logged("" if special else task_id):
            await super().aput_writes(config, writes, task_id, task_path)

    async def ended_tasks(self, config: RunnableConfig) -> set[str]:
        """The tasks whose results are kept, and not yet a part of a checkpoint.

        LangGraph's own snapshot leaves out the node to which a kept command leads.
        """
        found = await self.aget_tuple(config)
        writes = found.pending_writes or () if found else ()
        return {task for task, channel, _ in writes if channel not in WRITES_IDX_MAP}

    async def discard_command(self, config: RunnableConfig) -> None:
        """Forget a command whose node has not ended.

        LangGraph keeps it beside the checkpoint until then, and would take the next one in addition
        to it: two values for one key, and two nodes to go to.
        """
        thread = config["configurable"]["thread_id"]
        async with self.lock:
            await self.conn.execute(
                "DELETE FROM writes WHERE thread_id = ? AND task_id = ?", (thread, _COMMAND)
            )
            await self.conn.commit()


@asynccontextmanager
async def open_checkpointer(
    path: Path,
    barrier: LogBarrier | None = None,
    on_checkpoint: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[RunSaver]:
    """The checkpoints at `path`, a new file where there is none; behind a log's barrier, if any."""
    await asyncio.to_thread(private_file, path)
    connection = await aiosqlite.connect(path)
    saver = RunSaver(connection, barrier or LogBarrier(), on_checkpoint)
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


class Checkpoints(Protocol):
    """The checkpoints of all runs."""

    def open(self, run_id: str, barrier: LogBarrier) -> AbstractAsyncContextManager[RunSaver]:
        """Those of one run, behind its log's barrier. Raises StoreError."""
        ...


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
