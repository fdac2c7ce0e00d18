"""The client of a server: over real sockets, through every way a stream can break."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.client.remote_runs import RemoteRuns
from api.client.server_error import ServerError
from graph import RetryPolicy
from graph.request.run_request import RunRequest
from graph.values import Approval
from runs.model import RaisedLimits
from tests.standins.servers.one_run_server import (
    Answer,
    Cut,
    Request,
    RunsHttp,
    problem,
)
from tests.standins.servers.run_events import (
    RUN_ID,
    finished,
    numbered,
    started,
    whole_run,
)


def short_pauses(total_s: float = 5.0) -> RetryPolicy:
    return RetryPolicy(attempts=1000, first_s=0.005, longest_s=0.02, total_s=total_s)


@asynccontextmanager
async def connected(
    server: RunsHttp,
    *,
    api_key: str | None = None,
    read_timeout_s: float = 5.0,
    total_s: float = 5.0,
    notices: list[str] | None = None,
) -> AsyncIterator[RemoteRuns]:
    async with (
        server.serving(),
        RemoteRuns.open(
            server.address,
            api_key,
            version="1.0.0",
            notice=(notices if notices is not None else []).append,
            retry_policy=short_pauses(total_s),
            read_timeout_s=read_timeout_s,
        ) as runs,
    ):
        yield runs


async def collected(runs: RemoteRuns) -> list[dict[str, Any]]:
    return [event async for event in runs.events(RUN_ID)]


async def test_events_come_as_the_server_sent_them() -> None:
    server = RunsHttp(RUN_ID, whole_run())
    async with connected(server) as runs:
        assert await collected(runs) == server.log
    assert len(server.streams()) == 1


@pytest.mark.parametrize(
    "cut", [Cut("reset", 3), Cut("close", 4), Cut("half", 5), Cut("end", 2), Cut("reset", 0)]
)
async def test_a_cut_stream_goes_on_without_gap_or_repeat(cut: Cut) -> None:
    server = RunsHttp(RUN_ID, whole_run())
    server.cuts = [cut, Cut("half", 1), cut]
    async with connected(server) as runs:
        events = await collected(runs)
    assert [event["seq"] for event in events] == list(range(1, len(server.log) + 1))
    assert len(server.streams()) == 4
    asked = [request.headers.get("last-event-id") for request in server.streams()]
    assert asked[0] is None
    assert asked[-1] == str(2 * cut.after + 1)


async def test_many_cuts_in_a_row_lose_nothing() -> None:
    server = RunsHttp(RUN_ID, whole_run())
    kinds = ("reset", "close", "half", "end")
    server.cuts = [Cut(kinds[n % 4], n % 3) for n in range(40)]  # type: ignore[arg-type]
    async with connected(server) as runs:
        assert await collected(runs) == server.log


async def test_a_silent_stream_is_taken_up_again() -> None:
    server = RunsHttp(RUN_ID, whole_run())
    server.cuts = [Cut("silence", 3)]
    async with connected(server, read_timeout_s=0.2) as runs:
        assert await collected(runs) == server.log


async def test_live_events_arrive_before_the_end() -> None:
    server = RunsHttp(RUN_ID, numbered([started()]))
    async with connected(server) as runs:
        stream = runs.events(RUN_ID)
        assert (await anext(stream))["type"] == "run.started"
        await server.append({"type": "node.started", "node": "plan", "visit": 1})
        assert (await anext(stream))["node"] == "plan"
        await server.append(finished("succeeded"))
        assert [event["type"] async for event in stream] == ["run.finished"]


async def test_an_end_that_is_not_the_last_event_is_read_past() -> None:
    log = numbered([started(), finished("interrupted")])
    server = RunsHttp(RUN_ID, log)
    server.log += [
        {**numbered([{"type": "run.resumed", "attempt": 2, "reason": "picked_up"}])[0], "seq": 3},
        {**numbered([finished("succeeded")])[0], "seq": 4},
    ]
    server.cuts = [Cut("close", 2)]
    async with connected(server) as runs:
        events = await collected(runs)
    assert [event["seq"] for event in events] == [1, 2, 3, 4]


async def test_a_server_that_leaves_after_the_end_does_not_hide_it() -> None:
    server = RunsHttp(RUN_ID, numbered([started(), finished("succeeded")]))
    server.cuts = [Cut("reset", 2), Cut("status", status=503)]
    async with connected(server) as runs:
        events = await collected(runs)
    assert [event["type"] for event in events] == ["run.started", "run.finished"]


async def test_odd_line_ends_and_letters_survive() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x1cf é 漢字 🙂"
    server = RunsHttp(
        RUN_ID,
        numbered([{"type": "role.text", "role": "coder", "text": text}, finished("succeeded")]),
    )
    async with connected(server) as runs:
        assert (await collected(runs))[0]["text"] == text


async def test_a_busy_server_is_asked_again_after_its_pause() -> None:
    server = RunsHttp(RUN_ID, whole_run())
    server.cuts = [
        Cut("close", 1),
        Cut("status", status=429, retry_after="0"),
        Cut("status", status=503),
        Cut("status", status=500),
    ]
    async with connected(server) as runs:
        assert await collected(runs) == server.log


async def test_patience_has_an_end_and_the_person_hears_of_it() -> None:
    server = RunsHttp(RUN_ID, numbered([started()]))
    server.cuts = [Cut("close", 1), *[Cut("status", status=503, retry_after="1")] * 3]
    notices: list[str] = []
    async with connected(server, total_s=1.5, notices=notices) as runs:
        with pytest.raises(ServerError) as caught:
            await collected(runs)
    assert caught.value.code == "try_later"
    assert notices == ["Lost the server (Try again later.); again in 1 s."]


@pytest.mark.parametrize("status", [401, 403, 404, 422])
async def test_a_refused_stream_is_an_error_at_once(status: int) -> None:
    server = RunsHttp(RUN_ID, whole_run())
    server.cuts = [Cut("status", status=status)]
    async with connected(server) as runs:
        with pytest.raises(ServerError) as caught:
            await collected(runs)
    assert caught.value.status == status
    assert len(server.streams()) == 1


async def test_a_server_that_is_not_there_is_an_error_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with RemoteRuns.open(address, None, version="1", retry_policy=short_pauses()) as runs:
            with pytest.raises(ServerError) as caught:
                await runs.view(RUN_ID)
            assert caught.value.code == "server_unreachable"
            with pytest.raises(ServerError, match="cannot be reached"):
                await collected(runs)


async def test_what_is_no_event_of_a_run_is_left_out() -> None:
    server = RunsHttp(RUN_ID, numbered([started(), finished("succeeded")]))
    server.log.insert(1, {"seq": 2, "type": "from.the.future", "runId": RUN_ID, "time": "x"})
    server.log[2] = {**server.log[2], "seq": 3}
    async with connected(server) as runs:
        kinds = [event["type"] for event in await collected(runs)]
    assert kinds == ["run.started", "from.the.future", "run.finished"]


async def test_a_page_that_is_no_stream_is_refused() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, RemoteRuns.open(address, None, version="1") as runs:
        with pytest.raises(ServerError, match="no event stream"):
            await collected(runs)
        with pytest.raises(ServerError) as caught:
            await runs.view(RUN_ID)
    assert caught.value.code == "unexpected_answer"


async def test_start_sends_the_request_in_the_contracts_names() -> None:
    server = RunsHttp(RUN_ID, [])
    request = RunRequest(
        repo_url="https://github.com/octocat/todo",
        prompt="Do it",
        base_branch="dev",
        validate=["make test"],
        validate_only=True,
        max_cost_usd=1.5,
        max_fix_rounds=0,
        timeout_s=60,
        model=None,
    )
    async with connected(server, api_key="k" * 24) as runs:
        assert await runs.start(request) == RUN_ID
    sent = server.requests[0]
    assert sent.body == {
        "repoUrl": "https://github.com/octocat/todo",
        "prompt": "Do it",
        "baseBranch": "dev",
        "validate": ["make test"],
        "validateOnly": True,
        "maxCostUsd": 1.5,
        "maxFixRounds": 0,
        "timeoutS": 60,
    }
    assert sent.headers["authorization"] == "Bearer " + "k" * 24
    assert sent.headers["prefer"] == "respond-async"
    assert len(sent.headers["idempotency-key"]) == 36


async def test_a_start_whose_answer_is_lost_joins_the_same_run() -> None:
    server = RunsHttp(RUN_ID, [])
    good = server.handlers["POST /code"]
    answers = [
        problem(503, "store_locked", "Busy.", {"Retry-After": "0"}),
        problem(502, "http_502", "Bad gateway."),
    ]

    def late(request: Request) -> Answer:
        return answers.pop(0) if answers else good(request)

    server.handlers["POST /code"] = late
    async with connected(server) as runs:
        assert await runs.start(RunRequest(repo_url="u", prompt="p")) == RUN_ID
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert len(server.requests) == 3
    assert len(keys) == 1


async def test_a_refused_start_is_not_repeated() -> None:
    server = RunsHttp(RUN_ID, [])
    server.handlers["POST /code"] = lambda _: problem(
        422,
        "invalid_request",
        "The request does not fit; see `errors`.",
        errors=[{"pointer": "/repoUrl", "message": "is no address"}],
        hint="Give OWNER/REPO.",
    )
    async with connected(server) as runs:
        with pytest.raises(ServerError) as caught:
            await runs.start(RunRequest(repo_url="u", prompt="p"))
    error = caught.value
    assert (error.code, error.status, error.hint) == ("invalid_request", 422, "Give OWNER/REPO.")
    assert error.message.splitlines()[1] == "/repoUrl is no address"
    assert len(server.requests) == 1


async def test_every_call_goes_where_the_contract_says() -> None:
    server = RunsHttp(RUN_ID, [])
    run = f"/runs/{RUN_ID}"
    ok = {"runId": RUN_ID, "status": "running"}
    server.handlers |= {
        f"GET {run}": lambda _: Answer(200, ok),
        "GET /runs": lambda _: Answer(200, {"runs": [ok], "nextCursor": "c"}),
        f"GET {run}/diff": lambda _: Answer(200, b"\x00diff\xff", {"Content-Type": "text/x-diff"}),
        f"POST {run}/cancel": lambda _: Answer(202, ok),
        f"POST {run}/plan": lambda _: Answer(202, ok),
        f"POST {run}/resume": lambda _: Answer(202, ok),
        f"POST {run}/messages": lambda _: Answer(202, ok),
        f"DELETE {run}": lambda _: Answer(204),
    }
    async with connected(server) as runs:
        assert await runs.view(RUN_ID) == ok
        assert await runs.list(status="failed", repo=None, limit=7) == ([ok], "c")
        assert await runs.diff(RUN_ID) == b"\x00diff\xff"
        await runs.cancel(RUN_ID)
        await runs.answer_plan(
            RUN_ID, Approval(plan_id="plan-1", decision="revise", feedback="smaller")
        )
        await runs.resume(RUN_ID, RaisedLimits(max_cost_usd=9))
        await runs.message(RUN_ID, "hello")
        await runs.delete(RUN_ID)
    bodies = [request.body for request in server.requests if request.method == "POST"]
    assert bodies == [
        None,
        {"planId": "plan-1", "decision": "revise", "feedback": "smaller"},
        {"maxCostUsd": 9},
        {"text": "hello"},
    ]
    assert "GET /runs?status=failed&limit=7" in server.calls()


async def test_no_diff_is_none() -> None:
    server = RunsHttp(RUN_ID, [])
    server.handlers[f"GET /runs/{RUN_ID}/diff"] = lambda _: Answer(204)
    async with connected(server) as runs:
        assert await runs.diff(RUN_ID) is None


async def test_a_run_id_stays_within_its_place_in_the_address() -> None:
    server = RunsHttp(RUN_ID, [])
    async with connected(server) as runs:
        with pytest.raises(ServerError):
            await runs.view("../health?x=1#y")
    assert server.calls() == ["GET /runs/..%2Fhealth%3Fx%3D1%23y"]


async def test_a_key_is_not_sent_on_to_where_a_server_points() -> None:
    server = RunsHttp(RUN_ID, [])
    elsewhere = RunsHttp(RUN_ID, [])
    async with elsewhere.serving(), connected(server, api_key="k" * 24) as runs:
        to = {"Location": f"{elsewhere.address}/runs/{RUN_ID}"}
        server.handlers[f"GET /runs/{RUN_ID}"] = lambda _: Answer(307, None, to)
        with pytest.raises(ServerError) as caught:
            await runs.view(RUN_ID)
    assert "redirects are not followed" in caught.value.hint
    assert elsewhere.requests == []


async def test_a_missing_key_is_hinted_at() -> None:
    server = RunsHttp(RUN_ID, [])
    server.handlers["GET /runs"] = lambda _: problem(401, "unauthorized", "A key is needed.")
    async with connected(server) as runs:
        with pytest.raises(ServerError) as caught:
            await runs.list(status=None, repo=None, limit=1)
    assert "CODING_AGENT_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("HTTP_PROXY", "gopher://127.0.0.1:70"),
        ("NO_PROXY", "fd00::/8,[::1]"),
        ("SSL_CERT_FILE", "/there/is/no/such.pem"),
        ("SSL_CERT_FILE", __file__),
        ("SSLKEYLOGFILE", "/there/is/no/such.log"),
    ],
)
async def test_a_variable_that_no_client_can_be_made_of_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ServerError) as raised:
        async with RemoteRuns.open("http://127.0.0.1:9", None, version="1"):
            pass
    assert variable in raised.value.message
    assert variable in raised.value.hint


async def test_an_answer_that_cannot_be_decoded_blames_the_address() -> None:
    server = RunsHttp(RUN_ID, [])
    server.handlers["GET /runs"] = lambda _: Answer(200, {}, {"Content-Encoding": "gzip"})
    async with connected(server) as runs:
        with pytest.raises(ServerError) as raised:
            await runs.list(status=None, repo=None, limit=1)
    assert "--server" in raised.value.hint
