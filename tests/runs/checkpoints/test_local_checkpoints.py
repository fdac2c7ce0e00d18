"""Checkpoints hold the vocabulary alone, and nothing that the log does not know."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from graph.errors import VersionChanged
from graph.values import Outcome, Plan
from runs.checkpoints.local_checkpoints import open_checkpointer
from runs.checkpoints.run_saver import LogBarrier
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.run import Run
from runs.sqlite.store import SqliteStore
from runs.store.protocol import Decide
from tests.standins.services.run_service import House, log_of, started

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


class Stranger(Plan):
    """A type that no checkpoint may bring to life."""


async def written(folder: Path, value: Any) -> Any:
    async with open_checkpointer(folder / "run" / "checkpoint.db") as saver:
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"a": value}
        await saver.aput(CONFIG, checkpoint, {}, {})
    async with open_checkpointer(folder / "run" / "checkpoint.db") as saver:
        found = await saver.aget_tuple(CONFIG)
        assert found
        return found.checkpoint["channel_values"]["a"]


async def test_values_of_the_vocabulary_come_back(tmp_path: Path) -> None:
    for value in (Plan(summary="s", steps=("a",)), Outcome(status="failed"), {"a": [1, None]}):
        assert await written(tmp_path, value) == value
    path = tmp_path / "run" / "checkpoint.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_no_other_type_is_brought_to_life(tmp_path: Path) -> None:
    with pytest.raises(VersionChanged, match="Stranger"):
        await written(tmp_path, Stranger(summary="s"))


async def test_a_result_waits_for_its_nodes_events(tmp_path: Path) -> None:
    barrier = LogBarrier()
    async with open_checkpointer(tmp_path / "checkpoint.db", barrier) as saver:
        config = await saver.aput(CONFIG, empty_checkpoint(), {}, {})

        def put(channel: str, task_id: str) -> "asyncio.Task[None]":
            return asyncio.create_task(saver.aput_writes(config, [(channel, 1)], task_id))

        barrier.hold("one")
        barrier.hold("two")
        is_held = [put("plan", "one"), put("plan", "two")]
        await asyncio.gather(put("__interrupt__", "one"), put("plan", "other"))
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in is_held)
        barrier.release("one")
        await is_held[0]
        assert not is_held[1].done()
        barrier.stop()
        await is_held[1]
        await put("plan", "late")
        found = await saver.aget_tuple(config)
        assert found
        assert found.pending_writes
        assert {task for task, _, _ in found.pending_writes} == {"one", "other"}


async def test_half_a_result_of_a_node_that_did_not_end_is_no_result(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path / "checkpoint.db") as saver:
        config = await saver.aput(CONFIG, empty_checkpoint(), {}, {})
        for error in (asyncio.CancelledError(), RuntimeError("it failed")):
            await saver.aput_writes(config, [("plan", 1), ("__error__", error)], "one")
        found = await saver.aget_tuple(config)
        assert found
        assert not found.pending_writes
        assert not await saver.ended_tasks(config)


class SlowStore(SqliteStore):
    """On a slow disk."""

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        await asyncio.sleep(0.03)
        return await super().transact(run_id, decide, day)


def nodes_over(checkpoint: Path) -> int:
    """How many nodes would not be run again, were the process killed now."""
    if not checkpoint.exists():
        return 0
    with closing(sqlite3.connect(f"file:{checkpoint}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT DISTINCT task_id, channel FROM writes").fetchall()
        except sqlite3.OperationalError:
            return 0
    left = {task for task, channel in rows if channel.startswith("branch:to:")}
    start = {task for task, channel in rows if channel == "branch:to:prepare"}
    return len(left - start)


async def test_a_node_is_over_only_once_its_events_are_logged(house: House) -> None:
    """Killed at any moment, a run goes on after a node only where the log has all of it."""
    house.store = SlowStore
    async with house.open() as service:
        run_id = await started(service)
        path = house.folder / "runs" / run_id / "checkpoint.db"
        log = asyncio.create_task(log_of(service, run_id))
        most = 0
        while not log.done():
            over = await asyncio.to_thread(nodes_over, path)
            told = await service._store.events(run_id, 0, 1000, ("node.finished",))
            assert over <= len(told)
            most = max(most, over)
            await asyncio.sleep(0.002)
        await log
    assert most >= 4
