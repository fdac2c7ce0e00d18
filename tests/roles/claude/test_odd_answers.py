"""Answers that the Messages API never gives, as gateways, proxies and pages do: each an error of
ours by its status, and a reply is taken only where it can be acted on."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from demo.script.reply_stream import sse
from graph import Usage
from graph.errors import (
    ClaudeBilling,
    ClaudeError,
    ClaudeRateLimited,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
    ContextExceeded,
)
from roles.claude.answer_errors import read_retry_after
from roles.claude.client import Claude
from roles.claude.provider import AnthropicProvider
from roles.claude.reply import AttemptFailed
from tests.roles.claude.test_client import Heard, body
from tests.standins.claude import ScriptedReply, says, text, tool_use
from tests.standins.messages_api.server import Exchange
from tests.support.roles.role_bench import KEY, Bench, Serve

STATUSES: dict[int, type[ClaudeError]] = {
    **dict.fromkeys((400, 404, 405, 410, 418, 422, 451), ClaudeRejected),
    **dict.fromkeys((401, 403), ClaudeUnauthorized),
    402: ClaudeBilling,
    413: ContextExceeded,
    429: ClaudeRateLimited,
    **dict.fromkeys((408, 409, 499, 500, 501, 502, 503, 504, 520, 529), ClaudeUnavailable),
}
ODD = {"error": {"type": ["a"], "message": {"b": 1}, "details": [2]}, "type": 3}
BODIES = {
    "nothing": b"",
    "a page": b"<html><h1>Sign in</h1></html>",
    "half JSON": b'{"type": "error", "error": {"type": "auth',
    "a list": b"[1, 2]",
    "a word": b'"no"',
    "null": b"null",
    "no text where text belongs": json.dumps(ODD).encode(),
    "an error that is a word": b'{"error": "nope"}',
    "bytes": bytes(range(256)),
    "very deep": b"[" * 100_000,
}


@dataclass(frozen=True)
class Raw:
    """Any bytes as an answer; of `missing` more the head speaks."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0

    async def send(self, exchange: Exchange) -> None:
        length = {"content-length": str(len(self.body) + self.missing)}
        lines = [f"HTTP/1.1 {self.status} Told"]
        lines += [f"{name}: {value}" for name, value in (length | self.headers).items()]
        exchange.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + self.body)
        await exchange.writer.drain()
        if self.missing:
            exchange.writer.close()


@dataclass(frozen=True)
class Changed:
    """A reply whose events are changed on the way."""

    change: Callable[[list[bytes]], list[bytes]]
    reply: ScriptedReply = field(default_factory=lambda: says("Hello."))

    async def send(self, exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.body(b"".join(self.change(list(self.reply.events(exchange)))))
        await exchange.end()


def edited(event: bytes, edit: Callable[[Any], None]) -> bytes:
    """An event with other data."""
    name, _, data = event.decode().partition("\ndata: ")
    value = json.loads(data)
    edit(value)
    return f"{name}\ndata: {json.dumps(value)}\n\n".encode()


def all_edited(edit: Callable[[Any], None]) -> Callable[[list[bytes]], list[bytes]]:
    return lambda events: [edited(event, edit) for event in events]


async def refused(claude: Claude) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as raised:
        await claude.attempt(body(), Heard())
    return raised.value


@pytest.mark.parametrize("name", BODIES)
async def test_the_status_decides_whatever_the_body_is(serve: Serve, name: str) -> None:
    async with serve(*(Raw(status, BODIES[name]) for status in STATUSES)) as (_, claude):
        for status, kind in STATUSES.items():
            failed = await refused(claude)
            assert type(failed.error) is kind, status
            assert failed.repeatable == (status >= 500 or status in {408, 409, 429, 499}), status
            assert str(status) in failed.error.message


@pytest.mark.parametrize("how", ["garbage", "cut"])
async def test_a_body_that_cannot_be_read_hides_no_status(serve: Serve, how: str) -> None:
    def answer(status: int) -> Raw:
        if how == "cut":
            return Raw(status, b'{"type"', missing=100)
        return Raw(status, b"no gzip at all", {"content-encoding": "gzip"})

    async with serve(*map(answer, STATUSES)) as (_, claude):
        for status, kind in STATUSES.items():
            failed = await refused(claude)
            assert type(failed.error) is kind, status
            assert failed.repeatable == (status >= 500 or status in {408, 409, 429, 499}), status


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "application/json"])
async def test_a_success_that_is_no_stream_is_not_asked_for_again(
    serve: Serve, media_type: str
) -> None:
    async with serve(Raw(200, b'{"id": 1}', {"content-type": media_type})) as (_, claude):
        failed = await refused(claude)
    assert type(failed.error) is ClaudeRejected
    assert not failed.repeatable
    assert "ANTHROPIC_BASE_URL" in failed.error.hint
    assert media_type.partition(";")[0] in failed.error.message


@pytest.mark.parametrize(
    "answer",
    [
        Raw(200, b"", {"content-type": "text/event-stream"}),
        Raw(200, b""),
        Raw(204),
        Raw(200, b"no gzip", {"content-encoding": "gzip", "content-type": "text/event-stream"}),
        Raw(200, gzip.compress(b"")[:-4], {"content-encoding": "gzip"}),
    ],
)
async def test_an_empty_or_unreadable_stream_may_be_whole_the_next_time(
    serve: Serve, answer: Raw
) -> None:
    async with serve(answer) as (_, claude):
        failed = await refused(claude)
    assert type(failed.error) is ClaudeUnavailable
    assert failed.repeatable


@asynccontextmanager
async def page() -> AsyncIterator[str]:
    """Answers any call by a page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        told = b"<html>Sign in</html>"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % len(told) + told)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_page_is_no_sign_that_the_key_is_taken() -> None:
    async with page() as address:
        claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=address))
        with pytest.raises(ClaudeRejected) as raised:
            await claude.probe()
        await claude.close()
    assert "ANTHROPIC_BASE_URL" in raised.value.hint


@pytest.mark.parametrize("line", ["no such name: x", ": x"])
async def test_a_header_that_cannot_be_sent_is_named(
    serve: Serve, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", line)
    async with serve() as (server, claude):
        failed = await refused(claude)
        with pytest.raises(ClaudeRejected):
            await claude.probe()
        assert not server.requests
    assert type(failed.error) is ClaudeRejected
    assert not failed.repeatable
    assert "ANTHROPIC_CUSTOM_HEADERS" in failed.error.hint


def _unknown(events: list[bytes]) -> list[bytes]:
    """Events, pieces and fields that nobody knows yet, and all that may come twice."""
    first, block, *rest = events
    strange = [
        sse("new_event", data={"a": 1}),
        sse("ping"),
        sse("content_block_delta", index=0, delta={"type": "new_delta", "x": [1]}),
    ]
    return [*strange[:2], first, first, block, *strange, *rest[:-1], rest[-2], rest[-1], rest[-1]]


async def test_what_is_not_known_and_what_comes_twice_changes_no_reply(serve: Serve) -> None:
    async with serve(Changed(_unknown)) as (_, claude):
        reply = await claude.attempt(body(), Heard())
    assert reply.content == [text("Hello.")]
    assert reply.stop_reason == "end_turn"
    assert reply.usage.output_tokens > 0


@pytest.mark.parametrize("reason", ["stop_sequence", "compaction", "something_new"])
async def test_any_reason_to_stop_is_handed_on(serve: Serve, reason: str) -> None:
    def change(event: Any) -> None:
        if event["type"] == "message_delta":
            event["delta"]["stop_reason"] = reason

    async with serve(Changed(all_edited(change))) as (_, claude):
        assert (await claude.attempt(body(), Heard())).stop_reason == reason


def _begun_twice(events: list[bytes]) -> list[bytes]:
    return [*events[:2], *events[1:]]


def _without(name: str) -> Callable[[list[bytes]], list[bytes]]:
    def change(event: Any) -> None:
        if event["type"] == "content_block_start":
            del event["content_block"][name]

    return all_edited(change)


def _same_ids(events: list[bytes]) -> list[bytes]:
    def change(event: Any) -> None:
        if event["type"] == "content_block_start":
            event["content_block"]["id"] = "toolu_1"

    return [edited(event, change) for event in events]


CALL = tool_use("bash", {"command": "ls"})
CALLS = ScriptedReply((CALL, tool_use("bash", {"command": "pwd"})))


@pytest.mark.parametrize(
    ("change", "reply"),
    [
        (_begun_twice, says("Hello.")),
        (_begun_twice, ScriptedReply((CALL,))),
        (_without("type"), says("Hello.")),
        (_without("id"), ScriptedReply((CALL,))),
        (_without("name"), ScriptedReply((CALL,))),
        (_same_ids, CALLS),
    ],
)
async def test_blocks_that_cannot_be_acted_on_are_no_reply(
    serve: Serve, change: Callable[[list[bytes]], list[bytes]], reply: ScriptedReply
) -> None:
    async with serve(Changed(change, reply)) as (_, claude):
        failed = await refused(claude)
    assert type(failed.error) is ClaudeUnavailable
    assert failed.repeatable


def _used(**counts: Any) -> Callable[[list[bytes]], list[bytes]]:
    def change(event: Any) -> None:
        of = event["message"] if event["type"] == "message_start" else event
        if "usage" in of:
            of["usage"] = dict.fromkeys(of["usage"], counts["all"])

    return all_edited(change)


def unused(event: Any) -> None:
    event.get("message", event).pop("usage", None)


ODD_COUNTS: tuple[Any, ...] = (-5, None, 1e30, [1], {})
NO_COUNTS = [all_edited(unused), *(_used(all=value) for value in ODD_COUNTS)]


@pytest.mark.parametrize("change", NO_COUNTS)
async def test_what_is_no_count_is_none(
    serve: Serve, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    async with serve(Changed(change)) as (_, claude):
        heard = Heard()
        reply = await claude.attempt(body(), heard)
    assert reply.content == [text("Hello.")]
    assert (reply.usage, heard.usage) == (Usage(), Usage())


async def test_a_reply_that_does_not_say_what_it_used_is_reckoned(
    serve: Serve, bench: Bench
) -> None:
    """Else no budget would ever be spent at such an endpoint."""
    judged = ScriptedReply((tool_use("judge", {"verdict": "good", "why": "It adds."}),))
    async with serve(Changed(all_edited(unused), judged)) as (_, claude):
        end = await bench.run(claude)
        before = bench.ears.of("usage")
        await bench.run(claude)
    assert end.answer
    (told,) = before
    assert told["reckoned"]
    assert told["output_tokens"] >= 20
    assert told["cache_creation_input_tokens"] > 100
    assert end.spend.cost_usd == told["costUsd"] > 0
    assert bench.ears.of("usage")[-1]["costUsd"] == told["costUsd"]


def _dates() -> Iterator[tuple[dict[str, str], float | None]]:
    now = time.time()
    later, own = (
        time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
        for at in (now + 86_400 + 30, now + 86_400)
    )
    yield {"retry-after": later, "date": own}, 30.0  # this machine's clock is a day behind
    yield {"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, None
    yield {"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT", "date": own}, None
    yield {"retry-after": own, "date": later}, 0.0
    yield {"retry-after": "1000000000"}, 1e9
    yield {"retry-after": "nan"}, 0.0


def test_a_date_to_wait_for_is_held_against_the_answers_own() -> None:
    for headers, wait in _dates():
        assert read_retry_after(headers) == wait
