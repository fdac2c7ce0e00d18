"""Cancel in each node: answered and done within two seconds, with nothing left and nothing sent."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.standins.claude import Silence
from tests.support.polling import until
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    Script,
    approve,
    done,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
SLEEP = "sleep 97 & sleep 96"
LONG_BEFORE_SLEEP_ENDS_S = 30.0


async def cancelled(world: World, run: Run, node: str) -> None:
    """Cancel the run in `node`, and see that all ends in time."""
    assert (await run.view())["node"] == node
    answer = await run.call("POST", "/cancel")
    assert answer.status_code == 202, answer.text
    await run.ended()
    await Leftovers(world.data).none_of(run.run_id, "cancelled", LONG_BEFORE_SLEEP_ENDS_S)
    await world.check(run, all_told=False)
    assert run.end["status"] == "cancelled"
    again = await run.call("POST", "/cancel")
    assert again.status_code == 200


def unpublished(repo: Hosted) -> bool:
    return (repo.branches, repo.pulls) == ([], [])


@pytest.mark.parametrize("call", ["GET /api/v3/repos/{name}", "POST /{name}.git/git-upload-pack"])
async def test_in_prepare(world: World, call: str) -> None:
    repo = await world.host()
    method, path = call.format(name=repo.repository.full_name).split(" ")
    held = world.forge.hold(method, path)
    run = await world.start(f"Greet, but stop at {method}.", repo, {})
    await until(lambda: held.came)
    await cancelled(world, run, "prepare")
    held.released = True
    await world.resume(run, small_change())
    assert run.end["status"] == "succeeded"


ROLES: dict[str, Callable[[Silence], Script]] = {
    "plan": lambda silence: {"planner": [silence]},
    "code": lambda silence: {"planner": [plan()], "coder": [shell(MORNING), silence]},
    "review": lambda silence: small_change(reviewer=[silence]),
    "fix": lambda silence: {
        "planner": [plan()],
        "coder": [shell(MORNING, BREAK), done()],
        "fixer": [silence],
    },
}
REST: dict[str, Script] = {
    "plan": small_change(),
    "code": {"coder": [done()], "reviewer": [approve()]},
    "review": {"reviewer": [approve()]},
    "fix": {"fixer": [shell(MEND), done()], "reviewer": [approve()]},
}


@pytest.mark.parametrize("node", ROLES)
async def test_while_claude_speaks(world: World, node: str) -> None:
    """The connection is closed, too; a resumed run goes on in the same role call."""
    repo, silence = await world.host(), Silence()
    run = await world.start(f"Greet, but stop in {node}.", repo, ROLES[node](silence))
    await asyncio.wait_for(silence.begun.wait(), 60)
    await cancelled(world, run, node)
    await asyncio.wait_for(silence.left.wait(), 60)
    assert unpublished(repo)
    assert (b"Good morning" in await run.diff()) == (node in ("review", "fix"))

    await world.resume(run, REST[node])
    assert run.end["status"] == "succeeded"
    assert "Good morning" in repo.diff(repo.pull.head)


async def in_command(world: World, run: Run) -> None:
    """Return once the long command runs."""
    left = Leftovers(world.data)
    await until(lambda: any("sleep 97" in line for line in left.processes(run.run_id)))


async def in_coder(world: World, prompt: str, repo: Hosted) -> Run:
    script = small_change(coder=[shell(MORNING, SLEEP)], reviewer=[])
    return await world.start(prompt, repo, script)


async def in_set_up(world: World, prompt: str, repo: Hosted) -> Run:
    return await world.start(prompt, repo, small_change(), setup=[SLEEP])


async def in_check(world: World, prompt: str, repo: Hosted) -> Run:
    return await world.start(prompt, repo, small_change(), validate=[SLEEP], validateOnly=True)


Start = Callable[[World, str, Hosted], Awaitable[Run]]


@pytest.mark.parametrize(
    ("node", "start"), [("code", in_coder), ("code", in_set_up), ("validate", in_check)]
)
async def test_while_a_command_runs(world: World, node: str, start: Start) -> None:
    repo = await world.host()
    run = await start(world, f"Greet, but stop {start.__name__}.", repo)
    await in_command(world, run)
    await run.until("node.started", node=node)  # set-up begins beside the planner
    await cancelled(world, run, node)
    assert unpublished(repo)
    assert (b"Good morning" in await run.diff()) == (node == "validate")


async def test_while_a_plan_waits(world: World) -> None:
    repo = await world.host()
    run = await world.start("Greet, but stop.", repo, small_change(), approvePlan=True)
    await run.until("plan.waiting")
    await cancelled(world, run, "approve")
    answer = await run.call("POST", "/plan", planId="plan-1", decision="approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_not_waiting")


@pytest.mark.parametrize(
    ("call", "after_push"),
    [("/{name}.git/git-receive-pack", False), ("/api/v3/repos/{name}/pulls", True)],
)
async def test_in_publish(world: World, call: str, after_push: bool) -> None:
    """What is in flight may arrive, but nothing follows it; going on makes it one of each."""
    repo = await world.host()
    path = call.format(name=repo.repository.full_name)
    held = world.forge.hold("POST", path, after_push=after_push)
    run = await world.start(f"Greet, but stop before {call[:5]}.", repo, small_change())
    await until(lambda: held.came)
    await cancelled(world, run, "publish")
    sent = len([request for request in world.forge.requests if request.method == "POST"])
    held.released = True
    await asyncio.sleep(0.1)
    assert len([request for request in world.forge.requests if request.method == "POST"]) == sent
    assert b"Good morning" in await run.diff()

    await world.resume(run, {})
    assert run.end["status"] == "succeeded"
    assert repo.branches == [repo.pull.head]
    assert repo.git("rev-list", "--count", f"main..{repo.pull.head}").decode().strip() == "1"


async def test_an_ended_run_cannot_be_cancelled(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet and end.", repo, small_change())
    answer = await run.call("POST", "/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_finished")
