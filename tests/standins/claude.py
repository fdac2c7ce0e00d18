"""A Claude that says what a test wants, and fails in every way the real one can."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from demo.script.asking_role import submit
from demo.script.reply_stream import Block, sse, text, tool_use
from tests.standins.messages_api.scripted_reply import ScriptedReply, thinking
from tests.standins.messages_api.server import Answer, Exchange, Request

__all__ = [
    "Block",
    "Cut",
    "ErrorEvent",
    "HalfToolInput",
    "Held",
    "HttpError",
    "Malformed",
    "Misplaced",
    "Reset",
    "Script",
    "ScriptedReply",
    "Silence",
    "Slow",
    "answer",
    "calls",
    "says",
    "text",
    "thinking",
    "tool_use",
]


class Script:
    """Answers requests in order; one that is not foreseen is a 400 that ends the test's role."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def __call__(self, _: Request) -> Answer:
        if not self.answers:
            return HttpError(400, "invalid_request_error", "the script has no further reply")
        return self.answers.pop(0)


def says(*texts: str, **options: Any) -> ScriptedReply:
    return ScriptedReply(tuple(text(value) for value in texts), **options)


def answer(**fields: Any) -> ScriptedReply:
    """The call that ends the role whose answer has these fields."""
    return ScriptedReply((submit(**fields),))


def calls(*commands: str) -> ScriptedReply:
    """Calls of the bash tool."""
    return ScriptedReply(tuple(tool_use("bash", {"command": command}) for command in commands))


@dataclass(frozen=True)
class HttpError:
    """An error before any stream."""

    status: int
    kind: str = "api_error"
    message: str = "told by the stand-in"
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, exchange: Exchange) -> None:
        await exchange.error(self.status, self.kind, self.message, self.headers)


_HELLO = ScriptedReply((text("Let me see what this is about. " * 20),))


@dataclass(frozen=True)
class _Broken:
    """A stream that goes wrong after some events."""

    reply: ScriptedReply = _HELLO
    after: int = 3

    async def send(self, exchange: Exchange) -> None:
        await exchange.begin()
        for event in self._first(exchange):
            await exchange.body(event)
        await asyncio.sleep(0.01)
        await self.fail(exchange)

    async def fail(self, exchange: Exchange) -> None:
        """What goes wrong."""

    def _first(self, exchange: Exchange) -> Iterator[bytes]:
        for _, event in zip(range(self.after), self.reply.events(exchange), strict=False):
            yield event


class Cut(_Broken):
    """The body ends as if it were whole, before the message does."""

    async def fail(self, exchange: Exchange) -> None:
        await exchange.end()


class Reset(_Broken):
    """The connection is reset."""

    async def fail(self, exchange: Exchange) -> None:
        exchange.abort()


class Malformed(_Broken):
    """An event whose data is no JSON."""

    async def fail(self, exchange: Exchange) -> None:
        await exchange.body(b'event: content_block_delta\ndata: {"type": "content_bl\n\n')
        await exchange.end()


class Misplaced(_Broken):
    """A piece of a block that never began."""

    async def fail(self, exchange: Exchange) -> None:
        delta = {"type": "text_delta", "text": "?"}
        await exchange.body(sse("content_block_delta", index=9, delta=delta))
        await exchange.end()


@dataclass(frozen=True)
class ErrorEvent(_Broken):
    """An `error` event in mid-stream."""

    kind: str = "overloaded_error"

    async def fail(self, exchange: Exchange) -> None:
        await exchange.body(sse("error", error={"type": self.kind, "message": "Overloaded"}))
        await exchange.end()


@dataclass(frozen=True)
class Silence(_Broken):
    """Nothing more comes; `left` says that the client went away."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def fail(self, exchange: Exchange) -> None:
        self.begun.set()
        await exchange.hung_up()
        self.left.set()


@dataclass(frozen=True)
class Held:
    """An answer that is given once `go_on` is set; `begun` says that it is waited for."""

    answer: Answer
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, exchange: Exchange) -> None:
        self.begun.set()
        await self.go_on.wait()
        await self.answer.send(exchange)


@dataclass(frozen=True)
class Slow:
    """Something comes again and again, but never the end."""

    every_s: float = 0.02

    async def send(self, exchange: Exchange) -> None:
        await exchange.begin()
        for event in _Broken()._first(exchange):
            await exchange.body(event)
        with suppress(ConnectionError):
            while not exchange.writer.is_closing():
                await exchange.body(sse("ping"))
                await asyncio.sleep(self.every_s)


@dataclass(frozen=True)
class HalfToolInput:
    """A tool call cut off by `max_tokens` in the middle of its arguments."""

    call: Block
    keep: int

    async def send(self, exchange: Exchange) -> None:
        reply = ScriptedReply((self.call,), stop_reason="max_tokens")
        events = list(reply.events(exchange))
        half = json.dumps(self.call["input"])[: self.keep]
        delta = {"type": "input_json_delta", "partial_json": half}
        events[2 : len(events) - 3] = [sse("content_block_delta", index=0, delta=delta)]
        await exchange.begin()
        await exchange.body(b"".join(events))
        await exchange.end()
