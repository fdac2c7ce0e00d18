"""A pull request from a fork: made once, waited for, never for a private repository."""

from typing import Any

import pytest

from forge.publish.record import load, save
from forge.publish.service import ForgePublisher
from graph.errors import (
    CodingAgentError,
    ForgeForbidden,
    ForgeUnavailable,
    PullRequestOpen,
    RepositoryNotFound,
)
from graph.events import Retry
from graph.publication import ChangeOnNewBase, PullRequest
from graph.values import Base, Change
from tests.standins.github import DROPPED, Fault
from tests.standins.github_server.repository import HostedPull, HostedRepository
from tests.support.pull_requests import commit_on
from tests.support.trusted_side import (
    TrustedSide,
    git,
    write_file,
)

pytestmark = pytest.mark.slow

BRANCH = "agent/add-a-file-0123abcd"
FORK = "octo-agent/sample"
FORKS, REFS, PULLS = "/forks", "/git/refs", "/pulls"


@pytest.fixture
async def reader(side: TrustedSide) -> TrustedSide:
    """The trusted side of an account that may read the repository and no more."""
    side.hosted.push = False
    side.publisher = ForgePublisher(
        runs=side.runs,
        forge=side.github,
        forks=True,
    )
    return side


async def a_change(side: TrustedSide) -> tuple[Base, Change]:
    base = await side.prepare()
    return base, await side.change(base, write_file)


async def publish(side: TrustedSide, base: Base, change: Change, **more: Any) -> PullRequest:
    return await side.publish(side.publication(base, change, **more))


def the_fork(side: TrustedSide) -> HostedRepository:
    found = [repository for repository in side.forge.repositories() if repository.parent]
    assert [fork.full_name for fork in found] == [FORK]
    return found[0]


def only_pull(side: TrustedSide) -> HostedPull:
    assert list(side.hosted.pulls) == [1]
    return side.hosted.pulls[1]


def branches(repository: HostedRepository) -> list[str]:
    return git(repository.git_dir, "branch", "--format=%(refname:short)").decode().split()


async def test_the_pull_request_comes_from_a_fork(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    done = await publish(reader, base, change)
    assert (done.url, done.number, done.branch) == (f"{reader.url}/pull/1", 1, BRANCH)
    assert done.head_repo == FORK
    pull, fork = only_pull(reader), the_fork(reader)
    assert (pull.head, pull.head_repository, pull.base) == (BRANCH, fork, "main")
    assert git(fork.git_dir, "rev-parse", f"{BRANCH}^").decode().strip() == base.sha
    assert git(fork.git_dir, "rev-parse", f"{BRANCH}^{{tree}}").decode().strip() == change.tree
    assert branches(reader.hosted) == ["main"]


async def test_without_write_it_is_a_draft_that_says_who_made_it(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    assert (await publish(reader, base, change)).draft
    pull = only_pull(reader)
    assert pull.draft
    assert "Made by a coding agent" in pull.body


async def test_one_of_ours_at_a_time_is_open_there(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    assert not base.writable
    await publish(reader, base, change)
    with pytest.raises(PullRequestOpen) as told:
        await reader.publisher.check_publishable("r2", base, BRANCH, None, reader.events.append)
    assert f"{reader.url}/pull/1" in told.value.message
    only_pull(reader).state = "closed"
    await reader.publisher.check_publishable("r2", base, BRANCH, None, reader.events.append)


async def test_one_that_was_opened_meanwhile_is_told_before_the_push(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    await reader.forge.fork(reader.hosted)
    other = HostedPull(
        1, "Theirs", "Made by a coding agent.", "main", "x", base.sha, base.sha, draft=True
    )
    reader.hosted.pulls[1] = other
    with pytest.raises(PullRequestOpen):
        await publish(reader, base, change)
    assert branches(the_fork(reader)) == ["main"]
    other.body = "Written by hand."
    assert (await publish(reader, base, change)).number == 2


async def test_ones_own_is_known_by_the_name_that_its_branch_took(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    fork = await reader.forge.fork(reader.hosted)
    assert await fork.add_branch(BRANCH, base.sha)
    opened = await publish(reader, base, change)
    assert opened.branch == f"{BRANCH}-2"
    killed = load(reader.run()).model_copy(update={"number": None, "url": None, "opened_text": ""})
    save(reader.run(), killed)
    assert (await publish(reader, base, change)).url == opened.url
    only_pull(reader)


async def test_repeating_makes_nothing_twice(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    assert await publish(reader, base, change) == await publish(reader, base, change)
    only_pull(reader)
    the_fork(reader)
    assert reader.forge.calls("POST", FORKS) == 1
    assert reader.forge.calls("POST", PULLS) == 1


async def test_a_later_change_goes_to_the_same_fork(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    await publish(reader, base, change, draft=True)
    first = git(the_fork(reader).git_dir, "rev-parse", BRANCH)
    second = await reader.change(base, lambda work: (work / "b").write_text("b\n"), step=3)
    done = await publish(reader, base, second)
    assert (done.number, done.created, done.draft) == (1, False, True)
    assert git(the_fork(reader).git_dir, "rev-parse", f"{BRANCH}^") == first


async def test_a_fork_that_is_not_ready_is_waited_for(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    reader.forge.fork_delay_s = 0.3
    await publish(reader, base, change)
    only_pull(reader)
    pauses = [event.wait_ms for event in reader.events if isinstance(event, Retry)]
    assert pauses == sorted(set(pauses))
    assert all(event.reason for event in reader.events if isinstance(event, Retry))


async def test_a_fork_that_never_is_ready_is_told(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    reader.forge.fork_delay_s = 999
    with pytest.raises(RepositoryNotFound):
        await publish(reader, base, change)
    reader.forge.fork_delay_s = 0
    the_fork(reader).ready_at = 0
    await publish(reader, base, change)
    only_pull(reader)
    assert reader.forge.calls("POST", FORKS) == 1


async def test_an_old_fork_has_no_other_branch_moved(reader: TrustedSide) -> None:
    await reader.forge.fork(reader.hosted)
    before = git(the_fork(reader).git_dir, "rev-parse", "main")
    (reader.source / "moved").write_text("on\n")
    git(reader.source, "add", "-A")
    git(reader.source, "commit", "-qm", "moved on")
    git(reader.source, "push", "-q", str(reader.hosted.git_dir), "main")
    base, change = await a_change(reader)
    await publish(reader, base, change)
    assert git(the_fork(reader).git_dir, "rev-parse", "main") == before
    assert git(the_fork(reader).git_dir, "rev-parse", f"{BRANCH}^").decode().strip() == base.sha


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("path", [FORKS, REFS, PULLS])
@pytest.mark.parametrize("fault", [Fault(502), DROPPED])
async def test_a_lost_answer_makes_nothing_twice(
    reader: TrustedSide, path: str, fault: Fault, after: bool
) -> None:
    base, change = await a_change(reader)
    reader.forge.fail("POST", path, Fault(**{**vars(fault), "after": after}))
    await publish(reader, base, change)
    only_pull(reader)
    assert sorted(branches(the_fork(reader))) == [BRANCH, "main"]


async def test_with_the_right_to_push_there_is_no_fork(reader: TrustedSide) -> None:
    reader.hosted.push = True
    base, change = await a_change(reader)
    await publish(reader, base, change)
    assert only_pull(reader).head_repository is None
    assert reader.forge.calls("POST", FORKS) == 0


async def test_a_private_repository_is_never_forked(reader: TrustedSide) -> None:
    reader.hosted.private = True
    base, change = await a_change(reader)
    with pytest.raises(ForgeForbidden):
        await publish(reader, base, change)
    assert reader.forge.calls("POST", FORKS) == 0


async def test_without_the_setting_there_is_no_fork(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    publisher = ForgePublisher(
        runs=reader.runs,
        forge=reader.github,
    )
    with pytest.raises(ForgeForbidden):
        await publisher.publish(reader.publication(base, change), reader.events.append)
    assert reader.forge.calls("POST", FORKS) == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(403, "no"), ForgeForbidden), (Fault(502, times=99), ForgeUnavailable)],
)
async def test_a_refused_fork_has_its_error(
    reader: TrustedSide, fault: Fault, error: type[CodingAgentError]
) -> None:
    base, change = await a_change(reader)
    reader.forge.fail("POST", FORKS, fault)
    with pytest.raises(error):
        await publish(reader, base, change)
    assert reader.hosted.pulls == {}


async def test_where_forking_is_off_it_is_told(reader: TrustedSide) -> None:
    reader.hosted.forking = False
    base, change = await a_change(reader)
    with pytest.raises(ForgeForbidden, match="forking is disabled"):
        await publish(reader, base, change)


async def test_a_branch_in_a_fork_is_merged_with_a_base_that_moved(reader: TrustedSide) -> None:
    base, change = await a_change(reader)
    await publish(reader, base, change)
    fork = the_fork(reader)
    pushed = git(fork.git_dir, "rev-parse", BRANCH).decode().strip()
    newest = commit_on(reader, "main", {"later.txt": "later\n"})
    asked = reader.publication(base, change, rebase_step=3)
    newer = await reader.publisher.publish(asked, reader.events.append)
    assert isinstance(newer, ChangeOnNewBase)
    assert newer.change
    await publish(reader, newer.base, newer.change)
    parents = git(fork.git_dir, "rev-parse", f"{BRANCH}^1", f"{BRANCH}^2").decode().split()
    assert parents == [pushed, newest]
    assert sorted(branches(fork)) == sorted(["main", BRANCH])
