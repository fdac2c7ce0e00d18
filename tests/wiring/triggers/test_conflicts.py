"""A base branch that moves: pull requests of ours that conflict then are merged with it, once."""

import asyncio
import time

import pytest

from tests.standins.github import Fault
from tests.standins.github_server.repository import HostedPull
from tests.standins.services.run_service import log_of
from tests.support.polling import until
from tests.wiring.triggers.conftest import OURS, World, open_world

pytestmark = pytest.mark.slow
NUMBER = 7
CONFLICTS = {"autofix": ("conflicts",)}


def open_pull(
    world: World,
    head: str = "1" * 40,
    *,
    mergeable: bool | None = False,
    number: int = NUMBER,
    base: str = "main",
    author: str = OURS,
) -> HostedPull:
    """A pull request of ours; where it can be merged is GitHub's word."""
    pull = HostedPull(
        *(number, "Greet", "", base, "agent/x", head, "b" * 40),
        draft=False,
        author=author,
        mergeable=mergeable,
    )
    world.hosted.pulls[number] = pull
    return pull


async def push(world: World, after: str = "a" * 40, branch: str = "main") -> None:
    """Somebody, here a bot, has pushed to a branch."""
    payload = {
        "ref": f"refs/heads/{branch}",
        "after": after,
        "deleted": False,
        "sender": {"login": "merge-queue[bot]", "type": "Bot"},
        "repository": {"full_name": "octo/sample"},
    }
    await world.deliver("push", payload)
    await work_off(world)


async def work_off(world: World) -> None:
    await world.worker.round()
    for run in await world.runs():
        await log_of(world.service, run.run_id)
    await world.worker.round()


async def test_a_push_to_a_repository_that_nobody_may_use_costs_no_call(world: World) -> None:
    rules = {**CONFLICTS, "allowed": lambda _repo, _name: False}
    async with open_world(world.forge, world.hosted, world.house, **rules) as opened:
        await push(opened)
        assert opened.forge.requests == []
        assert not await opened.deliveries.has_work(time.time())


async def due_again(world: World, after: str = "a" * 40, number: int = NUMBER) -> None:
    """Time passes until what was postponed is due."""
    await world.deliveries.postpone(f"push:octo/sample:{after}:main#{number}", 0)


async def test_what_conflicts_is_merged_once(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        open_pull(opened)
        open_pull(opened, mergeable=True, number=8)
        open_pull(opened, author="ada", number=9)
        open_pull(opened, base="next", number=10)
        await push(opened)
        await push(opened)
        await push(opened, "c" * 40)
        (run,) = await opened.runs()
        assert run.request["pull_request_url"].endswith(f"/octo/sample/pull/{NUMBER}")
        assert run.request["merge_base"] is True
        assert "`main` has moved on" in run.request["prompt"]
        assert (run.owner, run.request["max_cost_usd"]) == (f"github:{OURS}", 5.0)
        assert len(opened.ours) == 1


async def test_what_github_does_not_know_yet_is_asked_again(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        pull = open_pull(opened, mergeable=None)
        await push(opened)
        assert not await opened.runs()
        pull.mergeable = False
        await work_off(opened)
        assert not await opened.runs(), "it is not due yet"
        await due_again(opened)
        await work_off(opened)
        assert len(await opened.runs()) == 1


async def test_a_run_that_is_at_work_is_waited_for(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        pull = open_pull(opened)
        opened.hosted.issues[NUMBER] = ("Greet", "")
        opened.house.pace.hold("code")
        payload = opened.payload("created", "ben")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        said = {"id": 5, "body": "/coding-agent rename it", "created_at": stamp}
        payload["issue"] |= {"number": NUMBER, "pull_request": {"url": "http://x/"}}
        await opened.deliver("issue_comment", {**payload, "comment": said})
        await opened.worker.round()
        await opened.house.pace.reached("code")
        body = {"ref": "refs/heads/main", "after": "a" * 40, "sender": payload["sender"]}
        await opened.deliver("push", {**body, "repository": payload["repository"]})
        await opened.worker.round()
        assert len(await opened.runs()) == 1
        opened.house.pace.let_go("code")
        await work_off(opened)
        pull.head_sha = "2" * 40
        await due_again(opened)
        await work_off(opened)
        asked, merging = await opened.runs()
        assert not asked.request.get("merge_base")
        assert merging.request["merge_base"]
        assert merging.owner == "github:ben"


@pytest.mark.parametrize(
    "autofix", [("ci", "reviews"), ()], ids=["with other settings", "without any"]
)
async def test_without_the_setting_nothing_is_merged(world: World, autofix: tuple[str]) -> None:
    async with open_world(world.forge, world.hosted, world.house, autofix=autofix) as opened:
        open_pull(opened)
        await push(opened)
        await due_again(opened)
        await work_off(opened)
        assert not await opened.runs()
        assert not opened.ours


async def test_three_merges_until_a_person_acts(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        for number in range(5):
            open_pull(opened, f"{number}" * 40)
            await push(opened, f"{number}" * 40)
        assert len(await opened.runs()) == 3
        (said,) = opened.ours
        assert "3 fixes in a row" in said


MOMENTS = {
    "as the pull requests are listed": ("GET", "/pulls"),
    "as one is looked at": ("GET", f"/pulls/{NUMBER}"),
    "as its comment is made": ("POST", f"/issues/{NUMBER}/comments"),
}


@pytest.mark.parametrize(("method", "path"), MOMENTS.values(), ids=MOMENTS)
async def test_a_kill_loses_no_conflict(world: World, method: str, path: str) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        open_pull(opened)
        held = opened.forge.fail(method, path, Fault(late_s=3600))
        work = asyncio.create_task(push(opened))
        await until(lambda: not held.times)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    world.forge.forgive()
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as after:
        await after.deliveries.postpone(f"push:octo/sample:{'a' * 40}:main", 0)
        await due_again(after)
        await work_off(after)
        assert len(await after.runs()) == 1
        assert len(after.ours) == 1


async def test_a_comment_that_fails_merges_nothing_twice(world: World) -> None:
    """The run is there before its comment is."""
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as opened:
        open_pull(opened)
        opened.forge.fail("POST", f"/issues/{NUMBER}/comments", Fault(500, times=99))
        await push(opened)
        assert len(await opened.runs()) == 1
    world.forge.forgive()
    async with open_world(world.forge, world.hosted, world.house, **CONFLICTS) as after:
        await due_again(after)
        await work_off(after)
        assert len(await after.runs()) == 1
        assert len(after.ours) == 1
