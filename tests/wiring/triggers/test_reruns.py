"""Checks that fail are run once more where that is permitted, before a run is asked to fix them."""

import asyncio
from typing import Any

import pytest

from tests.standins.github import Fault
from tests.support.polling import until
from tests.wiring.triggers.conftest import World, open_world
from tests.wiring.triggers.test_checks import CI, check, ended, open_pull

pytestmark = pytest.mark.slow
HEAD = "1" * 40
RERUN = "/rerun-failed-jobs"


def job(name: str, conclusion: str | None, number: int, run: int = 50) -> dict[str, Any]:
    """One try of a job; another one has another number."""
    url = f"https://x/octo/sample/actions/runs/{run}/job/{number}"
    return check(name, conclusion, number) | {"html_url": url}


async def shown(world: World, suite: int, *checks: dict[str, Any]) -> None:
    """GitHub shows these checks, and tells that a suite has ended."""
    world.hosted.checks[HEAD] = list(checks)
    await ended(world, suite)


async def test_a_flaky_check_costs_no_run(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        await shown(opened, 1, job("tests", "failure", 5), job("lint", "failure", 6))
        assert opened.hosted.reruns == [50], "one run for both of its jobs"
        await shown(opened, 2, job("tests", None, 7), job("lint", "success", 8))
        await shown(opened, 3, job("tests", "success", 7), job("lint", "success", 8))
        assert not await opened.runs()
        assert opened.hosted.reruns == [50]
        assert not opened.ours


async def test_what_fails_again_is_fixed(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        opened.hosted.logs[7] = "1 failed: test_greet\n"
        await shown(opened, 1, job("tests", "failure", 5), job("lint", "failure", 6, run=51))
        await shown(opened, 2, job("tests", "failure", 7), job("lint", "success", 8, run=51))
        (run,) = await opened.runs()
        assert "1 failed: test_greet" in run.request["prompt"]
        assert "lint" not in run.request["prompt"]
        assert opened.hosted.reruns == [50, 51]


async def test_the_same_failure_that_is_still_shown_is_waited_out(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        for suite in range(3):
            await shown(opened, suite, job("tests", "failure", 5))
        assert opened.hosted.reruns == [50]
        assert not await opened.runs()


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_where_it_is_not_permitted_the_fix_comes_at_once(world: World, status: int) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        opened.forge.fail("POST", RERUN, Fault(status))
        await shown(opened, 1, job("tests", "failure", 5))
        assert len(await opened.runs()) == 1


async def test_checks_of_others_are_not_run_again(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        await shown(opened, 1, job("tests", "failure", 5) | {"app": {"slug": "other-ci"}})
        assert opened.hosted.reruns == []
        assert len(await opened.runs()) == 1


async def test_a_kill_while_it_is_asked_for_loses_nothing(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, HEAD)
        held = opened.forge.fail("POST", RERUN, Fault(late_s=3600))
        work = asyncio.create_task(shown(opened, 1, job("tests", "failure", 5)))
        await until(lambda: not held.times)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    world.forge.forgive()
    world.hosted.reruns.clear()
    async with open_world(world.forge, world.hosted, world.house, **CI) as after:
        await after.deliveries.postpone("suite:octo/sample:1:1767225601#7", 0)
        await after.worker.round()
        assert after.hosted.reruns == [50]
        await shown(after, 2, job("tests", "failure", 7))
        assert len(await after.runs()) == 1
        assert after.hosted.reruns == [50]
