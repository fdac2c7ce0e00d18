"""Streams of server-sent events: one connection each, and the pause before the next."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import httpx
from httpx_sse import EventSource, ServerSentEvent

from api.client.http_answers import map_http_errors, problem_of
from api.client.server_error import ServerError
from graph import Pauses

_SERVERS_END: Final = "stream_end"
_TOLD_S: Final = 1.0
"""Shorter pauses are not worth a word."""


async def read_stream(
    client: httpx.AsyncClient, path: str, last_id: str
) -> AsyncGenerator[ServerSentEvent | None, None]:
    """None once the stream is open, then what comes after `last_id` until the server ends it.

    Raises ServerError; also where the server ends the stream before what is streamed has ended.
    """
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    with map_http_errors(client):
        async with client.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                await answer.aread()
                raise problem_of(answer)
            yield None
            if answer.status_code == 204:  # all was read before
                return
            async with aclosing(EventSource(answer).aiter_sse()) as stream:
                async for sent in stream:
                    if sent.event == "stream.end":
                        raise ServerError(_SERVERS_END, "the server ended the stream early")
                    yield sent


async def wait_to_reconnect(
    pauses: Pauses, cause: ServerError, notice: Callable[[str], None]
) -> None:
    """Wait, and say so where that takes long. Raises `cause` once no time is left for it.

    A server that ends each stream after a while, as one on Modal does, is not lost.
    """
    if cause.code == _SERVERS_END:
        pauses.reset()
    pause = pauses.next(cause.retry_after_s)
    if pause is None:
        raise cause
    if pause >= _TOLD_S:
        notice(f"Lost the server ({cause.message}); again in {pause:.0f} s.")
    await asyncio.sleep(pause)
