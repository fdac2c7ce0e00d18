"""`runs --watch` over a server's feed: a table on a terminal, lines on a pipe."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.standins.servers.one_run_server import Answer, Request, RunsHttp, problem
from tests.standins.servers.run_events import RUN_ID
from tests.support.command.command_process import command, started, terminal
from tests.support.polling import until

pytestmark = pytest.mark.slow
OTHER = "01k9zq4c8e7m2v5x3w1t6b0n9e"


def row(run_id: str, status: str, **more: Any) -> dict[str, Any]:
    told = {
        "runId": run_id,
        "status": status,
        "node": "code",
        "repoUrl": "https://github.com/octocat/todo",
        "prompt": "Add a flag\nand more",
        "costUsd": 0.25,
        "createdAt": "2026-11-30T10:00:00Z",
    }
    return {**told, **more}


class FeedServer(RunsHttp):
    """Each connection to the feed gets the next of `batches`; the last waits for `go_on`."""

    def __init__(self, listed: list[dict[str, Any]], *batches: list[tuple[str, Any]]) -> None:
        super().__init__(RUN_ID, [])
        self.batches = [*batches]
        self.handlers["GET /runs"] = lambda _: Answer(200, {"runs": listed, "nextCursor": None})
        self.handlers["GET /events"] = self._feed

    def _feed(self, _: Request) -> Answer:
        batch = self.batches.pop(0) if self.batches else []
        count = len(self.cursors())
        text = "".join(
            f"id: {count}\r\nevent: {event}\r\ndata: {json.dumps(data)}\r\n\r\n"
            for event, data in batch
        )
        return Answer(200, text.encode() or b": \r\n\r\n", {"Content-Type": "text/event-stream"})

    def cursors(self) -> list[str | None]:
        """What each connection to the feed said that it knew."""
        asked = [request for request in self.requests if request.path == "/events"]
        return [request.headers.get("last-event-id") for request in asked]


async def test_the_table_follows_the_runs_and_rings_where_one_waits(tmp_path: Path) -> None:
    listed = [row(RUN_ID, "running"), row(OTHER, "succeeded")]
    server = FeedServer(listed, [("run", row(RUN_ID, "waiting"))])
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal("runs", "--watch", home=tmp_path, env=env, columns=120) as shown:
            await shown.until("1 waiting · 0 at work · 1 ended")
            assert "running: code" in shown.text
            assert "Add a flag" in shown.text
            assert "and more" not in shown.text
            await until(lambda: len(server.cursors()) > 1)
            shown.type("\x03")
            assert await shown.ended() == 130
    assert shown.raw.count("\x07") == 1
    assert server.cursors()[:2] == [None, "1"]
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")


async def test_on_a_pipe_each_change_is_a_line_of_json(tmp_path: Path) -> None:
    removed = ("run.removed", {"runId": OTHER})
    server = FeedServer(
        [row(OTHER, "failed")],
        [("run", row(RUN_ID, "queued")), ("from.the.future", {}), removed],
        [("run", row(RUN_ID, "running"))],
    )
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        process = await started("runs", "--watch", "--json", home=tmp_path, env=env)
        lines = [json.loads(await process.stdout.readline()) for _ in range(4)]
        process.kill()
        await process.wait()
    assert [(line["runId"], line["status"]) for line in lines] == [
        (OTHER, "failed"),
        (RUN_ID, "queued"),
        (OTHER, "removed"),
        (RUN_ID, "running"),
    ]


async def test_a_server_that_refuses_is_told(tmp_path: Path) -> None:
    server = FeedServer([])
    server.handlers["GET /events"] = lambda _: problem(401, "unauthorized", "No key.")
    async with server.serving(), asyncio.timeout(60):
        env = {"CODING_AGENT_SERVER": server.address}
        ended = await command("runs", "--watch", home=tmp_path, env=env)
    assert ended.code == 1
    assert ended.err.startswith("Error: No key.")


async def test_a_server_is_asked_for_no_more_rows_than_it_lists_at_once(tmp_path: Path) -> None:
    server = FeedServer([row(RUN_ID, "running")])
    async with server.serving(), asyncio.timeout(60):
        env = {"CODING_AGENT_SERVER": server.address}
        process = await started("runs", "--watch", "--limit", "150", home=tmp_path, env=env)
        await process.stdout.readline()
        process.kill()
        await process.wait()
    asked = [call for call in server.calls() if call.startswith("GET /runs?")]
    assert [re.findall(r"limit=(\d+)", call) for call in asked] == [["100"]]
