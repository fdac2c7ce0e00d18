"""A plan that waits: answered, planned again, rejected, left alone over a restart."""

from collections.abc import Sequence

import pytest

from tests.standins.messages_api.server import Answer
from tests.support.whole_runs.claude_script import (
    done,
    plan,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
EVENING = "sed -i 's/Hello/Good evening/' greet.py"


async def waiting(world: World, prompt: str, repo: Hosted, **other: Sequence[Answer]) -> Run:
    """A run that waits for the answer to its plan, and keeps nothing busy meanwhile."""
    run = await world.start(prompt, repo, small_change(**other), approvePlan=True)
    await run.until("plan.waiting")
    view = await run.view()
    assert (view["status"], view["planId"]) == ("waiting", "plan-1")
    await Leftovers(world.data).none_of(run.run_id, "succeeded")
    return run


async def answered(world: World, run: Run, plan_id: str, decision: str, **more: object) -> Run:
    answer = await run.call("POST", "/plan", planId=plan_id, decision=decision, **more)
    assert answer.status_code == 202, answer.text
    return run


async def test_an_approved_plan_is_carried_out(world: World) -> None:
    repo = await world.host()
    run = await waiting(world, "Greet once approved.", repo)
    assert run.one("plan.waiting")["plan"] == run.one("plan.ready")["plan"]
    await (await answered(world, run, "plan-1", "approve")).ended()
    await world.check(run)
    assert run.end["status"] == "succeeded"
    assert run.nodes[:3] == [("prepare", "ok"), ("plan", "ok"), ("approve", "approved")]
    assert repo.pull.draft is False


async def test_the_caller_may_put_another_plan_in_its_place(world: World) -> None:
    repo = await world.host()
    run = await waiting(world, "Greet by my plan.", repo)
    mine = {"summary": "Mine.", "route": "short", "steps": ["Say it politely"], "validate": []}
    await (await answered(world, run, "plan-1", "approve", plan=mine)).ended()
    await world.check(run)
    assert "Say it politely" in told(world.cast.asked(run.prompt, "coder")[0])
    assert (await run.view())["plan"]["steps"] == ["Say it politely"]


async def test_a_revised_plan_waits_again(world: World) -> None:
    repo = await world.host()
    plans = [plan("Say good morning"), plan("Say good evening")]
    coder = [shell(EVENING), done()]
    run = await waiting(world, "Greet as revised.", repo, planner=plans, coder=coder)
    await answered(world, run, "plan-1", "revise", feedback="It is evening.")
    second = await run.until("plan.waiting", count=2)
    assert second["planId"] == "plan-2"
    asked = world.cast.asked(run.prompt, "planner")[1]
    assert "Say good morning" in str(asked["messages"])
    assert "It is evening." in told(asked)

    stale = await run.call("POST", "/plan", planId="plan-1", decision="approve")
    assert (stale.status_code, stale.json()["code"]) == (409, "plan_changed")
    await (await answered(world, run, "plan-2", "approve")).ended()
    await world.check(run)
    assert run.end["status"] == "succeeded"
    assert ("approve", "revised") in run.nodes
    assert "Good evening" in repo.diff(repo.pull.head)


async def test_a_rejected_plan_ends_the_run(world: World) -> None:
    repo = await world.host()
    run = await waiting(world, "Greet or not.", repo, coder=[], reviewer=[])
    await (await answered(world, run, "plan-1", "reject")).ended()
    await world.check(run)
    assert (run.end["status"], run.nodes[-1]) == ("rejected", ("approve", "rejected"))
    assert (repo.branches, repo.pulls) == ([], [])
    again = await run.call("POST", "/plan", planId="plan-1", decision="approve")
    assert (again.status_code, again.json()["code"]) == (409, "run_not_waiting")
    resumed = await run.call("POST", "/resume")
    assert (resumed.status_code, resumed.json()["code"]) == (409, "run_finished")


async def test_a_run_that_does_not_wait_takes_no_answer(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet unasked.", repo, small_change())
    answer = await run.call("POST", "/plan", planId="plan-1", decision="approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_not_waiting")


async def test_a_plan_is_answered_at_another_service() -> None:
    async with World.open() as world:
        repo = await world.host()
        async with world.serving():
            run = await world.start("Greet tomorrow.", repo, small_change(), approvePlan=True)
            await run.until("plan.waiting")
            await run.leave()
        async with world.serving() as service:
            again = service.find(run)
            assert (await again.view())["status"] == "waiting"
            await answered(world, again, "plan-1", "approve")
            await again.watch().ended()
            await world.check(again)
            assert again.end["status"] == "succeeded"
            assert len(world.cast.asked(run.prompt, "planner")) == 1
