"""Queues, Dicts and a Volume's files on the plane, by the real client."""

import asyncio
import io
import queue

import modal
import modal.exception
import pytest
from grpclib import Status

from tests.modal_plane import Plane

LIMIT = 5_000


def new_queue(name: str = "events") -> modal.Queue:
    return modal.Queue.from_name(name, create_if_missing=True)


async def test_a_queue_is_read_in_place_and_taken_from(modal_plane: Plane) -> None:
    events = new_queue()
    await events.put.aio({"n": 0}, partition="a")
    await events.put_many.aio([{"n": 1}, {"n": 2}], partition="a")
    read = [item["n"] async for item in events.iterate.aio(partition="a", item_poll_timeout=0)]
    assert read == [0, 1, 2]
    assert await events.len.aio(partition="a") == 3
    assert await events.get.aio(block=False) is None
    assert await events.get.aio(partition="a") == {"n": 0}
    assert await events.get_many.aio(5, partition="a") == [{"n": 1}, {"n": 2}]
    with pytest.raises(queue.Empty):
        await events.get.aio(timeout=0.05, partition="a")
    await events.put.aio(1)
    await events.clear.aio(all=True)
    assert await events.len.aio(total=True) == 0


async def test_a_waiting_reader_gets_what_is_put_later(modal_plane: Plane) -> None:
    events = new_queue()
    await events.put.aio(0)
    read = []
    async for item in events.iterate.aio(item_poll_timeout=1.0):
        read.append(item)
        if item < 3:
            await events.put.aio(item + 1)
        else:
            break
    assert read == [0, 1, 2, 3]


async def test_a_queue_holds_to_its_limits(modal_plane: Plane) -> None:
    events = new_queue()
    await events.put_many.aio(list(range(LIMIT)), partition="full")
    with pytest.raises(queue.Full):
        await events.put.aio(LIMIT, block=False, partition="full")
    with pytest.raises(modal.exception.InvalidError):
        await events.put.aio(b"x" * (1 << 20), partition="large")
    await events.put.aio(1, partition="other")
    modal_plane.queues.expire("events", "full")
    assert await events.len.aio(partition="full") == 0
    modal_plane.queues.ttl = 0.0
    await events.put.aio(2, partition="short")
    assert await events.len.aio(total=True) == 1


async def test_a_dict_keeps_entries_until_they_expire(modal_plane: Plane) -> None:
    runs = modal.Dict.from_name("runs", create_if_missing=True)
    assert await runs.put.aio("a", 1, skip_if_exists=True)
    assert not await runs.put.aio("a", 2, skip_if_exists=True)
    await runs.update.aio({"b": 2, "c": 3})
    assert await runs.get.aio("a") == 1
    assert await runs.get.aio("z", 0) == 0
    assert await runs.contains.aio("b")
    assert await runs.pop.aio("c") == 3
    with pytest.raises(KeyError):
        await runs.pop.aio("c")
    assert await runs.len.aio() == 2
    assert sorted([key async for key in runs.keys.aio()]) == ["a", "b"]
    assert sorted([pair async for pair in runs.items.aio()]) == [("a", 1), ("b", 2)]
    modal_plane.dicts.expire("runs", "a")
    assert not await runs.contains.aio("a")
    await runs.clear.aio()
    assert await runs.len.aio() == 0


async def test_a_volume_is_read_and_written_from_outside(modal_plane: Plane) -> None:
    files = modal.Volume.from_name("files", create_if_missing=True, version=2)
    large = bytes(range(256)) * 40_000
    async with files.batch_upload.aio() as batch:
        batch.put_file(io.BytesIO(b"hello"), "/a/hello.txt")
        batch.put_file(io.BytesIO(large + b"\0" * 100), "/a/large.bin")
    assert {entry.path for entry in await files.listdir.aio("/a")} == {
        "a/hello.txt",
        "a/large.bin",
    }
    read = b"".join([chunk async for chunk in files.read_file.aio("a/large.bin")])
    assert read == large + b"\0" * 100
    into = io.BytesIO()
    assert await files.read_file_into_fileobj.aio("a/hello.txt", into) == 5
    assert into.getvalue() == b"hello"
    await files.copy_files.aio(["a/hello.txt"], "a/again.txt")
    await files.remove_file.aio("a/hello.txt")
    with pytest.raises(FileNotFoundError):
        await files.remove_file.aio("a/hello.txt")
    with pytest.raises(FileExistsError):
        async with files.batch_upload.aio() as batch:
            batch.put_file(io.BytesIO(b"other"), "/a/again.txt")
    listed = {entry.path async for entry in files.iterdir.aio("/", recursive=True)}
    assert listed == {"a", "a/again.txt", "a/large.bin"}
    await files.remove_file.aio("a", recursive=True)
    assert await files.listdir.aio("/") == []
    await modal.Volume.rename.aio("files", "renamed")
    assert modal_plane.volumes.named("renamed").version == 2


async def test_a_fault_on_demand_is_met_and_survived(modal_plane: Plane) -> None:
    runs = modal.Dict.from_name("runs", create_if_missing=True)
    modal_plane.faults.fail("DictGet", Status.UNAVAILABLE, times=2)
    assert await runs.get.aio("a", 0) == 0
    assert modal_plane.faults.seen["DictGet"] == 3
    modal_plane.faults.fail("DictUpdate", Status.RESOURCE_EXHAUSTED, message="over the limit")
    with pytest.raises(modal.exception.ResourceExhaustedError, match="over the limit"):
        await runs.put.aio("a", 1)


async def test_a_call_is_held_until_it_is_let_go(modal_plane: Plane) -> None:
    runs = modal.Dict.from_name("runs", create_if_missing=True)
    await runs.hydrate.aio()
    with modal_plane.faults.holding("DictUpdate") as held:
        putting = asyncio.create_task(runs.put.aio("a", 1))
        await held.reached.wait()
        assert await runs.get.aio("a", 0) == 0
        held.released.set()
        assert await putting
    assert await runs.get.aio("a") == 1
