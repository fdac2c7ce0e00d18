"""Whole runs on Modal, through HTTP: roles in containers of their own, several for the web."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import modal
import pytest
import pytest_asyncio

from runs.shared import VolumeMount, open_modal_backend
from tests.e2e.runs.test_unusable_repositories import EVENING, POLITE
from tests.modal.deployment import APP, OTHER_KEY, Deployment
from tests.modal_plane import connected
from tests.modal_plane.availability import need_containers
from tests.standins.claude import Silence
from tests.support.polling import until
from tests.support.whole_runs.claude_script import (
    MORNING,
    Script,
    approve,
    done,
    plan,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.issue_label import SECRET
from tests.support.whole_runs.service_client import Run
from wiring import Configuration, ModalDeployment
from wiring.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
ROLES = ("planner", "coder", "reviewer")
RUNS = 'coding_agent_runs{status="succeeded"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    need_containers()
    async with Deployment.open(env={"CODING_AGENT_GITHUB_WEBHOOK_SECRETS": SECRET}) as deployment:
        # So few calls a container that those that come while streams are read go to another.
        deployment.plane.function("api", APP).definition.max_concurrent_inputs = 2
        yield deployment
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


async def test_from_a_request_to_a_pull_request(deployment: Deployment) -> None:
    """Watched in three containers: from the start, by one who comes late, by one who goes on.

    The base moves meanwhile: its objects come into the run's folder, and later trees from there.
    """
    repo = await deployment.host()
    script = {**small_change(), "fixer": [shell(EVENING), done()]}
    script["reviewer"] = [approve(), approve()]
    async with deployment.client() as http:
        listed = (await http.get("/session/repositories")).json()["repositories"]
        assert repo.url.split("/", 3)[3] in listed
        assert (await http.get("/auth-test", params={"repoUrl": repo.url})).json() == {
            "claude": "ok",
            "github": "ok",
            "repo": {"read": True, "push": True},
        }
        run = await deployment.start(http, "Say good morning.", repo, script)
        await run.until("plan.ready")
        moved = repo.commit("test_polite.py", POLITE)
        late = Run(http, run.run_id, run.prompt).watch()
        part = Run(http, run.run_id, run.prompt, run.events[:1]).watch()
        await asyncio.gather(run.ended(), late.ended(), part.ended())
        assert late.events == part.events == run.events
        await deployment.check(run)
        assert len(deployment.containers("api")) > 1
        assert run.end["status"] == "succeeded"
        assert run.end["prUrl"] == f"{repo.url}/pull/1"
        assert [name for name in ROLES if not deployment.containers(name)] == []
        assert b"Good evening" in await run.diff()
        check_base(run, repo, moved)
    async with deployment.client(OTHER_KEY) as other:
        assert (await other.get(f"/runs/{run.run_id}")).status_code == 404
        assert (await other.get("/runs")).json()["runs"] == []
    await check_metrics(deployment, run)
    deployment.plane.function("api", APP).definition.max_concurrent_inputs = 2


def check_base(run: Run, repo: Hosted, moved: str) -> None:
    """The pull request is on the base where it is now, and holds there."""
    assert [outcome for name, outcome in run.nodes if name == "publish"] == ["revised", "ok"]
    assert [event.get("baseSha") for event in run.of("change.updated")] == [None, moved, None]
    assert "test_no_morning_is_spoken_of" in run.of("validation.finished")[1]["newFailures"][0]
    assert repo.git("rev-parse", f"{repo.pull.head}^").decode().strip() == moved


async def check_metrics(deployment: Deployment, run: Run) -> None:
    """The same from each container, before and after the run is folded and removed."""
    deployment.plane.function("api", APP).definition.max_concurrent_inputs = 100
    await deployment.plane.scale("api", 2, APP)
    async with deployment.client() as http:
        kept = [await scrape(http) for _ in range(2)]
        assert (await http.delete(f"/runs/{run.run_id}")).status_code == 204
        await deployment.plane.fire("janitor", APP)
        removed = [await scrape(http) for _ in range(2)]
    starts = {each.pop("process_start_time_seconds") for each in (*kept, *removed)}
    assert len(starts) == 2
    assert [each.pop(RUNS) for each in kept] == [1, 1]
    assert [each.pop(RUNS) for each in removed].count(0) > 0  # the other looks once a second
    assert kept[0] == kept[1] == removed[0] == removed[1]
    assert deployment.plane.dicts.named("coding-agent-ended").entries == {}
    assert kept[0]['coding_agent_run_ends_total{status="succeeded"}'] == 1
    cost = sum(usage["costUsd"] for usage in run.of("usage"))
    told = sum(each for name, each in kept[0].items() if "cost_usd_total" in name)
    assert math.isclose(told, cost)


async def scrape(http: httpx.AsyncClient) -> dict[str, float]:
    """What is told of runs; and when the process that tells it began."""
    lines = (await http.get("/metrics")).text.splitlines()
    told = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    own = ("process_", "python_", "coding_agent_readers")
    began = "process_start_time_seconds"
    return {name: float(n) for name, n in told if name == began or not name.startswith(own)}


async def test_a_labeled_issue_becomes_a_pull_request(deployment: Deployment) -> None:
    await deployment.check_labeled_issue()


async def test_two_runs_of_one_repository_and_a_repeated_request(deployment: Deployment) -> None:
    repo = await deployment.host()
    async with deployment.client() as http:
        one = await deployment.start(http, "Greet in the one way.", repo, small_change())
        body = {"repoUrl": repo.url, "prompt": "Greet once."}
        deployment.cast.learn("Greet once.", small_change())
        headers = {"Idempotency-Key": "once", "Prefer": "respond-async"}
        answers = await asyncio.gather(
            *(http.post("/code", json=body, headers=headers) for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {202}
        (once,) = {answer.json()["runId"] for answer in answers}
        changed = await http.post("/code", json={**body, "prompt": "Other."}, headers=headers)
        assert changed.json()["code"] == "idempotency_mismatch"
        for run in (one, Run(http, once, "Greet once.").watch()):
            await run.ended()
            await deployment.check(run)
            assert run.end["status"] == "succeeded"
        assert len(repo.pulls) == 2
        page = (await http.get("/runs", params={"repo": repo.url, "limit": 1})).json()
        rest = await http.get("/runs", params={"repo": repo.url, "cursor": page["nextCursor"]})
        listed = [each["runId"] for each in (*page["runs"], *rest.json()["runs"])]
        assert listed == sorted({one.run_id, once}, reverse=True)


async def test_a_plan_waits_without_a_container_and_a_message_is_heard(
    deployment: Deployment,
) -> None:
    repo = await deployment.host()
    script = small_change(coder=[shell("sleep 3", MORNING), done()])
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet once approved.", repo, script, approvePlan=True)
        await run.until("plan.waiting")
        await until(lambda: not deployment.busy("run") and not deployment.sandboxes())
        wrong = await run.call("POST", "/plan", planId="plan-0", decision="approve")
        assert wrong.json()["code"] == "plan_changed"
        answer = await run.call("POST", "/plan", planId="plan-1", decision="approve")
        assert answer.status_code == 202
        again = await run.call("POST", "/plan", planId="plan-1", decision="approve")
        assert again.json()["code"] == "run_not_waiting"
        await run.until("tool.started")
        assert (await run.call("POST", "/messages", text="Be polite.")).status_code == 202
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        assert "Be polite." in told(deployment.cast.asked(run.prompt, "coder")[1])


async def test_cancel_reaches_into_a_role_and_its_sandbox(deployment: Deployment) -> None:
    repo, silence = await deployment.host(), Silence()
    script: Script = {"planner": [plan()], "coder": [shell(f"({MORNING}); sleep 98 &"), silence]}
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet, but stop.", repo, script)
        await asyncio.wait_for(silence.begun.wait(), 60)
        assert (await run.call("POST", "/cancel")).status_code == 202
        async with asyncio.timeout(60):
            await run.ended()
        assert run.end["status"] == "cancelled"
        await asyncio.wait_for(silence.left.wait(), 60)
        await until(lambda: not deployment.busy("coder") and not deployment.sandboxes())
        assert (await run.call("POST", "/cancel")).status_code == 200
        assert repo.branches == []
        deployment.cast.add(run.prompt, {"coder": [done()], "reviewer": [approve()]})
        await run.resume()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"


async def test_a_run_is_the_same_after_dicts_and_queue_have_expired(
    deployment: Deployment,
) -> None:
    async with deployment.client() as http:
        (newest, *_) = (await http.get("/runs")).json()["runs"]
        run_id = newest["runId"]
        asked = ("", "/events", "/diff")
        before = [(await http.get(f"/runs/{run_id}{path}")).text for path in asked]
        listed = (await http.get("/runs")).json()
        await deployment.delete_setup_image()
        after = [(await http.get(f"/runs/{run_id}{path}")).text for path in asked]
        assert after == before
        assert (await http.get("/runs")).json() == listed
        for _ in range(30):  # a file has the lease of who drove the run last for a while
            deleted = await http.delete(f"/runs/{run_id}")
            if deleted.status_code != 409:
                break
            await asyncio.sleep(1)
        assert deleted.status_code == 204
        assert (await http.get(f"/runs/{run_id}")).status_code == 404
        assert run_id not in {each["runId"] for each in (await http.get("/runs")).json()["runs"]}
        assert not (deployment.volume / "runs" / run_id).exists()


async def test_cancelled_runs_that_waited_leave_nothing_before_the_next(
    deployment: Deployment,
) -> None:
    """Three work; of those that wait some are cancelled, and the next begins after them at once."""
    repo, silences = await deployment.host(), [Silence() for _ in range(3)]
    waiting = deployment.plane.function("run", APP).waiting
    async with deployment.client() as http:
        working = [
            await deployment.start(http, f"Keep slot {n}.", repo, {"planner": [silence]})
            for n, silence in enumerate(silences)
        ]
        for silence in silences:
            await asyncio.wait_for(silence.begun.wait(), 60)
        queued = [await start_async(http, repo, f"Wait as number {n}.") for n in range(4)]
        last = await start_async(http, repo, "Greet after all.")
        deployment.cast.learn("Greet after all.", small_change())
        assert waiting.qsize() == 5
        assert await started(deployment, *queued, last) == [True] * 5
        for run_id in queued:
            assert (await http.post(f"/runs/{run_id}/cancel")).status_code == 202
            assert (await http.get(f"/runs/{run_id}")).json()["status"] == "cancelled"
        assert waiting.qsize() == 5
        assert await started(deployment, *queued, last) == [False] * 4 + [True]
        for run in working:
            assert (await run.call("POST", "/cancel")).status_code == 202
            await run.ended()
        run = await Run(http, last, "Greet after all.").watch().ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        assert waiting.qsize() == 0
        for run_id in queued:
            assert not (deployment.volume / "runs" / run_id).exists(), (
                "a container was begun for it"
            )


async def started(deployment: Deployment, *run_ids: str) -> list[bool]:
    """Whether something is to drive these runs, as the janitor asks before it starts it anew."""
    async with connected(deployment.plane):
        volume = modal.Volume.from_name("coding-agent-workspaces")
        janitor = ModalDeployment(
            Configuration(Settings(), "1"),
            open_modal_backend(volume),
            VolumeMount(volume, Path("/nowhere")),
            {},
        )
        return [await janitor.is_started(run_id) for run_id in run_ids]


async def start_async(http: httpx.AsyncClient, repo: Hosted, prompt: str) -> str:
    body = {"repoUrl": repo.url, "prompt": prompt}
    answer = await http.post("/code", json=body, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["runId"])
