"""Event streams over a real socket: order, reconnecting, comments, ends, slow readers."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from api.http.routes.sse import StreamTimes
from graph.errors import StoreLocked
from tests.standins.servers.http_service import (
    CODE,
    client_of,
    make_app,
    running,
)
from tests.standins.services.in_memory_run_service import MemoryService


@asynccontextmanager
async def events_of(
    client: httpx.AsyncClient, run_id: str, **given: Any
) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
    async with aconnect_sse(client, "GET", f"/runs/{run_id}/events", **given) as source:
        assert source.response.status_code == 200
        assert source.response.headers["X-Run-Id"] == run_id
        yield source.aiter_sse()


async def seen(events: AsyncIterator[ServerSentEvent]) -> list[tuple[str, str]]:
    return [(event.id, event.event) async for event in events]


def three_events(service: MemoryService) -> str:
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    service.emit(run_id, "role.text", role="coder", text="line\nline\u2028\r\n: x\n\ndata: forged")
    service.finish(run_id)
    return run_id


async def test_events_have_number_type_and_data() -> None:
    service = MemoryService()
    run_id = three_events(service)
    async with client_of(service) as client, events_of(client, run_id) as events:
        received = [event async for event in events]
    assert [event.id for event in received] == ["1", "2", "3"]
    assert [event.event for event in received] == ["run.queued", "role.text", "run.finished"]
    data = json.loads(received[1].data)
    assert data == {
        "seq": 2,
        "runId": run_id,
        "time": "2023-11-14T22:13:21.000Z",
        "type": "role.text",
        "role": "coder",
        "text": "line\nline\u2028\r\n: x\n\ndata: forged",
    }


@pytest.mark.parametrize(
    ("headers", "query", "first"),
    [
        ({}, "", "1"),
        ({"Last-Event-ID": "0"}, "", "1"),
        ({"Last-Event-ID": "1"}, "", "2"),
        ({}, "?after=2", "3"),
        ({}, "?last=2", "2"),
        ({}, "?last=9", "1"),
        ({"Last-Event-ID": "2"}, "?last=3", "3"),
        ({"Last-Event-ID": "2"}, "?after=1", "3"),
        ({"Last-Event-ID": "3"}, "", None),
        ({"Last-Event-ID": "99"}, "", None),
        ({"Last-Event-ID": "999999999999999"}, "", None),
    ],
)
async def test_reading_goes_on_after_the_last_event(
    headers: dict[str, str], query: str, first: str | None
) -> None:
    service = MemoryService()
    run_id = three_events(service)
    async with client_of(service) as client:
        answer = await client.get(f"/runs/{run_id}/events{query}", headers=headers)
    ids = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]
    assert ids == [str(seq) for seq in range(int(first or 4), 4)]


async def test_an_odd_last_event_is_refused() -> None:
    service = MemoryService()
    run_id = three_events(service)
    async with client_of(service) as client:
        for text in ("-1", "1.0", "x", "", " ", "1e3", "9" * 16, "٣", "0x1", "+1", "1;2"):
            answer = await client.get(f"/runs/{run_id}/events", params={"after": text})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), text
            header = [(b"Last-Event-ID", text.strip().encode())]
            answer = await client.get(f"/runs/{run_id}/events", headers=header)
            assert answer.status_code == 422, text
        assert service.reading == 0


async def test_a_reader_that_comes_again_misses_and_repeats_nothing() -> None:
    service = MemoryService()
    run_id = service.add()
    received: list[str] = []
    async with client_of(service) as client:
        for number in range(1, 11):
            service.emit(run_id, "role.text", role="coder", text=str(number))
        while len(received) < 10:
            headers = {"Last-Event-ID": received[-1]} if received else {}
            async with events_of(client, run_id, headers=headers) as events:
                received += [(await anext(events)).id for _ in range(min(3, 10 - len(received)))]
    assert received == [str(number) for number in range(1, 11)]


async def test_events_come_live() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client, events_of(client, run_id) as events:
        for number in range(1, 4):
            service.emit(run_id, "role.text", role="coder", text="x")
            assert (await anext(events)).id == str(number)
        service.finish(run_id)
        assert await seen(events) == [("4", "run.finished")]


async def test_a_stream_goes_on_over_a_resumed_run() -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.finished", attempt=1, status="interrupted")
    service.emit(run_id, "run.resumed", attempt=2, reason="picked_up")
    async with client_of(service) as client, events_of(client, run_id) as events:
        assert [(await anext(events)).event for _ in range(2)] == ["run.finished", "run.resumed"]
        service.finish(run_id)
        assert await seen(events) == [("3", "run.finished")]


async def test_a_reader_that_leaves_does_not_end_the_run() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        async with client.stream("POST", "/code", json=CODE) as stream:
            run_id = stream.headers["X-Run-Id"]
            assert await anext(stream.aiter_lines()) == "id: 1"
            assert service.reading == 1
        await service.reading_is(0)
        assert service.runs[run_id].record.status == "running"
        assert not service.runs[run_id].cancelling
        service.finish(run_id)
        async with events_of(client, run_id) as events:
            assert await seen(events) == [("1", "run.queued"), ("2", "run.finished")]


async def test_an_idle_stream_is_kept_alive_by_comments() -> None:
    service = MemoryService()
    run_id = service.add()
    times = StreamTimes(heartbeat=0.02)
    async with (
        client_of(service, stream_times=times) as client,
        client.stream("GET", f"/runs/{run_id}/events") as stream,
    ):
        lines = stream.aiter_lines()
        got = [await anext(lines) for _ in range(4)]
        assert got == [": keep-alive", ""] * 2
        service.finish(run_id)
        rest = [line async for line in lines if line and not line.startswith(":")]
    assert rest[:2] == ["id: 1", "event: run.finished"]


async def test_a_heartbeat_comes_every_15_seconds() -> None:
    assert StreamTimes().heartbeat == 15


async def test_a_stream_that_the_server_must_end_says_where_to_go_on() -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    times = StreamTimes(whole=0.1)
    async with client_of(service, stream_times=times) as client:
        async with events_of(client, run_id) as events:
            received = [event async for event in events]
        assert [event.event for event in received] == ["run.queued", "stream.end"]
        end = json.loads(received[1].data)
        assert end == {"runId": run_id, "after": 1, "url": f"/runs/{run_id}/events?after=1"}
        service.finish(run_id)
        answer = await client.get(end["url"])
        assert "id: 2\nevent: run.finished\n" in answer.text
        assert "stream.end" not in answer.text


async def test_a_stream_end_has_no_id() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service, stream_times=StreamTimes(whole=0.02)) as client:
        answer = await client.get(f"/runs/{run_id}/events?after=7")
    assert answer.text == (
        "event: stream.end\n"
        f'data: {{"runId":"{run_id}","after":7,"url":"/runs/{run_id}/events?after=7"}}\n\n'
    )


async def test_a_service_that_closes_ends_its_streams() -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    async with client_of(service) as client, events_of(client, run_id) as events:
        assert (await anext(events)).id == "1"
        service.close()
        assert [kind for _, kind in await seen(events)] == ["stream.end"]


async def test_a_store_that_breaks_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    async with client_of(service) as client, events_of(client, run_id) as events:
        assert (await anext(events)).id == "1"
        service.fault = StoreLocked("locked")
        service.wake()
        assert [kind for _, kind in await seen(events)] == ["stream.end"]
    assert f"the stream of run {run_id} broke" in caplog.text


async def test_a_server_that_is_told_to_stop_ends_its_streams() -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    async with (
        running(make_app(service.open)) as (address, server),
        httpx.AsyncClient(base_url=address) as client,
        events_of(client, run_id) as events,
    ):
        assert (await anext(events)).id == "1"
        server.should_exit = True  # what the signal sets
        server.stop.set()
        async with asyncio.timeout(60):
            assert [kind for _, kind in await seen(events)] == ["stream.end"]
    assert service.reading == 0


async def test_readers_are_limited() -> None:
    service = MemoryService(max_readers=1)
    run_id = service.add()
    async with client_of(service) as client:
        async with client.stream("GET", f"/runs/{run_id}/events") as first:
            assert first.status_code == 200
            second = await client.get(f"/runs/{run_id}/events")
            assert (second.status_code, second.json()["code"]) == (429, "too_many_readers")
            assert int(second.headers["Retry-After"]) > 0
            assert (await client.get(f"/runs/{run_id}")).status_code == 200
        await service.reading_is(0)
        service.finish(run_id)
        assert (await client.get(f"/runs/{run_id}/events")).status_code == 200
        assert (await client.get("/runs/" + "9" * 26 + "/events")).status_code == 404
        assert service.reading == 0


async def test_a_reader_that_does_not_read_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "api")
    service = MemoryService()
    run_id = service.add()
    for _ in range(200):
        service.emit(run_id, "role.text", role="coder", text="x" * 50_000)
    app = make_app(service.open, stream_times=StreamTimes(send=0.1))
    async with running(app) as (address, _):
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            head = f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
            reader.sendall(head.encode())
            async with asyncio.timeout(60):
                await service.reading_is(1)
                await service.reading_is(0)
    assert f"a reader of run {run_id} was too slow" in caplog.text


async def test_many_readers_of_one_run() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service, limits=httpx.Limits(max_connections=None)) as client:

        async def read() -> list[tuple[str, str]]:
            async with events_of(client, run_id) as events:
                return await seen(events)

        readers = [asyncio.create_task(read()) for _ in range(50)]
        await service.reading_is(50)
        for _ in range(20):
            service.emit(run_id, "role.text", role="coder", text="x")
        service.finish(run_id)
        results = await asyncio.gather(*readers)
    expected = [(str(seq), "role.text") for seq in range(1, 21)] + [("21", "run.finished")]
    assert results == [expected] * 50


async def test_the_first_event_comes_at_once() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(10):
            start = loop.time()
            async with client.stream("POST", "/code", json=CODE) as stream:
                assert await anext(stream.aiter_lines()) == "id: 1"
            times.append(loop.time() - start)
    assert sorted(times)[2] < 0.1  # not held back for a delayed acknowledgement


async def test_who_comes_back_after_the_end_is_told_that_nothing_is_left() -> None:
    """A browser's EventSource asks again for ever, unless it is answered 204."""
    service = MemoryService()
    run_id, going = three_events(service), service.add()
    service.emit(going, "run.queued", position=0)
    async with client_of(service) as client:
        again = await client.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": "3"})
        asked = await client.get(f"/runs/{run_id}/events?after=4")
        async with events_of(client, run_id, headers={"Last-Event-ID": "2"}) as events:
            assert await seen(events) == [("3", "run.finished")]
        async with events_of(client, going, headers={"Last-Event-ID": "1"}) as events:
            service.finish(going)
            assert await seen(events) == [("2", "run.finished")]
    assert (again.status_code, again.content, again.headers["X-Run-Id"]) == (204, b"", run_id)
    assert asked.status_code == 204
