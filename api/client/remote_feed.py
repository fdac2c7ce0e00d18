"""The rows of a server's runs as they change."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx
from httpx_sse import ServerSentEvent

from api.client.event_stream import read_stream, wait_to_reconnect
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
            cause = ServerError("stream_cut", "the stream broke")
            try:
                async with aclosing(self._connection(opened)) as rows:
                    async for row in rows:
                        self._pauses.reset()
                        yield row
            except ServerError as error:
                if not error.passing or not self._reached:
                    raise
                cause = error
            await wait_to_reconnect(self._pauses, cause, self._notice)

    async def _connection(
        self, opened: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[View, None]:
        async with aclosing(read_stream(self._client, "/events", self._cursor)) as stream:
            async for sent in stream:
                if sent is None:
                    if not self._cursor:
                        await opened()
                    self._reached = True
                elif (row := _row(sent)) is not None:
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
