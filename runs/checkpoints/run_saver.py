"""How a run's checkpoints are kept, wherever they are: none before what the log knows of it."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.types import ERROR

COMMAND: Final = str(UUID(int=0))
"""Where LangGraph keeps what a command writes: as of a task that there is not."""


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


class RunSaver(BaseCheckpointSaver[str]):
    """What a checkpointer of a library does more for runs: it stands before that one.

    It is behind a LogBarrier; `on_checkpoint` is called after each checkpoint of a node.
    """

    barrier: LogBarrier
    on_checkpoint: Callable[[], Awaitable[None]] | None = None

    @abstractmethod
    async def find_newest(self, thread_id: str, namespace: str) -> str | None:
        """The id of the checkpoint that was added last."""

    @abstractmethod
    async def discard_writes(self, thread_id: str, task_id: str) -> None:
        """Forget what a task has written beside checkpoints."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, else the one that was added last.

        LangGraph takes the greatest id for the newest. Ids follow the wall clock, so that one that
        was set back would lead a later process to an old checkpoint.
        """
        if get_checkpoint_id(config):
            return await super().aget_tuple(config)
        thread = str(config["configurable"]["thread_id"])
        namespace = config["configurable"].get("checkpoint_ns", "")
        newest = await self.find_newest(thread, namespace)
        if newest is None:
            return None
        place = {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": newest}
        return await super().aget_tuple({"configurable": place})

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        result = await super().aput(config, checkpoint, metadata, new_versions)
        if self.on_checkpoint and metadata.get("step", 0) > 0:  # before the first node: the request
            await self.on_checkpoint()
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
        if await self.barrier.wait_logged("" if special else task_id):
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
        await self.discard_writes(config["configurable"]["thread_id"], COMMAND)


class Checkpoints(Protocol):
    """The checkpoints of all runs."""

    def open(self, run_id: str, barrier: LogBarrier) -> AbstractAsyncContextManager[RunSaver]:
        """Those of one run, behind its log's barrier. Raises StoreError."""
        ...
