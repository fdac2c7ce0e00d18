"""Watching and steering runs: each call, its statuses and its headers."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from graph import FINAL_STATUSES
from graph.errors import ClaudeUnavailable, RepositoryNotFound
from graph.values import Approval, Plan
from tests.standins.servers.http_service import ScriptedProbes, client_of
from tests.standins.services.in_memory_run_service import MemoryService
from tests.support.polling import until

REPO = "https://github.com/o/r"


def assert_names(answer: httpx.Response, run_id: str) -> None:
    assert answer.headers["X-Run-Id"] == run_id
    assert answer.headers["Location"] == f"/runs/{run_id}"


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_run_is_shown() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        answer = await client.get(f"/runs/{run_id}")
    assert answer.status_code == 200
    assert_names(answer, run_id)
    view = answer.json()
    assert set(view) >= {
        *("runId", "status", "node", "repoUrl", "prompt", "plan", "validations", "reviews"),
        *("gate", "usage", "costUsd", "roles", "pr", "error", "createdAt", "updatedAt"),
    }


async def test_odd_run_ids_are_not_there() -> None:
    service = MemoryService()
    service.add()
    async with client_of(service) as client:
        for run_id in ("x", "0" * 25, "0" * 27, "%00" * 26, "A" * 26, "'" * 26):
            for path in ("", "/events", "/diff"):
                assert_refused(await client.get(f"/runs/{run_id}{path}"), 404, "run_not_found")


async def test_waiting_ends_with_the_run_or_the_time() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        start = time.perf_counter()
        early = await client.get(f"/runs/{run_id}?wait=0.1")
        assert early.json()["status"] == "running"
        assert time.perf_counter() - start >= 0.1
        waiting = asyncio.create_task(client.get(f"/runs/{run_id}?wait=60"))
        await asyncio.sleep(0.05)
        service.finish(run_id)
        assert (await waiting).json()["status"] == "succeeded"
        for wait in ("-1", "61", "nan", "inf", "soon", ""):
            refused = await client.get(f"/runs/{run_id}?wait={wait}")
            assert_refused(refused, 422, "invalid_request")
            assert refused.json()["errors"][0]["parameter"] == "wait"


async def test_runs_are_listed_newest_first_in_pages() -> None:
    service = MemoryService()
    ids = [service.add() for _ in range(5)]
    async with client_of(service) as client:
        first = (await client.get("/runs?limit=2")).json()
        second = (await client.get(f"/runs?limit=2&cursor={first['nextCursor']}")).json()
        third = (await client.get(f"/runs?limit=2&cursor={second['nextCursor']}")).json()
    listed = [run["runId"] for page in (first, second, third) for run in page["runs"]]
    assert listed == ids[::-1]
    assert third["nextCursor"] is None
    assert set(first["runs"][0]) >= {"runId", "status", "node", "repoUrl", "prompt", "createdAt"}


async def test_lists_are_narrowed() -> None:
    service = MemoryService()
    done = service.add(status="succeeded")
    other = service.add(repo_url="https://github.com/o/other")
    async with client_of(service) as client:

        async def found(query: str) -> list[str]:
            return [run["runId"] for run in (await client.get(f"/runs?{query}")).json()["runs"]]

        assert await found("status=succeeded") == [done]
        assert await found("repo=o/other") == [other]
        assert await found("status=failed") == []
        for query in ("status=done", "limit=0", "limit=101", "limit=x", "cursor=nothing"):
            assert_refused(await client.get(f"/runs?{query}"), 422, "invalid_request")


async def test_a_change_is_a_file() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        none = await client.get(f"/runs/{run_id}/diff")
        service.runs[run_id].diff = b"diff --git a/\xff b/\xff\n"
        some = await client.get(f"/runs/{run_id}/diff")
    assert (none.status_code, none.content) == (204, b"")
    assert some.content == b"diff --git a/\xff b/\xff\n"
    assert some.headers["Content-Type"] == "text/x-diff"
    assert some.headers["Content-Disposition"] == f'attachment; filename="{run_id}.diff"'
    assert some.headers["X-Content-Type-Options"] == "nosniff"
    for answer in (none, some):
        assert_names(answer, run_id)


async def test_a_run_is_cancelled_once() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        first = await client.post(f"/runs/{run_id}/cancel")
        again = await client.post(f"/runs/{run_id}/cancel", json={})
        service.finish(run_id, "cancelled")
        late = await client.post(f"/runs/{run_id}/cancel")
        done = service.add(status="succeeded")
        refused = await client.post(f"/runs/{done}/cancel")
    assert [first.status_code, again.status_code, late.status_code] == [202, 200, 200]
    assert first.json() == {"runId": run_id, "status": "running"}
    assert late.json()["status"] == "cancelled"
    assert_names(first, run_id)
    assert_refused(refused, 409, "run_finished")
    assert_names(refused, done)


PLAN = {"summary": "Mine.", "steps": ["a"], "files": ["b.py"], "validate": ["make"]}


@pytest.mark.parametrize(
    ("answer", "approval"),
    [
        ({"decision": "approve"}, Approval(decision="approve", plan_id="plan-1")),
        (
            {"decision": "approve", "plan": PLAN},
            Approval(decision="approve", plan_id="plan-1", plan=Plan.model_validate(PLAN)),
        ),
        (
            {"decision": "revise", "feedback": "Smaller."},
            Approval(decision="revise", plan_id="plan-1", feedback="Smaller."),
        ),
        ({"decision": "reject"}, Approval(decision="reject", plan_id="plan-1")),
        (
            {"decision": "reject", "feedback": "No.", "plan": None},
            Approval(decision="reject", plan_id="plan-1", feedback="No."),
        ),
    ],
)
async def test_a_plan_is_answered(answer: dict[str, Any], approval: Approval) -> None:
    service = MemoryService()
    run_id = service.add(status="waiting")
    service.runs[run_id].plan_id = "plan-1"
    async with client_of(service) as client:
        taken = await client.post(f"/runs/{run_id}/plan", json={"planId": "plan-1", **answer})
    assert taken.status_code == 202
    assert_names(taken, run_id)
    assert service.runs[run_id].approvals == [approval]
    assert taken.json() == {"runId": run_id, "status": "running"}


async def test_a_plan_that_cannot_be_answered() -> None:
    service = MemoryService()
    run_id = service.add(status="waiting")
    service.runs[run_id].plan_id = "plan-2"
    running = service.add()
    async with client_of(service) as client:
        approve = {"planId": "plan-1", "decision": "approve"}
        stale = await client.post(f"/runs/{run_id}/plan", json=approve)
        assert_refused(stale, 409, "plan_changed")
        assert "plan-1" not in stale.text
        busy = await client.post(f"/runs/{running}/plan", json=approve)
        assert_refused(busy, 409, "run_not_waiting")
        for change, pointer in (
            ({"decision": "perhaps"}, "/decision"),
            ({"planId": ""}, "/planId"),
            ({"decision": "revise"}, ""),
            ({"decision": "revise", "feedback": " "}, ""),
            ({"decision": "reject", "plan": PLAN}, ""),
            ({"plan": PLAN | {"route": "scenic"}}, "/plan/route"),
            ({"plan": PLAN | {"steps": ["x"] * 51}}, "/plan/steps"),
            ({"plan": PLAN | {"files": ["a\nb"]}}, "/plan/files/0"),
            ({"feedback": "x" * 16_001}, "/feedback"),
        ):
            refused = await client.post(f"/runs/{run_id}/plan", json=approve | change)
            assert_refused(refused, 422, "invalid_request")
            assert refused.json()["errors"][0]["pointer"] == pointer, change
    assert not service.runs[run_id].approvals


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
async def test_a_run_is_carried_on(status: Any) -> None:
    service = MemoryService()
    run_id = service.add(status=status)
    async with client_of(service) as client:
        answer = await client.post(f"/runs/{run_id}/resume", json={"maxCostUsd": 4})
    if status in ("succeeded", "no_changes", "rejected"):
        assert_refused(answer, 409, "run_finished")
        return
    assert answer.status_code == 202
    assert answer.json() == {"runId": run_id, "status": "queued"}
    assert_names(answer, run_id)
    assert service.runs[run_id].record.request["max_cost_usd"] == 4


async def test_resuming_takes_no_body_too() -> None:
    service = MemoryService()
    failed, running = service.add(status="failed"), service.add()
    async with client_of(service) as client:
        active = await client.post(f"/runs/{running}/resume")
        assert_refused(active, 409, "run_active")
        bodies: list[Any] = [{"maxCostUsd": 0}, {"timeoutS": 1.5}, {"prompt": "Else."}, []]
        for body in bodies:
            refused = await client.post(f"/runs/{failed}/resume", json=body)
            assert_refused(refused, 422, "invalid_request")
        assert (await client.post(f"/runs/{failed}/resume")).status_code == 202


async def test_a_run_is_told_something() -> None:
    service = MemoryService()
    running, done = service.add(), service.add(status="succeeded")
    async with client_of(service) as client:
        answer = await client.post(f"/runs/{running}/messages", json={"text": "Hello."})
        assert answer.status_code == 202
        assert_names(answer, running)
        late = await client.post(f"/runs/{done}/messages", json={"text": "Hello."})
        assert_refused(late, 409, "run_finished")
        for text in ("", " ", "x" * 16_001, 5, None):
            refused = await client.post(f"/runs/{running}/messages", json={"text": text})
            assert_refused(refused, 422, "invalid_request")
    assert service.runs[running].messages == ["Hello."]


async def test_a_finished_run_is_deleted() -> None:
    service = MemoryService()
    running, done = service.add(), service.add(status="succeeded")
    async with client_of(service) as client:
        active = await client.delete(f"/runs/{running}")
        assert_refused(active, 409, "run_active")
        gone = await client.delete(f"/runs/{done}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert_refused(await client.get(f"/runs/{done}"), 404, "run_not_found")
        assert_refused(await client.delete(f"/runs/{done}"), 404, "run_not_found")


async def test_credentials_are_tried() -> None:
    probes = ScriptedProbes(github_code="github_unauthorized", rights={REPO: (True, False)})
    async with client_of(MemoryService(), probes=probes) as client:
        without = await client.get("/auth-test")
        answer = await client.get("/auth-test", params={"repoUrl": REPO})
    assert without.json() == {"claude": "ok", "github": "github_unauthorized", "repo": None}
    assert answer.json()["repo"] == {"read": True, "push": False}


async def test_credentials_that_cannot_be_tried_are_a_code() -> None:
    probes = ScriptedProbes(fault=ClaudeUnavailable("secret inside"))
    async with client_of(MemoryService(), probes=probes) as client:
        answer = await client.get("/auth-test", params={"repoUrl": REPO})
    assert answer.json() == {
        "claude": "claude_unavailable",
        "github": "claude_unavailable",
        "repo": {"read": False, "push": False},
    }


async def test_trying_credentials_tells_nothing_of_repositories() -> None:
    hidden, missing = "https://github.com/o/hidden", "https://github.com/o/missing"
    probes = ScriptedProbes(rights={hidden: (True, True)})
    async with client_of(
        MemoryService(), probes=probes, repo_allowed=lambda _, name: name != "o/hidden"
    ) as client:
        answers = [
            (await client.get("/auth-test", params={"repoUrl": url})).json()
            for url in (hidden, missing)
        ]
        assert answers[0] == answers[1]
        assert probes.asked == [missing]
        elsewhere = await client.get("/auth-test", params={"repoUrl": "https://evil.example/o/r"})
        assert_refused(elsewhere, 422, "invalid_repo_url")
        assert probes.asked == [missing]


@pytest.mark.parametrize("name", ["hidden", "missing"])
async def test_the_time_it_takes_tells_nothing_either(name: str) -> None:
    """Each call waits for GitHub twice at once, whatever the repository is."""
    answer = asyncio.Event()

    class Slow(ScriptedProbes):
        async def github(self) -> str:
            self.asked.append("github")
            await answer.wait()
            return "ok"

        async def repository(self, repo_url: str) -> tuple[bool, bool]:
            await self.github()
            raise RepositoryNotFound(f"{repo_url} was not found.")

    probes = Slow()
    async with client_of(
        MemoryService(), probes=probes, repo_allowed=lambda _, full_name: full_name != "o/hidden"
    ) as client:
        params = {"repoUrl": f"https://github.com/o/{name}"}
        asked = asyncio.create_task(client.get("/auth-test", params=params))
        await until(lambda: probes.asked == ["github"] * 2)
        assert not asked.done()
        answer.set()
        assert (await asked).json()["repo"] == {"read": False, "push": False}


async def test_health_and_readiness() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        health = await client.get("/health")
        ready = await client.get("/ready")
        service.unready = "store_locked"
        unready = await client.get("/ready")
    assert health.json() == {"status": "ok", "version": "1.2.3"}
    assert ready.json() == {"status": "ready"}
    assert_refused(unready, 503, "store_locked")


async def test_what_is_for_later_is_not_there() -> None:
    async with client_of(MemoryService()) as client:
        for path in ("/redoc", "/docs/oauth2-redirect"):
            assert_refused(await client.get(path), 404, "not_found")
        assert_refused(await client.post("/webhooks/github", json={}), 404, "not_found")


async def test_earlier_events_are_read_page_by_page() -> None:
    service = MemoryService(max_readers=0)
    run_id = service.add()
    for number in range(1, 6):
        service.emit(run_id, "role.text", role="coder", text=str(number))
    async with client_of(service) as client:

        async def page(query: str) -> list[int]:
            answer = await client.get(f"/runs/{run_id}/events?{query}")
            assert answer.headers["Content-Type"] == "application/json"
            return [event["seq"] for event in answer.json()["events"]]

        assert await page("before=5&last=2") == [3, 4]
        assert await page("before=3&last=2") == [1, 2]
        assert await page("before=1") == []
        assert await page("before=99") == [1, 2, 3, 4, 5]


async def test_odd_places_in_a_log_are_refused() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        for query in ("before=0", "last=0", "last=1001", "before=2&after=1", "last=2&after=1"):
            refused = await client.get(f"/runs/{run_id}/events?{query}")
            assert_refused(refused, 422, "invalid_request")
