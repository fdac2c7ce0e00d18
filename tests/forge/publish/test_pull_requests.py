"""One pull request, whatever answers are lost, on a real server that fails on demand."""

import asyncio
import json
import time
from typing import Any

import pytest

from forge.core.forge import Pull, PullText
from forge.publish.pull_requests import PullRequests
from graph.errors import (
    BranchNotFound,
    CodingAgentError,
    ForgeForbidden,
    ForgeRateLimited,
    ForgeRejected,
    ForgeUnauthorized,
    ForgeUnavailable,
    RepositoryNotFound,
)
from graph.events import Retry
from tests.standins.github import DROPPED, Fault
from tests.support.polling import until
from tests.support.trusted_side import TrustedSide, git

PULLS = "/pulls"
TEXT = PullText("Add a file", "It was asked for.")
BRANCH = "agent/add-a-file-0123abcd"


@pytest.fixture
def pushed(side: TrustedSide) -> TrustedSide:
    """The forge with the run's branch on it."""
    git_dir = side.hosted.git_dir
    tree = git(git_dir, "rev-parse", "main^{tree}").decode().strip()
    sha = git(git_dir, "commit-tree", tree, "-p", "main", "-m", "new").decode().strip()
    git(git_dir, "update-ref", f"refs/heads/{BRANCH}", sha)
    return side


def pulls(side: TrustedSide) -> PullRequests:
    return PullRequests(side.github, "octo/sample", side.events.append)


async def opened(side: TrustedSide, **more: Any) -> Pull:
    told: dict[str, Any] = {"base": "main", "head": BRANCH, "text": TEXT, "draft": False}
    return await pulls(side).open(**(told | more))


async def test_it_is_opened_once(pushed: TrustedSide) -> None:
    pull = await opened(pushed)
    assert (pull.number, pull.draft) == (1, False)
    assert pull.url == f"{pushed.url}/pull/1"
    assert await opened(pushed) == pull
    assert pushed.forge.calls("POST", PULLS) == 1
    kept = pushed.hosted.pulls[1]
    assert (kept.title, kept.body, kept.base, kept.head) == (*vars(TEXT).values(), "main", BRANCH)


async def test_a_draft_is_a_draft(pushed: TrustedSide) -> None:
    assert (await opened(pushed, draft=True)).draft
    assert pushed.hosted.pulls[1].draft


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(502), "HTTP 502"),
        (Fault(500), "HTTP 500"),
        (DROPPED, "ConnectionError"),
        (Fault(cut=True), "JSONDecodeError"),
    ],
)
async def test_a_lost_answer_makes_no_second_one(
    pushed: TrustedSide,
    fault: Fault,
    reason: str,
    after: bool,
) -> None:
    pushed.forge.fail("POST", PULLS, Fault(**{**vars(fault), "after": after}))
    pull = await opened(pushed)
    assert pull.number == 1
    assert len(pushed.hosted.pulls) == 1
    assert pushed.forge.calls("POST", PULLS) == (1 if after or fault.cut else 2)
    assert [event.reason for event in pushed.events if isinstance(event, Retry)] == [reason]


async def test_the_answer_lost_again_and_again_is_an_error(pushed: TrustedSide) -> None:
    pushed.forge.fail("POST", PULLS, Fault(502, times=9))
    with pytest.raises(ForgeUnavailable):
        await opened(pushed)
    assert pushed.forge.calls("POST", PULLS) == 3


async def test_one_that_came_between_is_found(pushed: TrustedSide) -> None:
    first = await opened(pushed)
    pushed.forge.fail("GET", PULLS, Fault(200, body=b"[]"))
    assert await opened(pushed) == first
    assert len(pushed.hosted.pulls) == 1


async def test_another_branchs_pull_request_is_not_taken(pushed: TrustedSide) -> None:
    """GitHub ignores a head that it cannot read and lists all: the branch is compared."""
    await opened(pushed)
    pushed.hosted.pulls[1].head = "somebody/else"
    shown = pushed.forge.shapes.listed_pull(pushed.hosted, pushed.hosted.pulls[1])
    pushed.forge.fail("GET", PULLS, Fault(200, body=json.dumps([shown]).encode()))
    assert (await opened(pushed)).number == 2


async def test_a_repository_without_drafts_gets_a_marked_one(pushed: TrustedSide) -> None:
    pushed.hosted.drafts = False
    assert not (await opened(pushed, draft=True)).draft
    assert pushed.hosted.pulls[1].title == "[Draft] Add a file"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"base": "gone"}, BranchNotFound),
        ({"head": "agent/not-pushed-1"}, ForgeRejected),
        ({"base": "gone", "draft": True}, BranchNotFound),
        ({"head": "agent/not-pushed-1", "draft": True}, ForgeRejected),
    ],
)
async def test_a_branch_that_is_gone_is_told(
    pushed: TrustedSide, more: dict[str, Any], error: type[CodingAgentError]
) -> None:
    with pytest.raises(error):
        await opened(pushed, **more)
    assert pushed.forge.calls("POST", PULLS) == 1


async def test_nothing_to_propose_is_told(pushed: TrustedSide) -> None:
    git(pushed.hosted.git_dir, "update-ref", f"refs/heads/{BRANCH}", "main")
    with pytest.raises(ForgeRejected):
        await opened(pushed)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(401, "Bad credentials"), ForgeUnauthorized),
        (Fault(403, "Resource not accessible by personal access token"), ForgeForbidden),
        (Fault(404, "Not Found"), RepositoryNotFound),
        (Fault(410, "Pull requests are disabled"), ForgeRejected),
        (Fault(403, headers={"retry-after": "3000"}), ForgeRateLimited),
    ],
)
async def test_a_refusal_is_not_repeated(
    pushed: TrustedSide, fault: Fault, error: type[CodingAgentError]
) -> None:
    pushed.forge.fail("POST", PULLS, fault)
    with pytest.raises(error):
        await opened(pushed)
    assert pushed.forge.calls("POST", PULLS) == 1


async def test_a_secondary_limit_is_waited_for(pushed: TrustedSide) -> None:
    pushed.forge.fail("POST", PULLS, Fault(403, headers={"retry-after": "1"}))
    started = time.monotonic()
    await opened(pushed)
    assert time.monotonic() - started >= 1
    retry = pushed.events[0]
    assert isinstance(retry, Retry)
    assert (retry.reason, retry.wait_ms) == ("rate limit", 1000)


async def test_it_is_brought_up_to_date(pushed: TrustedSide) -> None:
    pull = await opened(pushed, draft=True)
    text = PullText("Add two files", "Both were asked for.")
    done = await pulls(pushed).update(
        pull.number,
        text,
        ready=True,
    )
    assert done == Pull(pull.number, pull.url, draft=False, title="Add two files")
    kept = pushed.hosted.pulls[1]
    assert (kept.title, kept.body, kept.draft) == ("Add two files", "Both were asked for.", False)


@pytest.mark.parametrize("fault", [Fault(502), DROPPED, Fault(502, after=True)])
async def test_an_update_may_be_repeated(pushed: TrustedSide, fault: Fault) -> None:
    pull = await opened(pushed)
    pushed.forge.fail("PATCH", "/pulls/1", fault)
    text = PullText("Other", "Text")
    await pulls(pushed).update(
        pull.number,
        text,
        ready=False,
    )
    assert pushed.hosted.pulls[1].title == "Other"


async def test_a_draft_that_cannot_be_ended_stays_one(pushed: TrustedSide) -> None:
    pull = await opened(pushed, draft=True)
    pushed.forge.fail("POST", "/graphql", Fault(403, "Forbidden"))
    done = await pulls(pushed).update(
        pull.number,
        TEXT,
        ready=True,
    )
    assert done.draft


async def test_labels_and_reviewers_are_added(pushed: TrustedSide) -> None:
    pull = await opened(pushed)
    await pulls(pushed).add_extras(
        pull.number,
        ("bug", "agent"),
        ("ada",),
    )
    assert pushed.hosted.pulls[1].labels == ["bug", "agent"]
    assert pushed.hosted.pulls[1].reviewers == ["ada"]


@pytest.mark.parametrize(
    "fault", [*(Fault(status, times=9) for status in (401, 403, 404, 422, 500, None, 429))]
)
async def test_labels_and_reviewers_never_fail_a_run(pushed: TrustedSide, fault: Fault) -> None:
    pull = await opened(pushed)
    pushed.forge.fail("POST", "/labels", fault)
    pushed.forge.fail("POST", "/requested_reviewers", fault)
    await pulls(pushed).add_extras(
        pull.number,
        ("bug",),
        ("ada", "octo/team"),
    )
    assert pushed.hosted.pulls[1].labels == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(502),
        DROPPED,
        Fault(502, after=True),
        Fault(403, "You have exceeded a secondary rate limit.", headers={"retry-after": "1"}),
    ],
)
async def test_a_lost_answer_to_an_extra_is_asked_for_again(
    pushed: TrustedSide, fault: Fault
) -> None:
    pull = await opened(pushed, draft=True)
    for path in ("/labels", "/requested_reviewers", "/graphql"):
        pushed.forge.fail("POST", path, fault)
    left = await pulls(pushed).add_extras(
        pull.number,
        ("bug",),
        ("ada",),
    )
    hosted = pushed.hosted.pulls[1]
    assert (left, hosted.labels, hosted.reviewers) == ((), ["bug"], ["ada"])
    done = await pulls(pushed).update(
        pull.number,
        TEXT,
        ready=True,
    )
    assert not done.draft
    told = [event.what for event in pushed.events if isinstance(event, Retry)]
    assert told == ["labels", "reviewers", "the draft state"]


async def test_a_write_under_way_is_finished_when_the_run_is_cancelled(
    pushed: TrustedSide,
) -> None:
    await pushed.github.open()
    pushed.forge.fail("POST", PULLS, Fault(late_s=0.5))
    task = asyncio.create_task(opened(pushed))
    await until(lambda: pushed.forge.calls("POST", PULLS) > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(pushed.hosted.pulls) == 1
