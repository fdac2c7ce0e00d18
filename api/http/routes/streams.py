"""The streams of this service: a run's events, and runs as they change."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

from sse_starlette import ServerSentEvent

from api.http.routes.sse import Frame, Frames, FrameStream, StreamTimes
from graph.errors import InvalidRequest
from runs import FeedItem, RemovedRow
from runs.model import LoggedEvent, encode

_CURSOR: Final = re.compile(r"[0-9a-f]{1,12}")


class RunFrames(Frames[LoggedEvent]):
    """The events after number `after` of one run."""

    def __init__(self, run_id: str, after: int) -> None:
        self.what = f"run {run_id}"
        self._run_id = run_id
        self._after = after

    def frame(self, item: LoggedEvent) -> ServerSentEvent:
        self._after, self.ended = item.seq, item.type == "run.finished"
        return Frame(item.payload, id=str(item.seq), event=item.type)

    def end_data(self) -> dict[str, Any]:
        url = f"/runs/{self._run_id}/events?after={self._after}"
        return {"runId": self._run_id, "after": self._after, "url": url}


class FeedFrames(Frames[FeedItem]):
    """Rows of runs, and ids of removed ones, each with a cursor to go on from."""

    what = "the feed of runs"

    def __init__(self, cursor: str | None) -> None:
        self._cursor = cursor

    def frame(self, item: FeedItem) -> ServerSentEvent:
        self._cursor, self.ended = cursor_at(item.updated_at), False
        if isinstance(item, RemovedRow):
            return Frame(encode({"runId": item.run_id}), id=self._cursor, event="run.removed")
        return Frame(encode(item.row()), id=self._cursor, event="run")

    def end_data(self) -> dict[str, Any]:
        after = f"?after={self._cursor}" if self._cursor else ""
        return {"after": self._cursor, "url": f"/events{after}"}


def run_stream(
    run_id: str, events: AsyncIterator[LoggedEvent], after: int, times: StreamTimes
) -> FrameStream[LoggedEvent]:
    """The events after `after`, until the run ends or the server must end the stream."""
    return FrameStream(events, RunFrames(run_id, after), times)


def feed_stream(
    items: AsyncIterator[FeedItem], cursor: str | None, times: StreamTimes
) -> FrameStream[FeedItem]:
    """Rows as runs change and are removed, until the server must end the stream."""
    return FrameStream(items, FeedFrames(cursor), times)


def cursor_at(seconds: float) -> str:
    """The cursor of a moment (Unix seconds)."""
    return f"{max(0, int(seconds * 1000)):x}"


def moment_of(cursor: str) -> float:
    """The moment (Unix seconds) of a cursor. Raises InvalidRequest."""
    if not _CURSOR.fullmatch(cursor):
        raise InvalidRequest("The cursor is not one that this service gave out.")
    return int(cursor, 16) / 1000
