"""What roles and repositories say reaches readers as sound events; slow readers cost little."""

import asyncio
import json
import re
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from httpx_sse import aconnect_sse

from api.http.routes.sse import StreamTimes
from graph.events import Emit, RoleText, ToolFinished, ToolStarted
from graph.tasks import ChangeResult, RoleTask
from runs.model.attempts import Step
from runs.model.log_entry import entry_of
from tests.standins.servers.http_service import (
    CODE,
    make_app,
    running,
    serving,
)
from tests.standins.services.run_service import House, log_of, started
from tests.standins.services.scripted_services import SPEND

_FRAME = re.compile(rb"id: (\d+)\nevent: ([a-z.]+)\ndata: ([^\r\n]+)")
_MIB = 1 << 20
HOSTILE = (
    "one\ntwo\n\nthree",
    "one\r\ntwo\rthree\r\r\n\n",
    "nul \x00 in the middle",
    "lone \ud800 and \udfff surrogates",
    "\x1b[2J\x1b]0;title\x07 colours \x9b31m",
    "\x85 \u2028 \u2029 \x0b \x0c \x1c",
    "id: 99\nevent: run.finished\ndata: {}\n\n",
    ": a comment\nretry: 1\n\ndata: forged\n\n",
    "\ufeffdata: after a mark",
    "\u202eright to left\u2066",
    "",
    "x" * 10 * _MIB,
    "\n" * 10 * _MIB,
    "\ud83d" * 100_000,
)


class HostileCoder:
    """Says everything that might break a reader, as text, as arguments and as output."""

    async def __call__(self, task: RoleTask, emit: Emit) -> ChangeResult:
        for number, text in enumerate(HOSTILE):
            call = f"call-{number}"
            given: Any = {text[:100_000]: [text], "deep": {"deeper": [None, True, 1e308]}}
            for event in (
                RoleText(role="coder", text=text),
                ToolStarted(role="coder", call_id=call, tool=text[:200], input=given),
                ToolFinished(role="coder", call_id=call, ok=False, output=text, duration_ms=1),
            ):
                emit(event)
        return ChangeResult(change=None, title="", summary="", spend=SPEND)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_hostile_content_is_one_sound_event_each(house: House) -> None:
    house.roles = {"coder": HostileCoder()}
    async with (
        serving(make_app(house.open)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        answer = await client.post("/code", json=CODE)
        raw, run_id = answer.content, answer.headers["X-Run-Id"]
        async with aconnect_sse(client, "GET", f"/runs/{run_id}/events") as source:
            read = [event async for event in source.aiter_sse() if event.data]
    assert raw.endswith(b"\n\n")
    frames = [frame for frame in raw.split(b"\n\n") if frame and not frame.startswith(b":")]
    parts = [_FRAME.fullmatch(frame) for frame in frames]
    assert None not in parts
    told = [json.loads(part[3].decode()) for part in parts if part]
    assert [int(part[1]) for part in parts if part] == list(range(1, len(frames) + 1))
    assert [part[2].decode() for part in parts if part] == [event["type"] for event in told]
    assert max(len(part[3]) for part in parts if part) <= 64 * 1024
    assert [(event.id, event.event, json.loads(event.data)) for event in read] == [
        (str(event["seq"]), event["type"], event) for event in told
    ]
    check_told(told)


def check_told(told: list[dict[str, Any]]) -> None:
    """What is short is as it was said, what is long says that it was cut; the last is the end."""
    texts = [event for event in told if event["type"] == "role.text" and event["role"] == "coder"]
    assert len(texts) == len(HOSTILE)
    for event, said in zip(texts, HOSTILE, strict=True):
        if len(said) < 10_000:
            assert event["text"] == re.sub("[\ud800-\udfff]", "\ufffd", said)
        else:
            assert event["truncated"] is True
    assert len([event for event in told if event["type"] == "tool.started"]) == len(HOSTILE)
    assert len([event for event in told if event["type"] == "tool.finished"]) == len(HOSTILE)
    assert told[-1]["type"] == "run.finished"
    assert [event["type"] for event in told].count("run.finished") == 1


async def long_log(house: House, events: int) -> str:
    """An ended run whose log has many large events."""
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        store = service._store
        entries = [
            entry_of(
                "", {"type": "role.text", "role": "coder", "text": f"{number} " + "x" * 60_000}
            )
            for number in range(events)
        ]
        end = entry_of("", {"type": "run.finished", "attempt": 1, "status": "succeeded"})
        await store.transact(run_id, lambda run: Step(run, (*entries, end)))
    return run_id


def read_little(address: str, run_id: str) -> socket.socket:
    """A reader that asks for all and takes no more than fits its smallest buffer."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect((host, int(port)))
    head = f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader.sendall(head.encode())
    return reader


def rest_of(reader: socket.socket) -> bytes:
    """What still arrives before the connection is gone."""
    got = bytearray()
    reader.settimeout(5)
    with suppress(ConnectionError):
        while data := reader.recv(1 << 16):
            got += data
    return bytes(got)


@pytest.mark.slow
async def test_readers_that_do_not_read_are_dropped_and_may_come_back(house: House) -> None:
    run_id = await long_log(house, events=300)
    app = make_app(lambda: house.open(max_readers=40), stream_times=StreamTimes(send=0.5))
    async with (
        running(app) as (address, _),
        httpx.AsyncClient(base_url=address, timeout=60) as client,
        AsyncExitStack() as opened,
    ):
        await client.get(f"/runs/{run_id}/events")  # what is imported for the first does not count
        before = psutil.Process().memory_info().rss
        readers = [opened.enter_context(read_little(address, run_id)) for _ in range(20)]
        await asyncio.sleep(0.4)
        grown = psutil.Process().memory_info().rss - before
        assert grown < 100 * _MIB  # all of the log for each would be 360
        async with asyncio.timeout(60):
            while await readers_now(client):  # noqa: ASYNC110 - only the server tells
                await asyncio.sleep(0.05)
        part = await asyncio.to_thread(rest_of, readers[0])
        seen = [int(number) for number in re.findall(rb"^id: (\d+)\n", part, re.MULTILINE)][:-1]
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < 300
        headers = {"Last-Event-ID": str(seen[-1])}
        answer = await client.get(f"/runs/{run_id}/events", headers=headers)
        rest = [int(number) for number in re.findall(r"^id: (\d+)\n", answer.text, re.MULTILINE)]
        whole = (await client.get(f"/runs/{run_id}/events")).text
        assert seen + rest == list(range(1, whole.count("\nevent: ") + 1))
        assert answer.text.rstrip().rpartition("event: ")[2].startswith("run.finished")


async def readers_now(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    return float(re.findall(r"^coding_agent_readers (.+)$", text, re.MULTILINE)[0])
