"""What runs are kept in on Modal, by the real client: answers that do not come, or say no."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import modal
import modal.exception
import pytest
from grpclib import GRPCError, Status

from graph.calls.retry_policy import RetryPolicy
from graph.errors import StoreFull, StoreStale, StoreUnavailable
from graph.files import write_whole
from runs.shared.modal_backend import DictTable, QueueTail, VolumeArchive
from runs.shared.volume_mount import VolumeMount
from tests.modal_plane import Plane

ANSWERS = ("DictGet", "DictUpdate", "DictPop", "DictContents", "QueuePut", "VolumeListFiles2")


def places(answer_s: float = 15.0) -> tuple[DictTable, QueueTail, VolumeArchive]:
    volume = modal.Volume.from_name("files", create_if_missing=True, version=2)
    table = DictTable("entries", answer_s=answer_s, items_s=answer_s)
    tail, archive = QueueTail("events", answer_s=answer_s), VolumeArchive(volume, answer_s=answer_s)
    return table, tail, archive


async def touch(rpc: str, answer_s: float = 15.0) -> None:
    """Call what makes this request."""
    table, tail, archive = places(answer_s)
    match rpc:
        case "DictGet":
            await table.get("a")
        case "DictUpdate":
            await table.add("a", 1)
        case "DictPop":
            await table.pop("a")
        case "DictContents":
            assert {key async for key, _ in table.items()} <= {"a"}
        case "QueuePut":
            await tail.put("run", {"n": 1})
        case _:
            await archive.names("runs")


@pytest.mark.parametrize("rpc", ANSWERS)
async def test_an_answer_that_does_not_come_is_not_waited_for(modal_plane: Plane, rpc: str) -> None:
    await touch(rpc)
    with modal_plane.faults.holding(rpc) as held:
        for answer_s in (0.2, 2.0, 20.0):
            if not held.reached.is_set():  # a busy machine may not have come so far
                with pytest.raises(StoreUnavailable, match="in time"):
                    await touch(rpc, answer_s)
    assert held.reached.is_set()
    await touch(rpc)


async def test_one_that_calls_too_often_is_told_so(
    modal_plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As deployed, Modal's client does not wait for as long as the service says."""
    table, _, _ = places()
    await table.put("a", 1)
    monkeypatch.setenv("MODAL_MAX_THROTTLE_WAIT", "10")
    modal_plane.faults.throttle("DictGet", 0.1)
    assert await table.get("a") == 1
    modal_plane.faults.throttle("DictGet", 3600.0)
    with pytest.raises(StoreFull):
        await table.get("a")
    modal_plane.faults.fail("DictGet", Status.UNAVAILABLE, times=9)
    with pytest.raises(StoreUnavailable):
        await table.get("a")


async def test_a_silent_tail_is_not_read_twice(modal_plane: Plane) -> None:
    _, tail, _ = places()
    for number in range(3):
        await tail.put("run", number)
    heard: list[int] = []

    async def follow() -> None:
        heard.extend([item async for item in tail.follow("run", 1.0)])

    async with asyncio.timeout(60):
        await follow()
    assert heard == [0, 1, 2]
    assert modal_plane.faults.seen["QueueNextItems"] <= 3


class Call:
    """A method of Modal's client that fails so many times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = 0
        self.bring: Callable[[], object] = lambda: None

    async def aio(self) -> None:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        self.bring()


class BusyVolume:
    def __init__(self, *errors: str) -> None:
        self.commit = Call(*map(RuntimeError, errors))
        self.reload = Call(*map(RuntimeError, errors))


OPEN = "there are open files preventing the operation: path base.git/objects/pack is open"


@pytest.mark.parametrize(
    ("errors", "commits"),
    [([OPEN] * 99, 1), (["conflict"], 2), (["conflict", OPEN], 2)],
    ids=["its reload is refused", "it is refused once", "both"],
)
async def test_a_commit_that_modal_reloads_after_is_one(
    tmp_path: Path, errors: list[str], commits: int
) -> None:
    volume = BusyVolume(*errors)
    mount = VolumeMount(volume, tmp_path)
    await mount.keep({"a/b": b"c"})
    assert volume.commit.made == commits
    assert (tmp_path / "a/b").read_bytes() == b"c"


async def test_a_service_that_is_away_for_a_while_is_outlasted(tmp_path: Path) -> None:
    """What is to be handed over has been paid for."""
    volume = BusyVolume()
    away = (modal.exception.ServiceError("away"), GRPCError(Status.UNAVAILABLE, "away"))
    volume.commit, volume.reload = Call(*away), Call(*away)
    mount = VolumeMount(volume, tmp_path)
    await mount.commit()
    await mount.reload()
    assert (volume.commit.made, volume.reload.made) == (3, 3)


async def test_what_stays_refused_is_an_error(tmp_path: Path) -> None:
    policy = RetryPolicy(3, first_s=0.01)
    volume = BusyVolume(*["conflict"] * 99)
    mount = VolumeMount(volume, tmp_path, busy_policy=policy, away_policy=policy)
    with pytest.raises(StoreUnavailable, match="conflict"):
        await mount.commit()
    with pytest.raises(StoreStale, match="conflict"):
        await mount.reload()


async def test_what_no_commit_took_is_in_the_next(tmp_path: Path) -> None:
    """Records and other files lie beside those of the run, which are looked at."""
    volume = BusyVolume("conflict")
    mount = VolumeMount(volume, tmp_path, busy_policy=RetryPolicy(1))
    with pytest.raises(StoreUnavailable, match="conflict"):
        await mount.keep({"records/r1/api.json": b"{}"})
    made = volume.commit.made
    await mount.commit_run("r1")
    assert volume.commit.made == made + 1


async def test_a_run_of_which_nothing_is_new_is_not_committed_again(tmp_path: Path) -> None:
    """What comes by a reload is committed; what was written before it, is not."""
    volume = BusyVolume()
    mount, file = VolumeMount(volume, tmp_path), tmp_path / "runs/r1/changes/0001-coder.patch"
    made = []
    for text in (b"", b"1", b"", b"2"):
        if text:
            await mount.write({"runs/r1/fence": text})
        await mount.commit_run("r1")
        made.append(volume.commit.made)
    assert made == [0, 1, 1, 2]
    volume.reload.bring = lambda: write_whole(file, b"change")
    await mount.reload()
    await mount.commit_run("r1")
    assert volume.commit.made == 2
    write_whole(file, b"other")
    await mount.reload()
    await mount.commit_run("r1")
    assert volume.commit.made == 3


async def test_a_run_is_committed_while_its_files_are_replaced(tmp_path: Path) -> None:
    """A new file has another name until it is whole: it may be listed by that and be gone."""
    volume = BusyVolume()
    mount, folder = VolumeMount(volume, tmp_path), tmp_path / "runs/r1/transcripts/0001-coder"
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / f"{number}.json").write_bytes(b"said")

    def replace_often() -> None:
        for number in range(24):
            write_whole(folder / f"{number}.json", b"%d" % number)

    with ThreadPoolExecutor(1) as writers:
        writing = writers.submit(replace_often)
        while not writing.done():
            await mount.commit_run("r1")
            await mount.reload()
        writing.result()
    made = volume.commit.made
    write_whole(folder / "last.json", b"said")
    await mount.commit_run("r1")
    assert volume.commit.made == made + 1
