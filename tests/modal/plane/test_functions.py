"""The plane runs a deployed app, with Volumes as stale as Modal's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import modal
import modal.exception
import pytest
import pytest_asyncio

from tests.modal_plane import Plane, connected, deploy
from tests.modal_plane import modal_plane as open_plane
from tests.modal_plane.availability import need_containers

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane() -> AsyncIterator[Plane]:
    """The sample app, deployed once for all tests here."""
    need_containers()
    async with open_plane() as plane, connected(plane):
        plane.secrets.add("sample-key", {"SAMPLE_KEY": "x"})
        await deploy(plane, "sample_app.py", folder=Path(__file__).parent)
        yield plane
        assert not plane.errors, "\n".join(plane.errors)


def function(name: str) -> "modal.Function[..., Any, Any]":
    return modal.Function.from_name("sample", name)


async def test_a_definition_can_be_looked_at(plane: Plane) -> None:
    write = plane.function("write")
    assert write.definition.timeout_secs == 60
    assert plane.secrets.names(write.definition.secret_ids) == {"sample-key"}
    assert "/root/sample_app.py" in plane.mounts.names(write.definition.mount_ids)


async def test_a_missing_commit_or_reload_shows(plane: Plane) -> None:
    write, read = function("write"), function("read")
    await write.remote.aio("a.txt", "one", commit=False)
    assert await read.remote.aio("a.txt") is None
    await write.remote.aio("b.txt", "two")
    assert await read.remote.aio("b.txt", reload=False) is None
    assert await read.remote.aio("b.txt") == "two"


async def test_a_reload_fails_while_a_file_is_open(plane: Plane) -> None:
    await function("write").remote.aio("open.txt", "x")
    await function("read").remote.aio("open.txt")
    with pytest.raises(RuntimeError, match=r"open files.*open\.txt"):
        await function("reload_while_open").remote.aio("open.txt")


async def test_a_generator_and_an_error_come_through(plane: Plane) -> None:
    assert [number async for number in function("count").remote_gen.aio(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="for a reason"):
        await function("fall").remote.aio("for a reason")


async def test_large_arguments_and_answers_come_through(plane: Plane) -> None:
    data = bytes(range(256)) * 12_000
    assert await function("echo").remote.aio(data) == data
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{plane.function('web').url}/large") as response,
    ):
        assert len(await response.read()) == 5 << 20


async def test_a_call_ends_at_its_time_limit(plane: Plane) -> None:
    with pytest.raises(modal.exception.FunctionTimeoutError):
        await function("sleep").remote.aio(30)


async def test_a_spawned_call_is_found_by_its_id(plane: Plane) -> None:
    call = await function("read").spawn.aio("nothing")
    found = modal.FunctionCall.from_id(call.object_id)
    assert await found.get.aio(timeout=30) is None


async def begun(name: str) -> None:
    """Wait until the function tells that it began."""
    events = modal.Queue.from_name("sample-events", create_if_missing=True)
    async for _ in events.iterate.aio(partition=name, item_poll_timeout=30):
        return


async def told(name: str, count: int = 1) -> list[str]:
    """All that the function told, once that is so much: it may tell it after its call has ended."""
    events, items = modal.Queue.from_name("sample-events"), list[str]()
    async with asyncio.timeout(30):
        while len(items) < count:
            items = [item async for item in events.iterate.aio(partition=name)]
    return items


@pytest.mark.parametrize(
    ("worker", "hard", "between"),
    [
        ("work", False, ["KeyboardInterrupt"]),
        ("work_async", False, ["CancelledError"]),
        ("work", True, []),
    ],
)
async def test_a_preempted_input_runs_again(
    plane: Plane, worker: str, hard: bool, between: list[str]
) -> None:
    name = f"{worker}-{hard}"
    call = await function(worker).spawn.aio(name)
    await begun(name)
    await plane.preempt(worker, hard=hard)
    assert await call.get.aio(timeout=30) == 2 + len(between)
    assert await told(name) == ["begin", *between, "begin"]


async def test_a_failed_input_is_tried_again(plane: Plane) -> None:
    assert await function("flaky").remote.aio("flaky") == 2


async def test_a_preempted_generator_goes_on_where_its_reader_was(plane: Plane) -> None:
    stream = function("numbers").remote_gen.aio("numbers")
    assert [await anext(stream), await anext(stream)] == [1, 2]
    await plane.preempt("numbers", hard=True)
    assert [number async for number in stream] == [3]
    assert await told("numbers") == ["begin", "begin"]


async def test_a_cancelled_call_is_told_in_its_container(plane: Plane) -> None:
    call = await function("work").spawn.aio("cancelled")
    await begun("cancelled")
    await call.cancel.aio()
    with pytest.raises(modal.exception.RemoteError):
        await call.get.aio(timeout=30)
    assert await told("cancelled", 2) == ["begin", "InputCancellation"]


async def test_a_scheduled_function_runs_when_its_time_has_come(plane: Plane) -> None:
    assert plane.function("tick").definition.schedule.period.hours == 1
    assert await plane.fire("tick") == "ticked"
    with pytest.raises(ValueError, match="no schedule"):
        await plane.fire("read")


async def test_restricted_access_is_enforced(plane: Plane) -> None:
    assert await function("restricted").remote.aio() == "refused"


async def test_results_expire(plane: Plane) -> None:
    call = await function("read").spawn.aio("nothing")
    await call.get.aio(timeout=30)
    plane.calls.expire(call.object_id)
    with pytest.raises(modal.exception.OutputExpiredError):
        await modal.FunctionCall.from_id(call.object_id).get.aio(timeout=1)


async def test_background_commits_come_at_any_moment(plane: Plane) -> None:
    plane.volumes.background = 0.05
    try:
        await function("write").remote.aio("torn.txt", "half", commit=False)
        kept = plane.volumes.named("files").files / "torn.txt"
        async with asyncio.timeout(60):
            while not kept.exists():  # noqa: ASYNC110 - nobody tells of a commit
                await asyncio.sleep(0.05)
    finally:
        plane.volumes.background = None
    assert await function("read").remote.aio("torn.txt") == "half"


async def test_a_new_deployment_takes_over(plane: Plane) -> None:
    await function("read").remote.aio("nothing")
    (before,) = [c for c in plane.scheduler.of(plane.function("read")) if c.live and not c.spent]
    await deploy(plane, "sample_app.py", folder=Path(__file__).parent)
    await function("read").remote.aio("nothing")
    assert before.spent
    assert before.ended in (0, None)


async def test_two_containers_of_a_web_function_take_turns(plane: Plane) -> None:
    first, second = await plane.scale("web", 2)
    url = plane.function("web").url
    async with aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.get(f"{url}/who") as response:
                await response.read()
    assert first.taken
    assert second.taken


async def test_a_slow_web_function_sends_elsewhere(plane: Plane) -> None:
    plane.web.limit = 0.3
    try:
        async with aiohttp.ClientSession() as session:
            url = f"{plane.function('web').url}/slow"
            async with session.get(url, max_redirects=100) as response:
                assert await response.json() == "at last"
                assert [step.status for step in response.history][:1] == [303]
    finally:
        plane.web.limit = 150.0


async def test_a_web_function_is_told_that_its_client_left(plane: Plane) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{plane.function('web').url}/endless") as response,
    ):
        assert await response.content.readline() == b"data: tick\n"
    await begun("endless")
    assert await told("endless") == ["left"]


async def test_a_web_function_streams(plane: Plane) -> None:
    url = plane.function("web").url
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/count", json={"numbers": 3}) as response,
    ):
        assert response.content_type == "text/event-stream"
        assert await response.text() == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
