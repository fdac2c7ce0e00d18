"""A run's events as server-sent events."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from graph.errors import CodingAgentError
from runs.model import LoggedEvent

log = logging.getLogger(__name__)

_GRACE_S: Final = 2.0
_Frame = partial(ServerSentEvent, sep="\n")
"""Lines as shells and simple readers split them."""


@dataclass(frozen=True)
class StreamTimes:
    """Seconds between comments, for one send, and of a whole stream (None: until the run ends)."""

    heartbeat: float = 15.0
    send: float = 30.0
    whole: float | None = None


class RunStream(EventSourceResponse):
    """The events after `after`, until the run ends or the server must end the stream."""

    def __init__(
        self, run_id: str, events: AsyncIterator[LoggedEvent], after: int, times: StreamTimes
    ) -> None:
        ending = anyio.Event()
        super().__init__(
            _frames(run_id, events, after, ending, times.whole),
            ping=times.heartbeat,
            ping_message_factory=lambda: _Frame(comment="keep-alive"),
            send_timeout=times.send,
            shutdown_event=ending,
            shutdown_grace_period=_GRACE_S,
        )
        self._run_id = run_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a reader of run %s was too slow and was dropped", self._run_id)


async def _frames(
    run_id: str,
    events: AsyncIterator[LoggedEvent],
    after: int,
    ending: anyio.Event,
    whole_s: float | None,
) -> AsyncIterator[ServerSentEvent]:
    """One frame an event; `stream.end` where the end is the server's and not the run's.

    `events` end with the run, and when the service closes.
    """
    loop = asyncio.get_running_loop()
    until = None if whole_s is None else loop.time() + whole_s
    ended = asyncio.ensure_future(ending.wait())
    upcoming = asyncio.ensure_future(anext(events, None))
    last = "run.finished"
    try:
        while await _wait_for_event(upcoming, ended, until):
            if (event := upcoming.result()) is None:
                if last == "run.finished":
                    return
                break
            after, last = event.seq, event.type
            upcoming = asyncio.ensure_future(anext(events, None))
            yield _Frame(event.payload, id=str(after), event=event.type)
    except CodingAgentError:
        log.exception("the stream of run %s broke", run_id)
    finally:
        await _cancel_all(ended, upcoming)
        if isinstance(events, AsyncGenerator):
            await events.aclose()
    yield _stream_end(run_id, after)


async def _wait_for_event(
    upcoming: "asyncio.Future[LoggedEvent | None]",
    ended: "asyncio.Future[None]",
    until: float | None,
) -> bool:
    """Wait for the next event: False where the stream must end before it."""
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


def _stream_end(run_id: str, after: int) -> ServerSentEvent:
    data = {"runId": run_id, "after": after, "url": f"/runs/{run_id}/events?after={after}"}
    return _Frame(json.dumps(data, separators=(",", ":")), event="stream.end")
