"""A server of one run over real HTTP, whose event streams break as they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Event = dict[str, Any]
Break = Literal["reset", "close", "half", "end", "silence", "status"]


@dataclass(frozen=True)
class Cut:
    """One event stream's fate: how it breaks, after how many events of its own.

    reset: TCP reset. close: the chunked body is never ended. half: the same in mid-event. end: the
    server says `stream.end`. silence: nothing more is sent. status: it answers `status` instead.
    """

    how: Break
    after: int = 0
    status: int = 503
    retry_after: str | None = None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Answer]


class RunsHttp:
    """`log` is the run's events; a stream ends at a `run.finished` that is the log's last."""

    def __init__(self, run_id: str, log: list[Event]) -> None:
        self.run_id = run_id
        self.log = log
        self.cuts: list[Cut] = []
        self.requests: list[Request] = []
        self.handlers: dict[str, Handler] = {
            "POST /code": lambda _: Answer(
                202, {"runId": run_id, "status": "queued"}, {"X-Run-Id": run_id}
            )
        }
        self.held: dict[str, asyncio.Event] = {}
        """Calls that are answered only once their event is set."""
        self.address = ""
        self.watched = asyncio.Event()
        """Somebody has asked for the events."""
        self._grown = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()

    async def append(self, *events: Event) -> None:
        """Add live events; `seq`, `runId` and `time` are set here."""
        async with self._grown:
            for event in events:
                common = {
                    "seq": len(self.log) + 1,
                    "runId": self.run_id,
                    "time": "2026-11-24T10:05:00Z",
                }
                self.log.append({**common, **event})
            self._grown.notify_all()

    def streams(self) -> list[Request]:
        """The requests for events."""
        return [request for request in self.requests if request.path.endswith("/events")]

    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connected(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                self.requests.append(request)
                if held := self.held.get(f"{request.method} {request.path}"):
                    await held.wait()
                if request.path == f"/runs/{self.run_id}/events":
                    await self._stream(request, writer)
                    return
                _write(writer, self._answer(request))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answer(self, request: Request) -> Answer:
        handler = self.handlers.get(f"{request.method} {request.path.partition('?')[0]}")
        return handler(request) if handler else problem(404, "run_not_found", "No such run.")

    async def _stream(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.watched.set()
        cut = self.cuts.pop(0) if self.cuts else None
        if cut and cut.how == "status":
            headers = {"Retry-After": cut.retry_after} if cut.retry_after else {}
            _write(writer, problem(cut.status, "try_later", "Try again later.", headers))
            await writer.drain()
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        _chunk(writer, ": a comment keeps the stream alive\r\n\r\n")
        sent = int(request.headers.get("last-event-id", "0"))
        left = cut.after if cut else -1
        while left:
            event = await self._next(sent)
            if event is None:
                writer.write(b"0\r\n\r\n")
                await writer.drain()
                return
            _chunk(writer, frame(event))
            await writer.drain()
            sent, left = sent + 1, left - 1
        if cut:
            await self._break(cut, sent, writer)

    async def _break(self, cut: Cut, sent: int, writer: asyncio.StreamWriter) -> None:
        if cut.how == "half":
            _chunk(writer, frame(self.log[sent])[:-20])
            await writer.drain()
        elif cut.how == "end":
            data = json.dumps({"runId": self.run_id, "after": sent, "url": "/elsewhere"})
            _chunk(writer, f"event: stream.end\r\ndata: {data}\r\n\r\n")
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        elif cut.how == "reset":
            writer.transport.abort()
        elif cut.how == "silence":
            await asyncio.sleep(30)

    async def _next(self, sent: int) -> Event | None:
        """The event after the `sent` first ones, or None at the end."""
        async with self._grown:
            while len(self.log) <= sent:
                if sent and self.log[-1]["type"] == "run.finished":
                    return None
                await self._grown.wait()
        return self.log[sent]


def frame(event: Event) -> str:
    """An event as sse-starlette writes it."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event['seq']}\r\nevent: {event['type']}\r\ndata: {data}\r\n\r\n"


def problem(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> Answer:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    kind = {"Content-Type": "application/problem+json"}
    return Answer(status, {**body, **more}, {**kind, **(headers or {})})


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in rest if line)
    }
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(raw) if raw else None)


def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    body = answer.body if isinstance(answer.body, bytes) else b""
    if answer.body is not None and not body:
        body = json.dumps(answer.body).encode()
    headers = {
        "Content-Type": "application/json",
        **answer.headers,
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode() + body)


def _chunk(writer: asyncio.StreamWriter, text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
