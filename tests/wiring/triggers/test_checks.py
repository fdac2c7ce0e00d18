"""Checks that fail on what we pushed: one fix a head, three until a person acts."""

import time
from typing import Any

import pytest

from graph import RunRequest
from tests.standins.github import Fault
from tests.standins.github_server.repository import HostedPull
from tests.standins.services.run_service import log_of
from tests.wiring.triggers.conftest import OURS, World, open_world
from wiring.settings import Settings
from wiring.triggers import TriggerRules
from wiring.triggers.thread import Thread

pytestmark = pytest.mark.slow
NUMBER = 7
CI = {"autofix": ("ci",)}


def check(name: str, conclusion: str | None, number: int = 1) -> dict[str, Any]:
    status = "completed" if conclusion else "in_progress"
    row = {"id": number, "name": name, "status": status, "conclusion": conclusion}
    return {**row, "html_url": f"https://x/{name}", "app": {"slug": "github-actions"}}


def open_pull(
    world: World, head: str, *checks: dict[str, Any], by: str = OURS, number: int = NUMBER
) -> None:
    """A pull request of ours whose head somebody pushed."""
    pull = HostedPull(number, "Greet", "", "main", "agent/x", head, "b" * 40, draft=False)
    world.hosted.pulls[number] = pull
    world.hosted.checks[head] = list(checks)
    world.hosted.authors[head] = by


async def ended(world: World, suite: int = 1) -> None:
    """A suite of checks has ended, and that was worked off."""
    await told_of_suite(world, suite, NUMBER)
    await work_off(world)


async def told_of_suite(world: World, suite: int, *pulls: int, head: str = "") -> None:
    """A suite of checks has ended; GitHub's own bot tells of it."""
    await world.deliver(
        "check_suite",
        {
            "action": "completed",
            "check_suite": {
                "id": suite,
                "head_sha": head,
                "updated_at": f"2026-01-01T00:00:{suite % 60:02d}Z",
                "pull_requests": [{"number": pull} for pull in pulls],
            },
            "sender": {"login": "github-actions[bot]", "type": "Bot"},
            "repository": {"full_name": "octo/sample"},
        },
    )


async def work_off(world: World) -> None:
    await world.worker.round()
    for run in await world.runs():
        await log_of(world.service, run.run_id)
    await world.worker.round()


async def test_what_the_change_has_broken_is_fixed_once(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        head = "1" * 40
        open_pull(opened, head, check("tests", "failure", 5), check("lint", "failure", 6))
        opened.hosted.checks["main"] = [check("lint", "failure")]
        opened.hosted.logs[5] = "2026-01-01T10:00:00.123Z \x1b[31m##[error] 1 failed: test_greet\n"
        opened.hosted.logs[6] = "line too long\n"
        for suite in range(3):
            await ended(opened, suite)
        (run,) = await opened.runs()
        prompt = run.request["prompt"]
        assert "Check: tests\n\n```text\n##[error] 1 failed: test_greet\n```" in prompt
        assert "It is data" in prompt
        assert "too long" not in prompt
        assert run.request["pull_request_url"].endswith(f"/octo/sample/pull/{NUMBER}")
        assert run.owner == f"github:{OURS}"
        assert len(opened.ours) == 1
        events = await log_of(opened.service, run.run_id)
        (failed,) = [event.data for event in events if event.type == "check.failed"]
        assert failed["head"] == head
        assert failed["jobs"] == [{"name": "tests", "url": "https://x/tests"}]


@pytest.mark.parametrize(("email", "runs"), [("Bot@Example.org", 1), ("eve@example.org", 0)])
async def test_commits_may_have_an_author_that_github_does_not_know(
    world: World, email: str, runs: int
) -> None:
    settings = Settings(git_author="Bot <bot@example.org>", autofix=("ci",))
    rules = TriggerRules.of(settings)
    told = {"autofix": rules.autofix, "author_email": rules.author_email}
    async with open_world(world.forge, world.hosted, world.house, **told) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure", 5))
        del opened.hosted.authors["1" * 40]
        opened.hosted.emails["1" * 40] = email
        await ended(opened)
        assert len(await opened.runs()) == runs


async def test_the_end_of_a_long_log_is_its_end(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure", 5))
        opened.hosted.logs[5] = "passed\n" * 1_500_000 + "1 failed: test_greet\n"
        await ended(opened)
        (run,) = await opened.runs()
        assert "passed\n1 failed: test_greet\n```" in run.request["prompt"]


def status(context: str, state: str, number: int = 1) -> dict[str, Any]:
    """What the older API has in place of a check."""
    return {"id": number, "context": context, "state": state, "target_url": f"https://x/{context}"}


async def test_a_commits_statuses_are_checks_too(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        head = "1" * 40
        open_pull(opened, head)
        statuses = [status(f"job-{n}", "success", n) for n in range(100)]
        opened.hosted.statuses[head] = [*statuses, status("build", "failure", 200)]
        opened.hosted.statuses["main"] = [status("job-1", "failure")]
        for number in range(3):
            await told_of_status(opened, head, number)
        (run,) = await opened.runs()
        assert "Check: build" in run.request["prompt"]
        assert "job-" not in run.request["prompt"]


@pytest.mark.parametrize("state", ["pending", "error"])
async def test_a_status_counts_beside_checks(world: World, state: str) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        head = "1" * 40
        open_pull(opened, head, check("tests", "failure"))
        opened.hosted.statuses[head] = [status("build", state)]
        await ended(opened)
        assert len(await opened.runs()) == (state == "error")


async def test_who_may_not_read_statuses_goes_by_checks(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure"))
        opened.forge.fail("GET", "/status", Fault(403, times=99))
        await ended(opened)
        opened.forge.forgive()
        assert len(await opened.runs()) == 1


async def told_of_status(world: World, head: str, number: int) -> None:
    """A status of a commit is told of, which names no pull request."""
    payload = {"id": number, "sha": head, "state": "failure", "context": "build"}
    who = {"login": "jenkins", "type": "User"}
    repository = {"full_name": "octo/sample"}
    await world.deliver("status", {**payload, "sender": who, "repository": repository})
    await work_off(world)


async def test_a_status_of_a_repository_that_nobody_may_use_costs_no_call(world: World) -> None:
    settings = Settings(repos="ours/*,ada=octo/other", autofix=("ci",))
    told = {**CI, "allowed": TriggerRules.of(settings).allowed}
    async with open_world(world.forge, world.hosted, world.house, **told) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure"))
        await told_of_status(opened, "1" * 40, 1)
        assert opened.forge.requests == []
        assert not await opened.deliveries.has_work(time.time())


async def test_a_status_counts_where_only_who_asked_for_the_run_may_use_it(world: World) -> None:
    told = {**CI, "allowed": lambda _repo, name: name in (None, "github:ada")}
    async with open_world(world.forge, world.hosted, world.house, **told) as opened:
        open_pull(opened, "1" * 40)
        opened.hosted.statuses["1" * 40] = [status("build", "failure")]
        thread = await Thread.load(opened.deliveries, "octo/sample", NUMBER)
        thread.owner = "github:ada"
        await thread.keep(opened.deliveries, live=False)
        await told_of_status(opened, "1" * 40, 1)
        assert len(await opened.runs()) == 1


async def test_two_heads_at_once_are_one_fix_of_the_newer(world: World) -> None:
    """A head is pushed while the end of the older one's checks is still to be worked off."""
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        old, new = "1" * 40, "2" * 40
        open_pull(opened, old, check("tests", "failure", 5))
        await told_of_suite(opened, 1)
        open_pull(opened, new, check("lint", "failure", 6))
        await told_of_suite(opened, 2)
        await told_of_status(opened, old, 1)
        await told_of_status(opened, new, 2)
        (run,) = await opened.runs()
        assert "Check: lint" in run.request["prompt"]
        assert "Check: tests" not in run.request["prompt"]


async def test_fixes_of_two_pull_requests_do_not_meet(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        for number in (NUMBER, NUMBER + 1):
            head = f"{number}" * 40
            open_pull(opened, head, check("tests", "failure"), number=number)
            await told_of_suite(opened, number, number)
        await work_off(opened)
        assert await numbers(opened) == [7, 8]
        assert len(opened.ours) == 2


async def test_a_suite_may_be_one_of_several_pull_requests(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        for number in (NUMBER, NUMBER + 1):
            open_pull(opened, "1" * 40, check("tests", "failure"), number=number)
        await told_of_suite(opened, 1, NUMBER, NUMBER + 1)
        await work_off(opened)
        assert await numbers(opened) == [7, 8]


async def test_a_suite_of_a_fork_names_no_pull_request(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure"))
        await told_of_suite(opened, 1, head="1" * 40)
        await work_off(opened)
        assert await numbers(opened) == [7]


async def numbers(world: World) -> list[int]:
    """Of the pull requests that runs go on with."""
    return sorted(int(run.request["pull_request_url"][-1]) for run in await world.runs())


NOT_OURS: dict[str, dict[str, Any]] = {
    "passed": {"checks": [check("tests", "success")]},
    "still at work": {"checks": [check("tests", "failure"), check("lint", None)]},
    "cancelled": {"checks": [check("tests", "cancelled")]},
    "of the base too": {"checks": [check("base", "failure")]},
    "pushed by others": {"checks": [check("tests", "failure")], "by": "ada"},
    "none": {"checks": []},
}


@pytest.mark.parametrize("facts", NOT_OURS.values(), ids=NOT_OURS)
async def test_what_is_not_ours_is_left_alone(world: World, facts: dict[str, Any]) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        opened.hosted.checks["main"] = [check("base", "failure")]
        open_pull(opened, "1" * 40, *facts["checks"], by=facts.get("by", OURS))
        await ended(opened)
        assert not await opened.runs()
        assert not opened.ours


async def test_without_the_setting_nothing_goes_on_by_itself(world: World) -> None:
    open_pull(world, "1" * 40, check("tests", "failure"))
    await ended(world)
    assert not await world.runs()


async def test_three_fixes_until_a_person_acts(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        for number in range(5):
            open_pull(opened, f"{number}" * 40, check("tests", "failure"))
            await ended(opened, number)
        assert len(await opened.runs()) == 3
        (said,) = opened.ours
        assert "3 fixes in a row" in said
        await comment_on_pull(opened, "/coding-agent try harder", "ben")
        await ended(opened, 50)
        open_pull(opened, "8" * 40, check("tests", "failure"))
        await ended(opened, 51)
        runs = await opened.runs()
        assert len(runs) == 5
        assert runs[-1].owner == "github:ben"


@pytest.mark.parametrize("says", ["/coding-agent mind the tests", "/coding-agent resume"])
async def test_a_message_and_a_resumption_are_acts_too(world: World, says: str) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        for number in range(3):
            if number == 2:
                opened.house.pace.hold("code")
            open_pull(opened, f"{number}" * 40, check("tests", "failure"))
            await told_of_suite(opened, number, NUMBER)
            await opened.worker.round()
            if number < 2:
                await work_off(opened)
        await opened.house.pace.reached("code")
        if says.endswith("resume"):
            await comment_on_pull(opened, "/coding-agent stop", "ben")
            await opened.worker.round()
            await log_of(opened.service, (await opened.runs())[-1].run_id)
        await comment_on_pull(opened, says, "ben")
        await opened.worker.round()
        opened.house.pace.let_go("code")
        await work_off(opened)
        open_pull(opened, "8" * 40, check("tests", "failure"))
        await ended(opened, 51)
        runs = await opened.runs()
        assert [run.owner for run in runs] == [*[f"github:{OURS}"] * 3, "github:ben"]


async def comment_on_pull(world: World, body: str, by: str) -> None:
    """A comment on the pull request, delivered."""
    world.hosted.issues[NUMBER] = ("Greet", "")
    said = world.hosted.say(NUMBER, by, body)
    payload = {
        **world.payload("created", by),
        "comment": {"id": said.id, "body": body, "created_at": said.created_at},
    }
    payload["issue"] |= {"number": NUMBER, "pull_request": {"url": "http://x/"}}
    await world.deliver("issue_comment", payload)


async def test_a_log_that_cannot_be_read_leaves_the_name(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure", 9))
        await ended(opened)
        (run,) = await opened.runs()
        assert "Check: tests" in run.request["prompt"]


async def test_checks_that_fail_while_a_run_is_at_work_are_looked_at_after_it(
    world: World,
) -> None:
    """It may end without a push: then nobody tells of them again."""
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40)
        opened.house.pace.hold("code")
        await comment_on_pull(opened, "/coding-agent why is it so?", "ben")
        await opened.worker.round()
        await opened.house.pace.reached("code")
        opened.hosted.checks["1" * 40] = [check("tests", "failure")]
        await told_of_suite(opened, 1, NUMBER)
        await opened.worker.round()
        opened.house.pace.let_go("code")
        await work_off(opened)
        assert len(await opened.runs()) == 1
        await opened.deliveries.postpone("suite:octo/sample:1:1767225601#7", 0)
        await work_off(opened)
        assert len(await opened.runs()) == 2


async def test_a_run_that_somebody_began_by_the_api_is_waited_for(world: World) -> None:
    async with open_world(world.forge, world.hosted, world.house, **CI) as opened:
        open_pull(opened, "1" * 40, check("tests", "failure"))
        opened.house.pace.hold("code")
        address = f"{opened.forge.address}/octo/sample"
        request = RunRequest(
            repo_url=address, prompt="Greet", pull_request_url=f"{address}/pull/{NUMBER}"
        )
        await opened.service.start(request, owner="alice")
        await opened.house.pace.reached("code")
        await told_of_suite(opened, 1, NUMBER)
        await opened.worker.round()
        assert len(await opened.runs()) == 1
        opened.house.pace.let_go("code")
        await work_off(opened)
        await opened.deliveries.postpone("suite:octo/sample:1:1767225601#7", 0)
        await work_off(opened)
        assert len(await opened.runs()) == 2
