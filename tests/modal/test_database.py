"""Whole runs on Modal whose records are in a PostgreSQL database instead of Dicts."""

import asyncio
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.modal.deployment import APP, FUNCTIONS, ROOT, Deployment
from tests.modal.test_runs import scrape
from tests.modal_plane.availability import need_containers
from tests.standins.certificate import NAME
from tests.standins.claude import Silence
from tests.standins.postgres_server import PostgresServer, serving
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
from tests.support.whole_runs.issue_label import SECRET
from tests.support.whole_runs.service_client import Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
VARIABLE = "CODING_AGENT_DATABASE_URL"
SCHEMA = "coding_agent"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'records'"


@dataclass
class Place:
    """A deployment, and the server that its records are on."""

    deployment: Deployment
    server: PostgresServer

    def count(self, table: str) -> int:
        ((number,),) = self.server.execute(f"SELECT count(*) FROM {SCHEMA}.{table}", "records")
        return int(number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    need_containers()
    with serving() as server:
        server.stop()
        server.start_on_loopback()
        server.execute("CREATE DATABASE records")
        url = f"postgresql://agent@127.0.0.1:{server.port}/records"
        env = {VARIABLE: url, "CODING_AGENT_GITHUB_WEBHOOK_SECRETS": SECRET}
        async with Deployment.open(env=env) as deployment:
            yield Place(deployment, server)
            assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


async def test_from_a_request_to_a_pull_request_and_to_its_removal(place: Place) -> None:
    """Watched from the start and by one who comes late; counted the same after it is gone."""
    deployment = place.deployment
    repo, silence = await deployment.host(), Silence()
    script: Script = small_change(coder=[shell(MORNING), silence, done()])
    async with deployment.client() as http:
        run = await deployment.start(http, "Say good morning.", repo, script)
        await asyncio.wait_for(silence.begun.wait(), 60)
        late = Run(http, run.run_id, run.prompt).watch()
        ((connections,),) = place.server.execute(CONNECTIONS)
        assert connections <= 4 + 2  # for calls of `api`; its listener, and who drives the run
        await deployment.plane.preempt("coder", hard=True)
        await asyncio.gather(run.ended(), late.ended())
        assert late.events == run.events
        assert run.end["status"] == "succeeded"
        await deployment.check(run)
        assert b"Good morning" in await run.diff()
        kept = await scrape(http)
        assert kept['coding_agent_run_ends_total{status="succeeded"}'] == 1
        cost = sum(usage["costUsd"] for usage in run.of("usage"))
        said = sum(number for name, number in kept.items() if "cost_usd_total" in name)
        assert math.isclose(said, cost)
        assert place.count("checkpoints")
        assert (await http.delete(f"/runs/{run.run_id}")).status_code == 204
        assert (await http.get(f"/runs/{run.run_id}")).status_code == 404
        assert [place.count(table) for table in ("checkpoints", "events", "runs")] == [0, 0, 0]
        removed = await scrape(http)
        gone = 'coding_agent_runs{status="succeeded"}'
        assert (kept.pop(gone), removed.pop(gone)) == (1, 0)
        assert removed == kept


async def test_a_labeled_issue_becomes_a_pull_request(place: Place) -> None:
    await place.deployment.check_labeled_issue()
    assert [place.count(table) for table in ("deliveries", "threads")] == [1, 1]


async def test_only_notes_are_in_dicts_and_no_role_knows_the_address(place: Place) -> None:
    deployment = place.deployment
    dicts = deployment.plane.dicts.by_name
    used = {name for name in dicts if deployment.plane.dicts.named(name).entries}
    assert used <= {"coding-agent-changes"}
    assert not deployment.plane.queues.by_name
    holders = set()
    others = ("triggers", "janitor", "try_claude", "try_github", "list_repositories")
    for name in (*FUNCTIONS, *others):
        secrets = deployment.plane.function(name, APP).definition.secret_ids
        if deployment.plane.secrets.environment(secrets).get(VARIABLE):
            holders.add(name)
    assert holders == {"api", "run", "triggers", "janitor"}
    image = deployment.plane.function("run", APP).definition.image_id
    assert "psycopg[binary]" in " ".join(deployment.plane.images.commands(image))


async def test_a_plan_waits_and_a_message_is_heard(place: Place) -> None:
    deployment = place.deployment
    repo = await deployment.host()
    turns = [shell("sleep 3", MORNING), *(shell(f"sleep 1.{n}") for n in range(6)), done()]
    script = small_change(coder=turns)  # a note of the message is left within some of them
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet once approved.", repo, script, approvePlan=True)
        await run.until("plan.waiting")
        await until(lambda: not deployment.busy("run") and not deployment.sandboxes())
        answer = await run.call("POST", "/plan", planId="plan-1", decision="approve")
        assert answer.status_code == 202
        again = await run.call("POST", "/plan", planId="plan-1", decision="approve")
        assert again.json()["code"] == "run_not_waiting"
        await run.until("tool.started")
        assert (await run.call("POST", "/messages", text="Be polite.")).status_code == 202
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        heard = deployment.cast.asked(run.prompt, "coder")
        assert any("Be polite." in told(each) for each in heard)


async def test_cancel_reaches_into_a_role_and_a_resume_goes_on(place: Place) -> None:
    deployment = place.deployment
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
        deployment.cast.add(run.prompt, {"coder": [done()], "reviewer": [approve()]})
        await run.resume()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"


async def test_a_preempted_run_goes_on_from_its_checkpoint(place: Place) -> None:
    deployment = place.deployment
    repo, coding, reviewing = await deployment.host(), Silence(), Silence()
    script = small_change(coder=[shell(MORNING), coding, done()], reviewer=[reviewing, approve()])
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet without the run.", repo, script)
        await asyncio.wait_for(coding.begun.wait(), 60)
        await deployment.plane.preempt("run", hard=True)
        await asyncio.wait_for(reviewing.begun.wait(), 120)
        await deployment.plane.preempt("run")
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        assert coding.left.is_set()
        assert [event["reason"] for event in run.of("run.resumed")] == ["picked_up"] * 2
        assert [node for node, _ in run.nodes].count("prepare") == 1
        await deployment.plane.fire("janitor", APP)
        assert (await http.get("/ready")).status_code == 200


async def test_a_run_preempted_as_its_change_is_told_has_the_files_of_its_checkpoint(
    place: Place,
) -> None:
    deployment = place.deployment
    repo = await deployment.host()
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet in one piece.", repo, small_change())
        await run.until("change.updated")
        await deployment.plane.preempt("run", hard=True)
        await run.ended()
        assert run.end["status"] == "succeeded", run.end


async def test_a_container_that_begins_while_the_database_is_away_serves_once_it_is_back(
    place: Place,
) -> None:
    deployment, server = place.deployment, place.server
    repo = await deployment.host()
    async with deployment.client() as http:
        server.stop()
        with suppress(KeyError):  # where none has served before
            await deployment.plane.preempt("api", hard=True)
        for path in ("/ready", "/runs", "/figures"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable"), path
        order = {"repoUrl": repo.url, "prompt": "Greet later."}
        assert (await http.post("/code", json=order)).json()["code"] == "store_unavailable"
        assert (await http.get("/health")).status_code == 200
        assert "coding_agent_store_up 0.0" in (await http.get("/metrics")).text
        server.start(f"listen_addresses={NAME}")
        assert (await http.get("/ready")).status_code == 200
        run = await deployment.start(http, "Greet again.", repo, small_change())
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"


async def test_doctor_says_what_to_mend_while_the_database_is_away(place: Place) -> None:
    plane, address = place.deployment.plane, "postgresql://agent@127.0.0.1/records"
    async with place.deployment.client() as http:
        assert (await http.get("/ready")).status_code == 200
    place.server.stop()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "coding_agent", "doctor", "--modal"),
        cwd=ROOT,
        env={**os.environ, **plane.env, "COLUMNS": "200", VARIABLE: address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    (line,) = [line for line in said.splitlines() if line.startswith("✗ store")]
    assert "store_unavailable" in line
    assert f"the database of {VARIABLE}" in said
