"""Checkpoints that are copied into a shared folder: when the copies are committed."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from graph.errors import StoreUnavailable
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


class CommittedMount(FolderMount):
    """A folder of its own: others have of it what was committed. The next commits may fail."""

    def __init__(self, root: Path, shared: Path) -> None:
        super().__init__(root)
        self.failing = 0
        self._shared = shared

    async def commit(self, run_id: str = "") -> None:
        await super().commit(run_id)
        if self.failing:
            self.failing -= 1
            raise StoreUnavailable("it does not answer")
        shutil.copytree(self.root, self._shared, dirs_exist_ok=True)

    async def reload(self) -> None:
        await super().reload()
        shutil.copytree(self._shared, self.root, dirs_exist_ok=True)


async def test_several_are_committed_together(tmp_path: Path) -> None:
    mount = FolderMount(tmp_path / "shared")
    checkpoints = CopiedCheckpoints(mount, tmp_path / "own", "one", soon_s=3600)
    async with checkpoints.open("r", LogBarrier()) as saver:
        await put(saver, 1)
        await put(saver, 2)
        assert mount.commits == 0
    assert mount.commits == 1


async def test_each_is_committed_soon_and_once(tmp_path: Path) -> None:
    mount = FolderMount(tmp_path / "shared")
    checkpoints = CopiedCheckpoints(mount, tmp_path / "own", "one", soon_s=0.05)
    async with checkpoints.open("r", LogBarrier()) as saver:
        await put(saver, 1)
        await until(lambda: mount.commits == 1)
        await put(saver, 2)
        await until(lambda: mount.commits == 2)
        await asyncio.sleep(0.2)
    assert mount.commits == 2


@pytest.mark.parametrize("soon_s", [0.05, 3600])
async def test_the_next_drive_goes_on_from_the_newest(tmp_path: Path, soon_s: float) -> None:
    """Also where a drive is stopped before it was committed, or once that failed."""
    shared = tmp_path / "shared"
    mount = CommittedMount(tmp_path / "one", shared)
    first = CopiedCheckpoints(mount, tmp_path / "own", "one", soon_s=soon_s)
    mount.failing = 1 if soon_s < 1 else 0
    with suppress(asyncio.CancelledError):
        async with first.open("r", LogBarrier()) as saver:
            await put(saver, 1)
            newest = await put(saver, 2)
            await until(lambda: not mount.failing)
            raise asyncio.CancelledError
    other = CommittedMount(tmp_path / "two", shared)
    await other.reload()
    async with CopiedCheckpoints(other, tmp_path / "other", "two").open("r", LogBarrier()) as saver:
        found = await saver.aget_tuple(PLACE)
    assert found
    assert found.checkpoint["id"] == newest


async def test_a_drive_ends_where_nothing_can_be_committed(tmp_path: Path) -> None:
    mount = CommittedMount(tmp_path / "one", tmp_path / "shared")
    mount.failing = 99
    own = tmp_path / "own"
    async with CopiedCheckpoints(mount, own, "one").open("r", LogBarrier()) as saver:
        await put(saver, 1)
    assert mount.commits
    assert not list(own.iterdir())
