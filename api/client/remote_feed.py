"""The rows of a server's runs as they change."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from api.client.http_answers import map_http_errors, problem_of
from api.client.runs_protocol import REMOVED, View
from api.client.server_error import ServerError
from graph import Pauses


class RemoteFeed:
    """`GET /events` over as many connections as it takes; a row may come twice."""

    def __init__(
        self, client: httpx.AsyncClient, pauses: Pauses, notice: Callable[[str], None]
    ) -> None:
        self._client = client
        self._pauses = pauses
        self._notice = notice
        self._cursor = ""
        self._reached = False

    async def follow(self, opened: Callable[[], Awaitable[None]]) -> AsyncGenerator[View, None]:
        """Rows without an end; `opened` is called when the first stream is open."""
        while True:
            cause = ServerError("stream_cut", "the server ended the stream early")
            try:
                async with aclosing(self._connection(opened)) as rows:
                    async for row in rows:
                        self._pauses.reset()
                        yield row
            except ServerError as error:
                if not error.passing or not self._reached:
                    raise
                cause = error
            pause = self._pauses.next(cause.retry_after_s)
            if pause is None:
                raise cause
            self._notice(f"Lost the server ({cause.message}); again in {pause:.0f} s.")
            await asyncio.sleep(pause)

    async def _connection(
        self, opened: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[View, None]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._cursor:
            headers["Last-Event-ID"] = self._cursor
        with map_http_errors(self._client):
            async with self._client.stream("GET", "/events", headers=headers) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise problem_of(answer)
                if not self._cursor:
                    await opened()
                self._reached = True
                async with aclosing(EventSource(answer).aiter_sse()) as stream:
                    async for sent in stream:
                        if sent.event == "stream.end":
                            return
                        if (row := _row(sent)) is not None:
                            self._cursor = sent.id or self._cursor
                            yield row


def _row(sent: ServerSentEvent) -> dict[str, Any] | None:
    """The row of a run in a stream's item; None for signs of life and what is none."""
    try:
        data = json.loads(sent.data) if sent.data else None
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("runId"), str):
        return None
    if sent.event == "run.removed":
        return {"runId": data["runId"], "status": REMOVED}
    return data if sent.event == "run" else None
