"""A Messages API on 127.0.0.1: real HTTP and real streams, only the replies come from a script."""

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from graph import Usage
from tests.standins.messages_api import context_clearing
from tests.standins.messages_api.prompt_cache import PromptCache
from tests.standins.messages_api.request_rules import Refused, check_request
from tests.standins.messages_api.scripted_reply import ScriptedReply

__all__ = ["Answer", "Exchange", "MessagesServer", "ScriptedReply"]

_MAX_BODY = 32 * 1024 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}

Request = dict[str, Any]


class Answer(Protocol):
    """What is sent for one request: a scripted reply, or in tests a fault."""

    async def send(self, exchange: "Exchange") -> None: ...


ReplyTo = Callable[[Request], Awaitable[Answer]]


@dataclass
class Exchange:
    """One request and the connection its answer goes out on."""

    request: Request
    usage: Usage
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request_id: str = field(default_factory=lambda: f"req_{secrets.token_hex(12)}")
    context_management: dict[str, Any] | None = None
    """What was done to the prompt, as the reply tells it."""

    async def begin(self, content_type: str = "text/event-stream") -> None:
        """Send the head of a 200 whose length is not yet known."""
        headers = {"content-type": content_type, "transfer-encoding": "chunked"}
        self.writer.write(self._head(200, headers))
        await self.writer.drain()

    async def body(self, data: bytes) -> None:
        """Send a piece of the body."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        """Send the end of the body; the connection lives on."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def whole(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Send a JSON answer at once."""
        data = json.dumps(value).encode()
        length = {"content-type": "application/json", "content-length": str(len(data))}
        self.writer.write(self._head(status, length | (headers or {})) + data)
        await self.writer.drain()

    async def error(
        self, status: int, kind: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        """Send an error in the API's form."""
        value = {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": self.request_id,
        }
        await self.whole(status, value, headers)

    async def hung_up(self) -> None:
        """Wait until the client has gone away."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read(1)

    def abort(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()

    def _head(self, status: int, headers: dict[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        headers = {"request-id": self.request_id} | headers
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(frozen=True)
class _Call:
    """One HTTP request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class MessagesServer:
    """Serves POST /v1/messages from `reply`, and what is needed to try a key.

    Any key is accepted where `key` is None; `betas` are those that it knows. `requests` keeps what
    came in, newest last. `clock` is that of its prompt cache; `warms` says whether it takes
    requests for no reply.
    """

    def __init__(
        self,
        reply: ReplyTo,
        *,
        key: str | None = None,
        betas: Collection[str] = (context_clearing.BETA,),
        clock: Callable[[], float] = time.monotonic,
        warms: bool = True,
    ) -> None:
        self._reply = reply
        self._key = key
        self._betas = frozenset(betas)
        self._cache = PromptCache(clock)
        self._warms = warms
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.asked_at: list[float] = []
        """When each of them came, in Unix seconds."""
        self.read_at = 0.0
        """When the newest call had been read, by the performance counter."""
        self.warmings: list[Request] = []
        """Requests for no reply, which only keep a prompt in the cache."""
        self.authorizations: list[str] = []
        self.workspaces: list[str] = []
        """That of every call, taken or not."""
        self.base_url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MAX_BODY)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server:
            self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            # A cancelled handler ends quietly: its only canceller is this server's own end.
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                while call := await _read_call(reader):
                    await self._answer(call, reader, writer)
                    if writer.is_closing():
                        break
        finally:
            self._handlers.discard(task)
            writer.close()

    async def _answer(
        self, call: _Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.read_at = time.perf_counter()
        exchange = Exchange({}, Usage(), reader, writer)
        try:
            self._check_head(call)
            if call.method == "GET":
                return await exchange.whole(200, _MODELS)
            exchange.request = _parse(call)
            if call.path == "/v1/messages/count_tokens":
                return await exchange.whole(200, {"input_tokens": len(call.body) // 4})
            asked = re.split(r",\s*", call.headers.get("anthropic-beta", ""))
            betas = self._betas.intersection(asked)
            check_request(exchange.request, betas)
        except Refused as refused:
            return await exchange.error(refused.status, refused.kind, refused.message)
        if exchange.request["max_tokens"] == 0:
            return await self._warm(exchange)
        self.requests.append(exchange.request)
        self.asked_at.append(time.time())
        answer = await self._reply(exchange.request)
        read, exchange.context_management = context_clearing.cleared(exchange.request)
        exchange.usage = self._cache.bill(read)
        return await answer.send(exchange)

    async def _warm(self, exchange: Exchange) -> None:
        """Bill a request that asks for no reply, and answer in one piece."""
        self.warmings.append(exchange.request)
        if not self._warms:
            return await exchange.error(400, "invalid_request_error", "max_tokens: at least 1")
        read, _ = context_clearing.cleared(exchange.request)
        exchange.usage = self._cache.bill(read)
        return await ScriptedReply((), stop_reason="max_tokens", output_tokens=0).send(exchange)

    def _check_head(self, call: _Call) -> None:
        self.authorizations.append(call.headers.get("authorization", ""))
        self.workspaces.append(call.headers.get("anthropic-workspace-id", ""))
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        key = key or call.headers.get("x-api-key", "")
        if not key or (self._key is not None and key != self._key):
            raise Refused("invalid x-api-key", 401, "authentication_error")
        if "anthropic-version" not in call.headers:
            raise Refused("anthropic-version: header is required")
        known = {("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens")}
        if (call.method, call.path) not in known | {("GET", "/v1/models")}:
            raise Refused("Not Found", 404, "not_found_error")


async def _read_call(reader: asyncio.StreamReader) -> _Call | None:
    """The next request of a connection; None where it ends or is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = await reader.readexactly(min(length, _MAX_BODY + 1))
    return _Call(method, rest.split(" ")[0].split("?")[0], headers, body)


def _parse(call: _Call) -> Request:
    if len(call.body) > _MAX_BODY:
        raise Refused("Request exceeds the maximum size", 413, "request_too_large")
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise Refused("content-type: must be application/json")
    try:
        value = json.loads(call.body)
    except ValueError as error:
        raise Refused(f"The request body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused("The request body must be a JSON object")
    return value


_MODELS = {
    "data": [
        {
            "type": "model",
            "id": "claude-opus-5-5",
            "display_name": "Claude Opus 5.5",
            "created_at": "2026-09-22T00:00:00Z",
            "lifecycle": "active",
        }
    ],
    "has_more": False,
    "first_id": "claude-opus-5-5",
    "last_id": "claude-opus-5-5",
}
