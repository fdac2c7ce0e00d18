"""From a label on an issue to its pull request: a signed delivery, an App, a real run."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from forge.core import PROGRESS_CHECK, RECEIPT_CHECK
from tests.support.polling import until
from tests.support.whole_runs.claude_script import approve, done, shell, small_change
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.issue_label import (
    BOT,
    ISSUE,
    PROMPT,
    comments_on,
    deliver_label,
    open_issue,
    world_with_app,
)
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
MOST_CALLS = 16
"""Of GitHub's API: of the run with an App, and of the conversation about it."""
MOST_CALLS_OF_FOLLOW_UP = 15


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with world_with_app() as opened:
        yield opened


async def test_an_issue_becomes_a_pull_request_that_closes_it(world: World) -> None:
    repo = await world.host()
    open_issue(repo)
    world.cast.learn(PROMPT, small_change())
    before = len(world.forge.requests)
    async with httpx.AsyncClient(base_url=world.service.http.base_url, trust_env=False) as http:
        await deliver_label(http, repo)
    await until(lambda: "Done." in "".join(comments_on(repo, BOT)), within_s=300)
    (comment,) = comments_on(repo, BOT)
    hosted, pull = repo.repository, repo.pull
    assert f"{repo.url}/pull/{pull.number}" in comment
    assert f"Closes #{ISSUE}." in pull.body
    assert "github:ada" in pull.body
    assert pull.reviewers == ["ada"]
    assert hosted.reactions == [(f"issues/{ISSUE}", "eyes")]
    author = repo.git("show", "--no-patch", "--format=%an", pull.head).decode().strip()
    assert author == BOT
    calls = [each for each in world.forge.requests[before:] if each.path.startswith("/api/")]
    assert len(calls) <= MOST_CALLS, "\n".join(f"{each.method} {each.path}" for each in calls)


def head_of(repo: Hosted) -> str:
    return repo.git("rev-parse", repo.pull.head).decode().strip()


async def test_a_follow_up_shows_on_the_head_how_far_it_is(world: World) -> None:
    repo = await world.host()
    first = await world.run("Greet in the morning, please.", repo, small_change())
    before, asked = head_of(repo), len(world.forge.requests)
    evening = "sed -i 's/Good morning/Good evening/' greet.py"
    script = {
        "coder": [shell(evening), done("Greet in the evening", "It greets in the evening now.")],
        "reviewer": [approve()],
    }
    run = await world.run("No, in the evening.", repo, script, parentRunId=first.run_id)
    assert run.end["status"] == "succeeded"
    calls = [each for each in world.forge.requests[asked:] if each.path.startswith("/api/")]
    assert len(calls) <= MOST_CALLS_OF_FOLLOW_UP, "\n".join(
        f"{each.method} {each.path}" for each in calls
    )
    progress = next(row for row in repo.repository.checks[before] if row["name"] == PROGRESS_CHECK)
    assert (progress["status"], progress["conclusion"]) == ("completed", "neutral")
    assert progress["output"]["title"] == "Done."
    (receipt,) = repo.repository.checks[head_of(repo)]
    assert receipt["name"] == RECEIPT_CHECK
    of_checks = [each.method for each in calls if "/check-runs" in each.path]
    assert of_checks == ["POST", "POST", "PATCH", "PATCH"]
