"""Checkpoints that are copied into a shared folder: when the copies are committed."""

import asyncio
from pathlib import Path

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from runs.checkpoints.copied_checkpoints import CopiedCheckpoints
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from tests.standins.shared_backend import FolderMount
from tests.support.polling import until

PLACE: RunnableConfig = {"configurable": {"thread_id": "r", "checkpoint_ns": ""}}


async def put(saver: RunSaver, step: int) -> str:
    """A checkpoint of the `step`-th node; its id."""
    checkpoint = empty_checkpoint()
    await saver.aput(PLACE, checkpoint, {"source": "loop", "step": step, "parents": {}}, {})
    return checkpoint["id"]


async def test_several_are_committed_together_and_soon(tmp_path: Path) -> None:
    mount = FolderMount(tmp_path / "shared")
    checkpoints = CopiedCheckpoints(mount, tmp_path / "own", "one")
    async with checkpoints.open("r", LogBarrier()) as saver:
        await put(saver, 1)
        await put(saver, 2)
        assert mount.commits == 0
        await until(lambda: mount.commits == 1)
        await put(saver, 3)
        await until(lambda: mount.commits == 2)
        await asyncio.sleep(0.6)
        assert mount.commits == 2


async def test_the_next_drive_goes_on_from_the_newest(tmp_path: Path) -> None:
    """Also where the drive ended before it was committed: who ends it commits."""
    mount = FolderMount(tmp_path / "shared")
    async with CopiedCheckpoints(mount, tmp_path / "own", "one").open("r", LogBarrier()) as saver:
        await put(saver, 1)
        newest = await put(saver, 2)
    assert mount.commits == 0
    async with CopiedCheckpoints(mount, tmp_path / "other", "two").open("r", LogBarrier()) as saver:
        found = await saver.aget_tuple(PLACE)
        assert found
        assert found.checkpoint["id"] == newest
