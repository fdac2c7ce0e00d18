"""The HTTP service over real runs: real store, real graph, scripted roles."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from api.http.guards.auth import Auth
from api.http.routes.response_models import RunView
from graph.files.run_folder import RunFolder
from graph.request.request_rules import RequestRules
from runs.model.day_budget import DayLimits
from tests.standins.servers.http_service import (
    CODE,
    KEYS,
    make_app,
    serving,
)
from tests.standins.services.run_service import House
from tests.standins.services.scripted_services import FAILED, PASSED

pytestmark = pytest.mark.slow

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@asynccontextmanager
async def client_over(
    house: House, *, auth: Auth | None = None, key: str | None = None, **config: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server over the house's data folder."""
    day, call_name = config.pop("day", DayLimits()), config.pop("call_name", lambda: None)
    app = make_app(lambda: house.open(**config), auth=auth, day=day, call_name=call_name)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client,
    ):
        yield client


async def start(client: httpx.AsyncClient, **fields: Any) -> str:
    answer = await client.post("/code", json=CODE | fields, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    return answer.headers["X-Run-Id"]


async def events(
    client: httpx.AsyncClient, run_id: str, *, after: int = 0, until: str = ""
) -> list[ServerSentEvent]:
    """The events of a run, to its end or to the first of type `until`."""
    received = []
    headers = {"Last-Event-ID": str(after)}
    async with (
        asyncio.timeout(60),
        aconnect_sse(client, "GET", f"/runs/{run_id}/events", headers=headers) as source,
    ):
        if source.response.status_code == 204:
            return []
        async for event in source.aiter_sse():
            received.append(event)
            if event.event == until:
                break
    return received


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    view: dict[str, Any] = (await client.get(f"/runs/{run_id}?wait=20")).json()
    return view


async def test_a_run_is_watched_from_its_request_to_its_pull_request(house: House) -> None:
    house.script.validations = [FAILED, PASSED]
    async with client_over(house) as client:
        async with aconnect_sse(client, "POST", "/code", json=CODE) as source:
            run_id = source.response.headers["X-Run-Id"]
            received = [event async for event in source.aiter_sse()]
        assert [event.id for event in received] == [
            str(number) for number in range(1, len(received) + 1)
        ]
        assert received[-1].event == "run.finished"
        assert json.loads(received[-1].data)["status"] == "succeeded"
        for event in received:
            data = json.loads(event.data)
            assert (str(data["seq"]), data["type"], data["runId"]) == (
                event.id,
                event.event,
                run_id,
            )
        view = await ended(client, run_id)
        RunView.model_validate(view)
        assert view["status"] == "succeeded"
        assert [found["status"] for found in view["validations"]] == ["failed", "passed"]
        assert view["roles"]["coder"]["costUsd"] > 0
        assert view["pr"]["branch"]
        listed = (await client.get("/runs?status=succeeded&repo=o/r")).json()["runs"]
        assert [run["runId"] for run in listed] == [run_id]


async def test_a_stream_is_taken_up_at_every_event(house: House) -> None:
    async with client_over(house) as client:
        run_id = await start(client)
        whole = await events(client, run_id)
        for number in range(len(whole) + 1):
            rest = await events(client, run_id, after=number)
            assert [event.id for event in rest] == [event.id for event in whole[number:]]
        assert await events(client, run_id, after=10**9) == []


async def test_a_plan_is_approved(house: House) -> None:
    async with client_over(house) as client:
        run_id = await start(client, approvePlan=True)
        waiting = (await events(client, run_id, until="plan.waiting"))[-1]
        plan_id = json.loads(waiting.data)["planId"]
        assert (await client.get(f"/runs/{run_id}")).json()["status"] == "waiting"
        stale = {"planId": f"{plan_id}-old", "decision": "approve"}
        answer = await client.post(f"/runs/{run_id}/plan", json=stale)
        assert (answer.status_code, answer.json()["code"]) == (409, "plan_changed")
        own = {"summary": "Mine.", "steps": ["one"]}
        approve = {"planId": plan_id, "decision": "approve", "plan": own}
        assert (await client.post(f"/runs/{run_id}/plan", json=approve)).status_code == 202
        view = await ended(client, run_id)
        assert (view["status"], view["plan"]["summary"]) == ("succeeded", "Mine.")
        again = await client.post(f"/runs/{run_id}/plan", json=approve)
        assert (again.status_code, again.json()["code"]) == (409, "run_not_waiting")


async def test_a_call_that_is_begun_again_elsewhere_is_answered_as_its_first_try(
    house: House,
) -> None:
    """The machine was taken away after the work and before the answer."""
    call = "in-0"
    async with client_over(house, call_name=lambda: call) as client:
        run_id = await start(client, approvePlan=True)
        waiting = (await events(client, run_id, until="plan.waiting"))[-1]
        approve = {"planId": json.loads(waiting.data)["planId"], "decision": "approve"}
        house.pace.hold("code")
        call = "in-1"
        for _ in range(2):
            assert (await client.post(f"/runs/{run_id}/plan", json=approve)).status_code == 202
            await house.pace.reached("code")
        call = "in-2"
        assert (await client.post(f"/runs/{run_id}/plan", json=approve)).status_code == 409
        assert (await client.post(f"/runs/{run_id}/cancel")).status_code == 202
        assert (await ended(client, run_id))["status"] == "cancelled"
        house.pace.let_go("code")
        call = "in-3"
        assert (await client.post(f"/runs/{run_id}/resume")).status_code == 202
        assert (await ended(client, run_id))["status"] == "succeeded"
        assert (await client.post(f"/runs/{run_id}/resume")).status_code == 202
        call = "in-4"
        assert (await client.post(f"/runs/{run_id}/resume")).status_code == 409
        told = [event.event for event in await events(client, run_id)]
        assert (told.count("plan.answered"), told.count("run.resumed")) == (1, 1)
        for _ in range(2):
            assert (await client.delete(f"/runs/{run_id}")).status_code == 204
        assert (await client.delete(f"/runs/{run_id}x")).status_code == 404


async def test_a_run_is_cancelled_and_carried_on(house: House) -> None:
    house.pace.hold("code")
    async with client_over(house) as client:
        run_id = await start(client)
        await house.pace.reached("code")
        assert (await client.post(f"/runs/{run_id}/resume")).json()["code"] == "run_active"
        assert (await client.delete(f"/runs/{run_id}")).json()["code"] == "run_active"
        said = await client.post(f"/runs/{run_id}/messages", json={"text": "Hello."})
        assert said.status_code == 202
        assert (await client.post(f"/runs/{run_id}/cancel")).status_code == 202
        view = await ended(client, run_id)
        assert view["status"] == "cancelled"
        assert (await client.post(f"/runs/{run_id}/cancel")).status_code == 200
        house.pace.let_go("code")
        raised = await client.post(f"/runs/{run_id}/resume", json={"maxCostUsd": 50})
        assert (raised.status_code, raised.json()["code"]) == (422, "limit_raised")
        assert raised.json()["errors"][0]["pointer"] == "/maxCostUsd"
        assert (await client.post(f"/runs/{run_id}/resume", json={})).status_code == 202
        view = await ended(client, run_id)
        assert (view["status"], view["attempt"]) == ("succeeded", 2)
        done = await client.post(f"/runs/{run_id}/resume")
        assert (done.status_code, done.json()["code"]) == (409, "run_finished")
        told = [event.event for event in await events(client, run_id)]
        assert told.count("run.finished") == 2
        assert "run.resumed" in told


async def test_the_change_is_served_and_deleted(house: House) -> None:
    async with client_over(house) as client:
        run_id = await start(client)
        await ended(client, run_id)
        assert (await client.get(f"/runs/{run_id}/diff")).status_code == 204
        diff = RunFolder.of(house.folder / "runs", run_id).diff(2)
        diff.parent.mkdir(parents=True, exist_ok=True)
        diff.write_bytes(b"diff --git a/a b/a\n")
        assert (await client.get(f"/runs/{run_id}/diff")).content == b"diff --git a/a b/a\n"
        assert (await client.delete(f"/runs/{run_id}")).status_code == 204
        for path in ("", "/events", "/diff"):
            assert (await client.get(f"/runs/{run_id}{path}")).status_code == 404
        assert (await client.get("/runs")).json() == {"runs": [], "nextCursor": None}
    assert not diff.exists()


async def test_a_repeat_joins_the_run_over_a_restart(house: House) -> None:
    headers = {"Idempotency-Key": "one"}
    async with client_over(house) as client:
        first = await client.post("/code", json=CODE, headers=headers)
    async with client_over(house) as client:
        again = await client.post("/code", json=CODE | {"draft": False}, headers=headers)
        other = await client.post("/code", json=CODE | {"draft": True}, headers=headers)
        assert first.text == again.text
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        await client.delete(first.headers["Location"])
    async with client_over(house) as client:
        for changed, answers in (
            (False, (410, "run_removed")),
            (True, (422, "idempotency_mismatch")),
        ):
            late = await client.post("/code", json=CODE | {"draft": changed}, headers=headers)
            assert (late.status_code, late.json()["code"]) == answers
            assert not {"x-run-id", "location"} & set(late.headers)
        assert (await client.get("/runs")).json()["runs"] == []


async def test_a_run_goes_on_in_the_next_server(house: House) -> None:
    house.pace.hold("code")
    async with client_over(house) as client:
        run_id = await start(client)
        await house.pace.reached("code")
        before = await events(client, run_id, until="usage")
    house.pace.let_go("code")
    async with client_over(house) as client:
        rest = await events(client, run_id, after=int(before[-1].id))
    assert int(rest[0].id) == int(before[-1].id) + 1
    assert json.loads(rest[-1].data)["status"] == "succeeded"


async def test_a_full_queue_says_when_to_come_again(house: House) -> None:
    house.pace.hold("plan")
    async with client_over(house, max_concurrent=1, max_queued=1) as client:
        runs = [await start(client), await start(client)]
        refused = await client.post("/code", json=CODE, headers=ASYNC)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_runs")
        assert int(refused.headers["Retry-After"]) > 0
        house.pace.let_go("plan")
        for run_id in runs:
            assert (await ended(client, run_id))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"maxCostUsd": 6}, "limit_raised", "/maxCostUsd"),
        ({"maxFixRounds": 4}, "limit_raised", "/maxFixRounds"),
        ({"timeoutS": 3601}, "limit_raised", "/timeoutS"),
        ({"model": "other-model"}, "model_not_allowed", "/model"),
        ({"branch": "topic"}, "branch_not_allowed", "/branch"),
        ({"allow": ["large_files"]}, "invalid_request", "/allow"),
    ],
)
async def test_what_the_operator_does_not_allow_is_pointed_at(
    house: House, change: dict[str, Any], code: str, pointer: str
) -> None:
    async with client_over(house, rules=RequestRules(allow=(), models=("m1",))) as client:
        answer = await client.post("/code", json=CODE | change)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert "other-model" not in answer.text
        assert (await client.get("/runs")).json()["runs"] == []


async def test_the_days_money_is_what_the_runs_have_cost(house: House) -> None:
    async with client_over(
        house, auth=Auth(KEYS), key=KEYS[0][1], day=DayLimits(caller_usd=0.02)
    ) as client:
        run = await ended(client, await start(client))
        assert run["costUsd"] == pytest.approx(0.03)
        for _ in range(2):
            refused = await client.post("/code", json=CODE)
            assert (refused.status_code, refused.json()["code"]) == (429, "daily_budget_exhausted")
            await client.delete(f"/runs/{run['runId']}")
        other = {"Authorization": f"Bearer {KEYS[1][1]}", **ASYNC}
        assert (await client.post("/code", json=CODE, headers=other)).status_code == 202


async def test_owners_are_kept_apart(house: House) -> None:
    async with client_over(house, auth=Auth(KEYS, operators=["bob"]), key=KEYS[0][1]) as client:
        run_id = await start(client)
        view = await ended(client, run_id)
        assert view["status"] == "succeeded"
        operator = {"Authorization": f"Bearer {KEYS[1][1]}"}
        assert (await client.get(f"/runs/{run_id}", headers=operator)).json() == view
    async with client_over(house, auth=Auth(KEYS), key=KEYS[1][1]) as client:
        assert (await client.get(f"/runs/{run_id}")).status_code == 404
        assert (await client.get("/runs")).json()["runs"] == []


async def test_readiness_is_the_stores(house: House) -> None:
    async with client_over(house) as client:
        assert (await client.get("/ready")).json() == {"status": "ready"}
