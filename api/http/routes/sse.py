"""What goes on happening as server-sent events: the events of a run, the runs as they change."""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

_GRACE_S: Final = 2.0
Frame = partial(ServerSentEvent, sep="\n")
"""Lines as shells and simple readers split them."""
T = TypeVar("T")


@dataclass(frozen=True)
class StreamTimes:
    """Seconds between comments, for one send, and of a whole stream (None: until its end)."""

    heartbeat: float = 15.0
    send: float = 30.0
    whole: float | None = None


class Frames(ABC, Generic[T]):
    """What a stream says of its items; it knows how far it has come."""

    what: str
    """What is streamed, for the log."""
    ended = False
    """Whether nothing can come after the item that was framed last."""

    @abstractmethod
    def frame(self, item: T) -> ServerSentEvent: ...

    @abstractmethod
    def end_data(self) -> dict[str, Any]:
        """How to go on, where the end is the server's and not that of what is streamed."""


class FrameStream(EventSourceResponse, Generic[T]):
    """The items, until they end or the server must end the stream."""

    def __init__(self, items: AsyncIterator[T], frames: Frames[T], times: StreamTimes) -> None:
        ending = anyio.Event()
        super().__init__(
            _stream(items, frames, ending, times.whole),
            ping=times.heartbeat,
            ping_message_factory=lambda: Frame(comment="keep-alive"),
            send_timeout=times.send,
            shutdown_event=ending,
            shutdown_grace_period=_GRACE_S,
        )
        self._what = frames.what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a reader of %s was too slow and was dropped", self._what)


async def _stream(
    items: AsyncIterator[T], frames: Frames[T], ending: anyio.Event, whole_s: float | None
) -> AsyncIterator[ServerSentEvent]:
    """One frame an item; `stream.end` where the end is the server's."""
    loop = asyncio.get_running_loop()
    until = None if whole_s is None else loop.time() + whole_s
    ended = asyncio.ensure_future(ending.wait())
    upcoming = asyncio.ensure_future(anext(items, None))
    frames.ended = True  # of what is over already there is nothing
    try:
        while await _wait_for_item(upcoming, ended, until):
            if (item := upcoming.result()) is None:
                if frames.ended:
                    return
                break
            upcoming = asyncio.ensure_future(anext(items, None))
            yield frames.frame(item)
    except CodingAgentError:
        log.exception("the stream of %s broke", frames.what)
    finally:
        await _cancel_all(ended, upcoming)
        if isinstance(items, AsyncGenerator):
            await items.aclose()
    data = json.dumps(frames.end_data(), separators=(",", ":"))
    yield Frame(data, event="stream.end")


async def _wait_for_item(
    upcoming: "asyncio.Future[T | None]", ended: "asyncio.Future[None]", until: float | None
) -> bool:
    """Wait for the next item: False where the stream must end before it."""
    left = None if until is None else max(0.0, until - asyncio.get_running_loop().time())
    await asyncio.wait((upcoming, ended), timeout=left, return_when=asyncio.FIRST_COMPLETED)
    return upcoming.done() and not ended.done()


async def _cancel_all(*waiting: "asyncio.Future[Any]") -> None:
    """End what is waited for no longer."""
    for future in waiting:
        future.cancel()
    await asyncio.wait(waiting)
    for future in waiting:
        if not future.cancelled():
            future.exception()  # seen, so that it is not logged as lost
