"""Modal takes away any machine at any time: the bill and the log say what was done, once."""

import asyncio
import random
from contextlib import suppress
from typing import Final

import httpx
import pytest
from grpclib import Status

from graph.values import FINAL_STATUSES
from tests.modal.deployment import Deployment
from tests.modal.preemptions.checks import HOSTS, check_run, happened
from tests.modal_plane.availability import need_containers
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.steady_claude import ERRING, NEEDY, SteadyClaude

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]
FUNCTIONS: Final = ("api", "run", "setup", "planner", "coder", "fixer", "reviewer")
CALLS: Final = ("DictGet", "DictUpdate", "DictPop", "QueuePut", "VolumeCommit", "VolumeReload")
ROLES: Final = {"planner", "coder", "fixer", "reviewer"}
FINAL: Final = FINAL_STATUSES - {"interrupted"}


@pytest.mark.parametrize("hard", [False, True], ids=["warned", "killed"])
@pytest.mark.parametrize("function", ["coder", "run"])
async def test_one_machine_goes_in_the_middle_of_the_work(function: str, *, hard: bool) -> None:
    """While the coder talks at length, after its first commands."""
    need_containers()
    claude = SteadyClaude()
    async with Deployment.open(reply=claude) as deployment:
        repo = await deployment.host()
        async with deployment.client() as http:
            run = await deployment.start(http, "Greet for sure.", repo, {})
            await happened(run, "tool.finished", 2, ok=True)
            await happened(run, "role.text", len(run.of("role.text")) + 2)
            await deployment.plane.preempt(function, hard=hard)
            await run.ended()
            await check_run(deployment, run, repo, claude, lost=1)


async def test_a_commit_that_modal_reloads_after_is_survived() -> None:
    """Files of the base are open at many of them."""
    need_containers()
    claude = SteadyClaude(pause_s=0.05)
    async with Deployment.open(reply=claude) as deployment:
        deployment.plane.volumes.reload_on_commit = True
        repo = await deployment.host()
        async with deployment.client() as http:
            run = await (await deployment.start(http, "Greet all.", repo, {})).ended()
            await check_run(deployment, run, repo, claude, lost=0)
        assert deployment.plane.faults.seen["VolumeReload"] > 20


@pytest.mark.parametrize("storm", [False, True], ids=["calm", "storm"])
@pytest.mark.parametrize("seed", range(3))
async def test_any_machine_goes_at_any_time(seed: int, *, storm: bool) -> None:
    """Two runs at once, with a fixer, one with a set-up turn; every second or two a machine goes.

    In a storm Sandboxes go too, calls fail or take long, and half-written files are committed.
    """
    need_containers()
    prompts = [f"Greet as number {number}, {ERRING}." for number in range(2)]
    claude, chance = SteadyClaude(needy=prompts[1]), random.Random(seed)
    async with Deployment.open(reply=claude, env=HOSTS) as deployment:
        repos = [await deployment.host(), await deployment.host(NEEDY)]
        async with deployment.client() as http:
            runs = [
                await deployment.start(http, prompt, repo, {})
                for prompt, repo in zip(prompts, repos, strict=True)
            ]
            if storm:
                deployment.plane.volumes.background = 0.5
            gone = await take_machines_away(deployment, chance, storm=storm)
            runs = await asyncio.gather(*(read_to_the_end(run) for run in runs))
            for run, repo in zip(runs, repos, strict=True):
                await check_run(deployment, run, repo, claude, lost=gone)
            assert [paid_roles(run) for run in runs] == [ROLES, ROLES | {"setup"}]


async def take_machines_away(deployment: Deployment, chance: random.Random, *, storm: bool) -> int:
    """One after the other, of functions that work, half of them warned; how many."""
    gone = 0
    for _ in range(14):
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        if storm:
            await trouble(deployment, chance)
        working = [name for name in FUNCTIONS if deployment.containers(name)]
        hard = chance.random() < 0.5
        with suppress(KeyError):  # it has ended by itself
            await deployment.plane.preempt(chance.choice(working), hard=hard)
            gone += 1
    return gone


async def trouble(deployment: Deployment, chance: random.Random) -> None:
    """Lose a Sandbox, or let some calls fail or take long."""
    plane, rpc = deployment.plane, chance.choice(CALLS)
    match chance.randrange(3):
        case 0:
            for name in deployment.sandboxes()[:1]:
                await plane.lose_sandbox(name)
        case 1:
            plane.faults.fail(rpc, Status.UNAVAILABLE, times=chance.randint(1, 6))
        case _:
            plane.faults.delay(rpc, chance.uniform(1.0, 4.0), times=2)


def paid_roles(run: Run) -> set[str]:
    return {event["role"] for event in run.of("usage") if event["replies"]}


async def read_to_the_end(run: Run) -> Run:
    """All events of a run, however often the machine of its reader goes."""
    while not (run.events and run.end["type"] == "run.finished" and run.end["status"] in FINAL):
        with suppress(httpx.HTTPError):
            await run.ended()
        await asyncio.sleep(0.2)
        run = Run(run.http, run.run_id, run.prompt, list(run.events)).watch()
    return run
