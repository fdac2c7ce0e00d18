"""A commit more on the branch of an open pull request: fast-forward only, ours or a fork's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.errors import (
    ForgeForbidden,
    PullRequestClosed,
    PullRequestMoved,
    PushRejected,
)
from graph.publication import ChangeOnNewBase, PullRequest
from graph.values import Base, Change
from tests.standins.github import DROPPED
from tests.standins.github_server.repository import HostedPull, HostedRepository
from tests.support.pull_requests import add_pull, change_on, commit_on, prepare_pull
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

THEIRS = {"new.txt": "theirs\n"}
STRANGERS: dict[str, Any] = {"fork": "stranger/sample", "author": "stranger"}
RECEIVE = ".git/git-receive-pack"


def ours(work: Path) -> None:
    (work / "more.txt").write_text("ours\n")


async def begun(side: TrustedSide, pull: HostedPull) -> tuple[Base, Change]:
    base = await prepare_pull(side, pull)
    return base, await change_on(side, base, ours)


async def follow(side: TrustedSide, base: Base, change: Change, **more: Any) -> PullRequest:
    assert base.pull
    return await side.publish(side.publication(base, change, branch=base.pull.head_branch, **more))


def home_of(side: TrustedSide, pull: HostedPull) -> HostedRepository:
    return pull.head_repository or side.hosted


def commits(side: TrustedSide, pull: HostedPull) -> list[str]:
    listed = git(home_of(side, pull).git_dir, "rev-list", pull.head).decode().split()
    return listed[: listed.index(pull.base_sha)]


def check(side: TrustedSide, base: Base) -> Any:
    assert base.pull
    return side.publisher.check_publishable(
        "r1", base, base.pull.head_branch, None, side.events.append
    )


async def test_a_commit_is_added_and_the_text_brought_up_to_date(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    await check(side, base)
    done = await follow(side, base, change)
    assert done == PullRequest(
        url=f"{side.url}/pull/1",
        number=1,
        branch=pull.head,
        draft=False,
        head_repo=side.hosted.full_name,
        created=False,
    )
    newest, before = commits(side, pull)
    assert before == base.sha
    assert git(side.hosted.git_dir, "rev-parse", f"{newest}^{{tree}}").decode().strip() == (
        change.tree
    )
    assert (pull.title, list(side.hosted.pulls)) == ("A feature", [1])
    assert "It was asked for." in pull.body
    assert "As its author wrote it." not in pull.body
    git(side.hosted.git_dir, "fsck", "--strict")


async def test_another_follow_up_replaces_the_text_of_the_first(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    await follow(side, base, change)
    first = pull.body
    base = await prepare_pull(side, pull, "r2")
    change = await change_on(side, base, lambda work: (work / "r2.txt").write_text("2\n"), "r2")
    await follow(side, base, change, run_id="r2")
    assert len(commits(side, pull)) == len(("theirs", "first", "second"))
    assert pull.body.replace("r2", "r1") == first


async def test_the_text_of_another_author_stays(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS, author="ada")
    base, change = await begun(side, pull)
    await follow(side, base, change, labels=("agent",))
    assert (pull.title, pull.body) == ("A feature", "As its author wrote it.")
    assert pull.labels == ["agent"]
    assert len(commits(side, pull)) == len(("theirs", "ours"))


async def test_a_fork_takes_the_commit_where_maintainers_may_edit(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS, **STRANGERS)
    pull.maintainers_may_edit = True
    base, change = await begun(side, pull)
    await check(side, base)
    done = await follow(side, base, change)
    assert (done.number, done.branch) == (1, pull.head)
    assert len(commits(side, pull)) == len(("theirs", "ours"))
    assert not await side.hosted.sha(pull.head)


async def test_a_fork_that_takes_none_is_told_before_anything_is_paid(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS, **STRANGERS)
    base, _ = await begun(side, pull)
    with pytest.raises(ForgeForbidden, match="to feature-1 of stranger/sample") as told:
        await check(side, base)
    assert "allow edits by maintainers" in told.value.hint


async def test_a_forks_branch_may_be_called_as_the_one_it_goes_to(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS, **STRANGERS, name="main")
    pull.maintainers_may_edit = True
    base, change = await begun(side, pull)
    await check(side, base)
    await follow(side, base, change)
    assert len(commits(side, pull)) == len(("theirs", "ours"))
    assert await side.hosted.sha("main") == pull.base_sha


async def test_nothing_is_added_to_the_default_branch(side: TrustedSide) -> None:
    git(side.hosted.git_dir, "branch", "release", "main")
    commit_on(side, "main", THEIRS)
    pull = await add_pull(side, {}, base="release", head="main")
    base = await prepare_pull(side, pull)
    with pytest.raises(PushRejected, match="main is the default branch of octo/sample"):
        await check(side, base)


async def test_a_head_that_moved_is_gone_over_to_and_judged_there(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    moved = commit_on(side, pull.head, {"theirs.txt": "theirs\n"})
    assert base.pull
    asked = side.publication(base, change, branch=base.pull.head_branch, rebase_step=3)
    newer = await side.publisher.publish(asked, side.events.append)
    assert isinstance(newer, ChangeOnNewBase)
    assert (newer.base.sha, newer.base.moved, newer.base.trusted) == (moved, 1, base.trusted)
    assert newer.change
    assert [file.path for file in newer.change.files] == ["more.txt"]
    assert "+++ theirs.txt" in side.run().ground_paths(newer.base).read_text()
    await follow(side, newer.base, newer.change)
    assert commits(side, pull)[1] == moved


async def test_a_conflict_is_told_and_nothing_is_forced(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    moved = commit_on(side, pull.head, {"more.txt": "theirs\n"})
    with pytest.raises(PullRequestMoved) as told:
        await follow(side, base, change, rebase_step=3)
    assert f"{pull.head} moved from {base.sha[:10]} to {moved[:10]}" in told.value.message
    assert "conflicts with it in: more.txt" in told.value.message
    assert await side.hosted.sha(pull.head) == moved
    assert pull.body == "As its author wrote it."


async def test_one_that_is_closed_meanwhile_gets_nothing(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    pull.state = "closed"
    with pytest.raises(PullRequestClosed):
        await follow(side, base, change)
    assert commits(side, pull) == [base.sha]


async def test_a_push_whose_answer_was_lost_is_not_made_twice(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    side.forge.fail("POST", RECEIVE, replace(DROPPED, after=True))
    await follow(side, base, change)
    await follow(side, base, change)
    assert len(commits(side, pull)) == len(("theirs", "ours"))


async def test_a_follow_up_makes_few_calls(side: TrustedSide) -> None:
    pull = await add_pull(side, THEIRS)
    side.forge.requests.clear()
    base, change = await begun(side, pull)
    await check(side, base)
    await follow(side, base, change, labels=("agent",))
    asked = [request for request in side.forge.requests if request.path.startswith("/api/")]
    assert len(asked) <= 15, [f"{request.method} {request.path}" for request in asked]
