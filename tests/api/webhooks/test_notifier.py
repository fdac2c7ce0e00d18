"""Notices on their way to real sockets: what is sent, signed, tried again, and given up."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from api.webhooks import SlackEndpoint, StandardEndpoint, WebhookNotifier
from api.webhooks.notice import Notice
from api.webhooks.slack_endpoint import message
from graph.calls.retry_policy import RetryPolicy
from graph.errors import CodingAgentError
from graph.request.run_request import RunRequest
from runs.model.run import Run
from runs.model.run_record import LoggedEvent, RunRecord
from tests.standins.servers.one_run_server import Answer, Request, RunsHttp

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROMPT = "Say <hello> & *goodbye*\nthen more"
REQUEST: RunRequest = {"repo_url": "https://github.com/o/r", "prompt": PROMPT, "max_cost_usd": 5.0}
PR = {"url": "https://github.com/o/r/pull/7", "number": 7, "branch": "agent/x", "draft": True}
QUICK = RetryPolicy(attempts=5, first_s=0.001)


def run_of(status: str = "succeeded", **changes: Any) -> RunRecord:
    run = Run(run_id="r1", owner="ann", request=REQUEST)
    for event in (
        {"type": "validation.finished", "status": "passed"},
        {"type": "review.finished", "verdict": "approve"},
        {"type": "usage", "costUsd": 0.42, "input_tokens": 1},
        {"type": "pr.created", **PR},
    ):
        run = run.after(event, 0.0)
    return replace(run.replace(status=status, last_seq=9).record, **changes)


def event_of(kind: str = "run.finished", seq: int = 9) -> LoggedEvent:
    return LoggedEvent("r1", seq, 1_800_000_000.0, kind, {"type": kind})


@asynccontextmanager
async def told(
    run: RunRecord | None,
    answer: Callable[[Request], Answer] = lambda _: Answer(200),
    *,
    slack: bool = False,
) -> AsyncIterator[tuple[RunsHttp, WebhookNotifier]]:
    """A notifier and the server that it tells; all was told when the block is left."""

    async def find(_: str) -> RunRecord | None:
        return run

    server = RunsHttp("none", [])
    server.handlers["POST /hook"] = answer
    async with server.serving():
        url = SecretStr(f"{server.address}/hook")
        endpoint = SlackEndpoint(url) if slack else StandardEndpoint(url, SecretStr(SECRET))
        notifier = WebhookNotifier([endpoint], find, retry_policy=QUICK, left_s=30)
        async with notifier.running():
            yield server, notifier


async def test_an_end_is_told_signed() -> None:
    async with told(run_of()) as (server, notifier):
        notifier.on_event(event_of("role.text"))
        notifier.on_event(event_of())
    (request,) = server.requests
    assert (request.body["type"], request.body["data"]["pr"]) == ("run.finished", PR)
    assert request.body["data"]["costUsd"] == 0.42
    headers = request.headers
    assert headers["webhook-id"] == "msg_r1_9"
    body = json.dumps(request.body, ensure_ascii=False)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"


@pytest.mark.parametrize(
    ("kind", "status", "seq", "said"),
    [
        ("plan.waiting", "waiting", 9, "run.waiting"),
        ("plan.waiting", "running", 9, None),
        ("run.finished", "budget_exhausted", 9, "run.needs_money"),
        ("run.finished", "failed", 9, "run.finished"),
        ("run.finished", "running", 9, None),
        ("run.finished", "failed", 7, None),
    ],
)
def test_what_is_told(kind: str, status: str, seq: int, said: str | None) -> None:
    notice = Notice.of(event_of(kind, seq), run_of(status))
    assert (notice and notice.kind) == said


async def test_an_endpoint_that_is_away_is_tried_again_under_the_same_id() -> None:
    answers = iter([Answer(503), Answer(429), Answer(200)])
    async with told(run_of(), lambda _: next(answers)) as (server, notifier):
        notifier.on_event(event_of())
    assert [request.headers["webhook-id"] for request in server.requests] == ["msg_r1_9"] * 3


async def test_a_refusal_is_logged_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with told(run_of(), lambda _: Answer(404)) as (server, notifier):
        notifier.on_event(event_of())
        notifier.on_event(event_of())
    assert len(server.requests) == 2
    assert "it answered 404" in caplog.text
    assert "/hook" not in caplog.text


async def test_nobody_waits_for_an_endpoint_that_does_not_answer() -> None:
    never = asyncio.Event()

    async def find(_: str) -> RunRecord:
        await never.wait()
        return run_of()

    endpoint = SlackEndpoint(SecretStr("http://127.0.0.1:9/hook"))
    notifier = WebhookNotifier([endpoint], find, left_s=0.01)
    async with asyncio.timeout(60), notifier.running():
        for _ in range(2000):
            notifier.on_event(event_of())


async def test_slack_gets_cost_proof_and_link_and_no_markup_of_others() -> None:
    async with told(run_of(), slack=True) as (server, notifier):
        notifier.on_event(event_of())
    text = server.requests[0].body["text"]
    assert text.splitlines() == [
        "*Succeeded*  o/r",
        "Say &lt;hello&gt; &amp; *goodbye*",
        "$0.42 of $5.00 · checks passed · review approved",
        "<https://github.com/o/r/pull/7|draft pull request #7> · run r1",
    ]


def test_slack_names_the_page_where_there_is_one() -> None:
    notice = Notice.of(event_of(), run_of(cost_usd=None, reason="not_validated"))
    assert notice
    lines = message(notice, "https://agent.example").splitlines()
    assert lines[0] == "*Succeeded (not_validated)*  o/r"
    assert "cost unknown" in lines[2]
    assert lines[3].endswith("<https://agent.example/#/runs/r1|run>")


async def test_what_nobody_expected_keeps_no_other_notice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found_in_turn = (ValueError("at https://hook.example/secret"), run_of())
    runs: Iterator[RunRecord | ValueError] = iter(found_in_turn)

    async def find(_: str) -> RunRecord:
        found = next(runs)
        if isinstance(found, ValueError):
            raise found
        return found

    server = RunsHttp("none", [])
    server.handlers["POST /hook"] = lambda _: Answer(200)
    async with server.serving():
        endpoint = SlackEndpoint(SecretStr(f"{server.address}/hook"))
        notifier = WebhookNotifier([endpoint], find, retry_policy=QUICK, left_s=30)
        async with notifier.running():
            notifier.on_event(event_of())
            notifier.on_event(event_of())
    assert len(server.requests) == 1
    assert "ValueError" in caplog.text
    assert "hook.example" not in caplog.text


async def test_a_variable_that_no_client_can_be_made_of_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")

    async def find(_: str) -> None: ...

    endpoint = SlackEndpoint(SecretStr("http://127.0.0.1:9/hook"))
    with pytest.raises(CodingAgentError, match="ALL_PROXY"):
        async with WebhookNotifier([endpoint], find).running():
            pass
