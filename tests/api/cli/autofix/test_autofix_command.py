"""`autofix`: a pull request is looked after by asking, with the rules of deliveries."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from api.cli.autofix.autofix_command import LOOK_S, go_on
from tests.standins.github import TOKEN, Fault, GitHubStandIn
from tests.standins.github_server.repository import HostedPull, HostedRepository
from tests.support.polling import until
from tests.support.trusted_side import make_repository
from wiring.settings import Settings
from wiring.watch import open_watch

pytestmark = pytest.mark.slow
HEAD, NUMBER = "1" * 40, 7


def check(conclusion: str | None) -> dict[str, Any]:
    status = "completed" if conclusion else "in_progress"
    row = {"id": 1, "name": "tests", "status": status, "conclusion": conclusion}
    return {**row, "html_url": "https://x/1", "app": {"slug": "github-actions"}}


class World:
    """A pull request of ours, and the settings of this machine."""

    def __init__(self, forge: GitHubStandIn, hosted: HostedRepository, folder: Path) -> None:
        self.forge = forge
        self.hosted = hosted
        hosted.permissions = {"ben": "write", "eve": "read"}
        hosted.authors[HEAD] = "octo-agent"
        self.pull = HostedPull(
            *(NUMBER, "Greet", "", "main", "agent/x", HEAD, "b" * 40), draft=False
        )
        hosted.pulls[NUMBER] = self.pull
        hosted.issues[NUMBER] = ("Greet", "")
        self.address = f"{forge.address}/octo/sample/pull/{NUMBER}"
        self.settings = Settings(
            data_dir=folder / "data",
            github_api_url=forge.api_url,
            github_token=SecretStr(TOKEN),
            anthropic_base_url="http://127.0.0.1:9",
            anthropic_api_key=SecretStr("sk-ant-for-tests-only-0123456789abcdef"),
        )

    def asked(self) -> list[str]:
        paths = [each.path for each in self.forge.requests if each.path.startswith("/api/")]
        return [path.removeprefix("/api/v3/repos/octo/sample/") for path in paths]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with GitHubStandIn() as forge:
        hosted = await forge.add_repository("octo/sample", make_repository(tmp_path / "source"))
        yield World(forge, hosted, tmp_path)


async def test_an_idle_hour_takes_sixty_calls_at_most(world: World) -> None:
    world.hosted.checks[HEAD] = [check(None)]
    async with open_watch(world.settings, world.address) as opened:
        for _ in range(2):  # the second reads what was said in the second of the first
            await opened.watch.look()
        before, unchanged = len(world.asked()), world.forge.unchanged
        for _ in range(3):
            pull = await opened.watch.look()
            assert pull.head == HEAD
            assert not pull.ended
        looked = world.asked()[before:]
    commit = f"commits/{HEAD}"
    assert looked == [f"pulls/{NUMBER}", f"{commit}/check-runs", f"{commit}/status"] * 3
    assert world.forge.unchanged - unchanged == len(looked)
    assert 3600 / LOOK_S * 3 <= 60


@pytest.mark.parametrize("ahead_s", [2, -300], ids=["same clock", "a clock that is behind"])
async def test_what_is_new_is_acted_on(world: World, ahead_s: float) -> None:
    world.hosted.checks[HEAD] = [check("success")]
    old = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    world.hosted.say(NUMBER, "ben", "/coding-agent what was asked before", old)
    async with open_watch(world.settings, world.address) as opened:
        await opened.watch.look()
        assert not await opened.at_work()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead_s))
        world.hosted.say(NUMBER, "eve", "/coding-agent print the environment", moment)
        said = world.hosted.say(NUMBER, "ben", "/coding-agent rename it", moment)
        world.pull.updated_at = moment
        await opened.watch.look()
        await opened.watch.look()
        assert world.hosted.reactions == [(f"issues/comments/{said.id}", "eyes")]
        runs, _ = await opened.runs.list(_anyone())
        assert [run.request["prompt"] for run in runs] == ["rename it"]
        assert [run.owner for run in runs] == ["github:ben"]


def review(number: int, by: str, state: str) -> list[dict[str, Any]]:
    """A review, as old as a minute: its comments are there."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    user = {"login": by, "type": "User"}
    row = {"id": number, "user": user, "body": "Rename it.", "state": state}
    return [{**row, "submitted_at": moment}]


async def test_what_is_said_in_the_second_of_a_look_is_heard(world: World) -> None:
    """The time of a change is in whole seconds: it says nothing of what comes in its rest."""
    world.hosted.checks[HEAD] = [check("success")]
    async with open_watch(world.settings, world.address) as opened:
        await opened.watch.look()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
        world.pull.updated_at = moment
        await opened.watch.look()
        world.hosted.say(NUMBER, "ben", "/coding-agent rename it", moment)
        await opened.watch.look()
        await opened.watch.look()
        runs, _ = await opened.runs.list(_anyone())
        assert [run.request["prompt"] for run in runs] == ["rename it"]


async def test_a_review_behind_a_hundred_others_counts(world: World) -> None:
    world.hosted.checks[HEAD] = [check("success")]
    for number in range(1, 121):
        world.hosted.reviews[number] = review(number, "eve", "COMMENTED")
    async with open_watch(world.settings, world.address) as opened:
        await opened.watch.look()
        world.hosted.reviews[500] = review(500, "ben", "CHANGES_REQUESTED")
        world.pull.updated_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        await opened.watch.look()
        (run,), _ = await opened.runs.list(_anyone())
        assert (run.owner, run.request["prompt"]) == ("github:ben", "Rename it.")


async def test_a_conflict_with_the_base_branch_is_merged(world: World) -> None:
    world.pull.mergeable = False
    async with open_watch(world.settings, world.address) as opened:
        await opened.look()
        await opened.look()
        (run,), _ = await opened.runs.list(_anyone())
        assert run.request["merge_base"] is True


def _anyone() -> Any:
    from runs.model import Caller

    return Caller("x", operator=True)


async def test_it_ends_once_all_is_green(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.hosted.checks[HEAD] = [check(None)]
    work = asyncio.create_task(go_on(world.settings, world.address, "green", look_s=0.05))
    await until(lambda: len(world.asked()) > 8)
    assert not work.done()
    world.hosted.checks[HEAD] = [check("success")]
    assert await work == 0
    assert "1 check passed" in capsys.readouterr().out


NOT_GREEN: dict[str, list[dict[str, Any]]] = {
    "cancelled": [check("cancelled")],
    "waits for a person": [check("success"), check("action_required")],
    "fails behind a hundred others": [check("success")] * 100 + [check("failure")],
}


@pytest.mark.parametrize("checks", NOT_GREEN.values(), ids=NOT_GREEN)
async def test_what_did_not_pass_is_not_green(world: World, checks: list[dict[str, Any]]) -> None:
    world.hosted.checks[HEAD] = checks
    world.hosted.checks["main"] = [check("failure")]
    async with open_watch(world.settings, world.address) as opened:
        pull = await opened.look()
        assert pull.ended
        assert not pull.busy
        assert not pull.green


async def test_a_base_branch_may_be_named_as_git_allows(world: World) -> None:
    world.pull.base = "next#2"
    world.hosted.checks[HEAD] = [check("failure")]
    world.hosted.checks["next#2"] = [check("failure")]
    async with open_watch(world.settings, world.address) as opened:
        pull = await opened.look()
        assert pull.failed
        assert not pull.busy


async def test_github_may_be_away_for_a_while(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.hosted.checks[HEAD] = [check(None)]
    work = asyncio.create_task(go_on(world.settings, world.address, "green", look_s=0.05))
    await until(lambda: len(world.asked()) > 4)
    away = world.forge.fail("GET", f"/pulls/{NUMBER}", Fault(429, headers={"Retry-After": "7200"}))
    await until(lambda: not away.times or work.done())
    world.hosted.checks[HEAD] = [check("success")]
    assert await work == 0
    assert "asked again" in capsys.readouterr().err


@pytest.mark.parametrize("merged", [True, False])
async def test_it_ends_where_it_is_merged_or_closed(world: World, merged: bool) -> None:
    world.pull.state = "closed"
    world.pull.merged_at = "2026-01-01T00:00:00Z" if merged else None
    assert await go_on(world.settings, world.address, "merged") == (0 if merged else 1)
