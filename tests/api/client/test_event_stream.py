"""Streams over many connections: a server that ends each after a while is not lost."""

import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from api.client.remote_runs import RemoteRuns
from api.client.server_error import ServerError
from graph import RetryPolicy
from tests.standins.servers.one_run_server import Answer, Cut, Request, RunsHttp
from tests.standins.servers.run_events import RUN_ID, finished, numbered, started

IMPATIENT = RetryPolicy(attempts=1000, first_s=0.001, longest_s=0.02, total_s=0.05)
"""Less time in all than twenty connections in a row would wait."""
ENDED = b'event: stream.end\ndata: {"after": "c1"}\n\n'


def row(run_id: str, cursor: str) -> bytes:
    data = json.dumps({"runId": run_id, "status": "running"})
    return f"id: {cursor}\nevent: run\ndata: {data}\n\n".encode()


async def test_a_run_that_is_silent_for_many_streams_is_watched_to_its_end() -> None:
    server = RunsHttp(RUN_ID, numbered([started(), finished("succeeded")]))
    server.cuts = [Cut("end", 1), *[Cut("end")] * 20]
    async with (
        server.serving(),
        RemoteRuns.open(server.address, None, version="1", retry_policy=IMPATIENT) as runs,
    ):
        kinds = [event["type"] async for event in runs.events(RUN_ID)]
    assert kinds == ["run.started", "run.finished"]
    assert len(server.streams()) == 22


async def test_streams_that_break_are_given_up() -> None:
    server = RunsHttp(RUN_ID, numbered([started()]))
    server.cuts = [Cut("close", 1), *[Cut("close")] * 20]
    async with (
        server.serving(),
        RemoteRuns.open(server.address, None, version="1", retry_policy=IMPATIENT) as runs,
    ):
        with pytest.raises(ServerError, match="broke"):
            _ = [event async for event in runs.events(RUN_ID)]


async def seen(bodies: list[bytes], count: int) -> tuple[list[dict[str, Any]], list[Request], int]:
    """So many rows of a feed whose connections have these bodies; its requests and beginnings."""
    answers: Iterator[bytes] = iter(bodies)
    server, begun, rows = RunsHttp(RUN_ID, []), 0, []
    kind = {"Content-Type": "text/event-stream"}
    server.handlers["GET /events"] = lambda _: Answer(200, next(answers), kind)

    async def begin() -> None:
        nonlocal begun
        begun += 1

    async with (
        server.serving(),
        RemoteRuns.open(server.address, None, version="1", retry_policy=IMPATIENT) as runs,
        aclosing(runs.changes(begin, lambda _: None)) as changes,
    ):
        async for each in changes:
            rows.append(each)
            if len(rows) == count:
                break
    return rows, server.requests, begun


async def test_a_feed_in_which_nothing_happens_goes_on() -> None:
    rows, requests, begun = await seen([row("a", "c1"), *[ENDED] * 20, row("b", "c2")], 2)
    assert [each["runId"] for each in rows] == ["a", "b"]
    assert begun == 1
    cursors = [request.headers.get("last-event-id") for request in requests]
    assert cursors == [None, *["c1"] * 21]


async def test_a_removed_run_is_a_row_of_its_own() -> None:
    removed = b'id: c2\nevent: run.removed\ndata: {"runId": "a"}\n\n'
    rows, _, _ = await seen([row("a", "c1") + removed], 2)
    assert rows[1] == {"runId": "a", "status": "removed"}
