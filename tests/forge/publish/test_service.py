"""From a change to a pull request on a real forge: once, never forced, by the right author."""

import asyncio
import json
import re
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from forge.publish.service import ForgePublisher
from graph.errors import (
    BranchExists,
    CodingAgentError,
    ForgeForbidden,
    ForgeRateLimited,
    ForgeUnauthorized,
    ForgeUnavailable,
    PushBlocked,
    PushRejected,
    RepositoryNotFound,
    SecretSearchFailed,
)
from graph.events import Retry
from graph.publication import PullRequest
from graph.values import Base, Change
from tests.standins.github import (
    DROPPED,
    TOKEN,
    Fault,
    accept_pushes,
    files_that_hold,
    refuse_pushes,
)
from tests.standins.github_server.repository import HostedPull
from tests.support.polling import until
from tests.support.trusted_side import (
    FAST,
    TrustedSide,
    git,
    open_github,
    write_file,
)

BRANCH = "agent/add-a-file-0123abcd"
RECEIVE = ".git/git-receive-pack"
REFS = ".git/info/refs"


async def a_change(side: TrustedSide, step: int = 2) -> tuple[Base, Change]:
    base = await side.prepare()
    name = f"new-{step}.txt"
    return base, await side.change(base, lambda work: (work / name).write_text("new\n"), step)


async def publish(side: TrustedSide, base: Base, change: Change, **more: Any) -> PullRequest:
    return await side.publish(side.publication(base, change, **more))


def head(side: TrustedSide, ref: str = BRANCH) -> str:
    return git(side.hosted.git_dir, "rev-parse", ref).decode().strip()


def only_pull(side: TrustedSide) -> HostedPull:
    assert list(side.hosted.pulls) == [1]
    return side.hosted.pulls[1]


async def test_a_change_becomes_a_pull_request(side: TrustedSide) -> None:
    base, change = await a_change(side)
    done = await publish(side, base, change, labels=("agent",), reviewers=("ada",))
    assert done == PullRequest(
        url=f"{side.url}/pull/1",
        number=1,
        branch=BRANCH,
        draft=False,
        head_repo=side.hosted.full_name,
        created=True,
    )
    pull = only_pull(side)
    assert (pull.title, pull.base, pull.head) == ("Add a file", "main", BRANCH)
    assert (pull.labels, pull.reviewers, pull.draft) == (["agent"], ["ada"], False)
    assert head(side, f"{BRANCH}^{{tree}}") == change.tree
    assert head(side, f"{BRANCH}^") == base.sha
    assert head(side, "main") == base.sha
    assert git(side.hosted.git_dir, "tag") == b""
    git(side.hosted.git_dir, "fsck", "--strict")


async def test_the_tokens_account_is_the_author(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change)
    said = git(side.hosted.git_dir, "log", "-1", "--format=%an <%ae>|%cn <%ce>", BRANCH)
    author = "octo-agent <583231+octo-agent@users.noreply.github.com>"
    assert said.decode().strip() == f"{author}|{author}"


async def test_a_set_author_is_the_author(side: TrustedSide) -> None:
    base, change = await a_change(side)
    publisher = ForgePublisher(
        runs=side.runs,
        forge=side.github,
        author="Our Bot <bot@example.org>",
    )
    await publisher.publish(side.publication(base, change), side.events.append)
    said = git(side.hosted.git_dir, "log", "-1", "--format=%an <%ae>", BRANCH)
    assert said == b"Our Bot <bot@example.org>\n"


async def test_the_commit_says_what_and_whose(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change, requested_by="ada")
    message = git(side.hosted.git_dir, "log", "-1", "--format=%B", BRANCH).decode()
    assert message.startswith("Add a file\n\nIt was asked for.\n\n")
    trailers = git(side.hosted.git_dir, "log", "-1", "--format=%(trailers:only)", BRANCH).decode()
    assert trailers.strip() == "Requested-by: ada"


async def test_refused_labels_and_reviewers_are_told_and_never_fail_a_run(
    side: TrustedSide,
) -> None:
    base, change = await a_change(side)
    wishes: dict[str, Any] = {"labels": ("agent",), "reviewers": ("ada",)}
    side.forge.fail("POST", "/labels", Fault(403))
    side.forge.fail("POST", "/requested_reviewers", Fault(422))
    first = await publish(side, base, change, **wishes)
    assert "did not take the labels and reviewers that were asked for" in only_pull(side).body
    assert await publish(side, base, change, **wishes) == first
    assert "did not take" not in only_pull(side).body
    assert (only_pull(side).labels, only_pull(side).reviewers) == (["agent"], ["ada"])


async def test_repeating_makes_nothing_twice(side: TrustedSide) -> None:
    base, change = await a_change(side)
    first = await publish(side, base, change)
    commit = head(side)
    assert await publish(side, base, change) == first
    assert head(side) == commit
    only_pull(side)
    assert side.forge.calls("POST", RECEIVE) == 1
    assert side.forge.calls("POST", "/pulls") == 1


async def test_a_later_change_goes_on_the_same_pull_request(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change, draft=True, remaining=("A test is missing.",))
    first = head(side)
    assert "A test is missing." in only_pull(side).body
    _, second = await a_change(side, step=3)
    done = await publish(side, base, second)
    assert (done.number, done.created, done.draft) == (1, False, False)
    assert head(side, f"{BRANCH}^") == first
    pull = only_pull(side)
    assert not pull.draft
    assert "A test is missing." not in pull.body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (REFS, Fault(502)),
        (REFS, DROPPED),
        (REFS, Fault(502, skip=1)),
        (REFS, Fault(None, skip=1)),
        (RECEIVE, Fault(502)),
        (RECEIVE, DROPPED),
        (RECEIVE, Fault(502, after=True)),
        (RECEIVE, Fault(None, after=True)),
    ],
)
async def test_an_unclear_push_is_looked_up(side: TrustedSide, path: str, fault: Fault) -> None:
    base, change = await a_change(side)
    side.forge.fail("POST" if path == RECEIVE else "GET", path, fault)
    await publish(side, base, change)
    assert head(side, f"{BRANCH}^") == base.sha
    only_pull(side)


async def test_a_forge_that_stays_away_is_unavailable(side: TrustedSide) -> None:
    base, change = await a_change(side)
    side.forge.fail("GET", REFS, Fault(503, times=99))
    with pytest.raises(ForgeUnavailable):
        await publish(side, base, change)
    assert [type(event) for event in side.events] == [Retry, Retry]
    assert side.hosted.pulls == {}


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, ForgeUnauthorized), (403, ForgeForbidden), (404, RepositoryNotFound)],
)
async def test_a_refused_push_has_its_error(
    side: TrustedSide, status: int, error: type[CodingAgentError]
) -> None:
    base, change = await a_change(side)
    side.forge.fail("GET", REFS, Fault(status, times=9))
    with pytest.raises(error) as raised:
        await publish(side, base, change)
    assert TOKEN not in raised.value.message
    assert side.hosted.pulls == {}


async def test_a_repository_renamed_meanwhile_is_told(side: TrustedSide) -> None:
    base, change = await a_change(side)
    side.forge.rename(side.hosted, "octo/renamed")
    with pytest.raises(RepositoryNotFound) as raised:
        await publish(side, base, change)
    assert "present address" in raised.value.hint
    assert side.hosted.pulls == {}


async def test_a_repository_archived_meanwhile_is_told(side: TrustedSide) -> None:
    base, change = await a_change(side)
    side.hosted.archived = True
    with pytest.raises(ForgeForbidden):
        await publish(side, base, change)


@pytest.mark.parametrize("left_s", [0, 60])
async def test_a_rate_limit_is_waited_for_where_the_runs_clock_allows(
    side: TrustedSide, left_s: float
) -> None:
    base, change = await a_change(side)
    side.github.retry_policy = replace(FAST, total_s=0.5)
    now = time.time()
    limit = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(now) + 1)}
    side.forge.fail("POST", "/pulls", Fault(403, headers=limit))
    if not left_s:
        with pytest.raises(ForgeRateLimited):
            await publish(side, base, change, deadline=now)
        return
    assert (await publish(side, base, change, deadline=now + left_s)).number == 1
    assert [event.reason for event in side.events if isinstance(event, Retry)] == ["rate limit"]


async def test_without_the_right_to_push_nothing_is_pushed(side: TrustedSide) -> None:
    base, change = await a_change(side)
    side.hosted.push = False
    with pytest.raises(ForgeForbidden):
        await publish(side, base, change)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        (["error: GH006: Protected branch update failed for x."], "protected"),
        (["error: GH013: Repository rule violations", "- Cannot create ref."], "agent/*"),
        (["some other hook says no"], "rules and hooks"),
    ],
)
async def test_a_hooks_refusal_is_told_with_a_hint(
    side: TrustedSide, lines: list[str], hint: str
) -> None:
    base, change = await a_change(side)
    refuse_pushes(side.hosted, *lines)
    with pytest.raises(PushRejected) as raised:
        await publish(side, base, change)
    assert not isinstance(raised.value, PushBlocked)
    assert hint in raised.value.hint
    for line in lines:
        assert line in raised.value.message
    assert side.forge.calls("POST", RECEIVE) == 1
    accept_pushes(side.hosted)
    await publish(side, base, change)
    only_pull(side)


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (["error: GH001: Large files detected.", "error: File big is 123.00 MB;"], "file_size"),
        (["error: GH013: x", "- GITHUB PUSH PROTECTION", " path: new-2.txt:1"], "push_protection"),
    ],
)
async def test_what_the_forge_refuses_in_the_change_is_blocked(
    side: TrustedSide, lines: list[str], rule: str
) -> None:
    base, change = await a_change(side)
    refuse_pushes(side.hosted, *lines)
    with pytest.raises(PushBlocked) as raised:
        await publish(side, base, change)
    assert [finding.rule for finding in raised.value.findings] == [rule]
    assert git(side.hosted.git_dir, "branch", "--list", "agent/*") == b""
    accept_pushes(side.hosted)
    await publish(side, base, change)
    only_pull(side)


async def test_after_a_refused_push_another_change_starts_at_the_base(side: TrustedSide) -> None:
    base, change = await a_change(side)
    refuse_pushes(side.hosted, "error: GH013: Repository rule violations")
    with pytest.raises(PushRejected):
        await publish(side, base, change)
    accept_pushes(side.hosted)
    _, second = await a_change(side, step=3)
    await publish(side, base, second)
    assert head(side, f"{BRANCH}^") == base.sha


async def test_a_cut_push_that_came_through_is_carried_on(side: TrustedSide) -> None:
    """The push had its effect, but the process died before the record was written."""
    base, change = await a_change(side)
    await publish(side, base, change)
    first = head(side)
    record = side.run().root / "publication.json"
    record.write_text(re.sub(r'"pushed":"\w+"', '"pushed":""', record.read_text()))
    _, second = await a_change(side, step=3)
    await publish(side, base, second)
    assert head(side, f"{BRANCH}^") == first


@pytest.mark.slow
async def test_somebody_elses_commits_on_the_branch_stay(side: TrustedSide) -> None:
    base, change = await a_change(side)
    tree = head(side, "main^{tree}")
    other = git(side.hosted.git_dir, "commit-tree", tree, "-p", "main", "-m", "theirs")
    git(side.hosted.git_dir, "update-ref", f"refs/heads/{BRANCH}", other.decode().strip())
    done = await publish(side, base, change)
    assert done.branch == f"{BRANCH}-2"
    assert only_pull(side).head == f"{BRANCH}-2"
    assert head(side) == other.decode().strip()
    assert await publish(side, base, change) == done


async def test_a_branch_that_the_caller_named_takes_no_other_name(side: TrustedSide) -> None:
    base, change = await a_change(side)
    git(side.hosted.git_dir, "update-ref", "refs/heads/agent/topic", base.sha)
    with pytest.raises(BranchExists) as raised:
        await publish(side, base, change, branch="agent/topic", branch_asked=True)
    assert "octo/sample has a branch agent/topic" in raised.value.message
    assert "resume the run" in raised.value.hint
    assert head(side, "agent/topic") == base.sha
    assert not side.hosted.pulls
    git(side.hosted.git_dir, "update-ref", "-d", "refs/heads/agent/topic")
    done = await publish(side, base, change, branch="agent/topic", branch_asked=True)
    assert (done.branch, only_pull(side).head) == ("agent/topic", "agent/topic")


async def test_a_branch_has_any_name_where_the_operator_allows_it(side: TrustedSide) -> None:
    base, change = await a_change(side)
    named = side.publication(base, change, branch="topic", branch_asked=True)
    with pytest.raises(PushRejected):
        await side.publish(named)
    free = ForgePublisher(runs=side.runs, forge=side.github, any_branch=True)
    for refused in ("main", "HEAD", "+topic", "topic:refs/heads/main"):
        with pytest.raises(PushRejected):
            await free.publish(named.model_copy(update={"branch": refused}), side.events.append)
    assert side.forge.calls("POST", RECEIVE) == 0
    await free.publish(named, side.events.append)
    assert head(side, "topic^") == base.sha


async def test_a_record_of_an_earlier_release_keeps_its_branch(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change)
    first, path = head(side), side.run().root / "publication.json"
    record = json.loads(path.read_text())
    del record["branch"]
    path.write_text(json.dumps(record))
    _, second = await a_change(side, step=3)
    assert (await publish(side, base, second)).branch == BRANCH
    assert head(side, f"{BRANCH}^") == first


async def test_no_name_of_a_branch_is_taken_that_others_lie_below(side: TrustedSide) -> None:
    base, change = await a_change(side)
    git(side.hosted.git_dir, "update-ref", f"refs/heads/{BRANCH}/theirs", base.sha)
    assert (await publish(side, base, change)).branch == f"{BRANCH}-2"


async def test_commits_that_come_on_the_branch_meanwhile_stay(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change)
    tree = head(side, "main^{tree}")
    other = git(side.hosted.git_dir, "commit-tree", tree, "-p", BRANCH, "-m", "theirs")
    git(side.hosted.git_dir, "update-ref", f"refs/heads/{BRANCH}", other.decode().strip())
    _, second = await a_change(side, step=3)
    with pytest.raises(PushRejected) as raised:
        await publish(side, base, second)
    assert "never overwritten" in raised.value.hint
    assert head(side) == other.decode().strip()


@pytest.mark.parametrize("after", [False, True])
async def test_a_lost_answer_makes_no_second_pull_request(
    side: TrustedSide,
    after: bool,
) -> None:
    base, change = await a_change(side)
    side.forge.fail("POST", "/pulls", Fault(502, after=after))
    assert (await publish(side, base, change)).created
    only_pull(side)


async def test_without_the_right_to_pull_requests_the_branch_stays(side: TrustedSide) -> None:
    base, change = await a_change(side)
    said = "Resource not accessible by personal access token"
    side.forge.fail("POST", "/pulls", Fault(403, said))
    with pytest.raises(ForgeForbidden, match="Resource"):
        await publish(side, base, change)
    assert head(side, f"{BRANCH}^") == base.sha
    assert (await publish(side, base, change)).number == 1
    assert side.forge.calls("POST", RECEIVE) == 1


async def test_without_a_token_the_way_out_is_told(side: TrustedSide) -> None:
    base, change = await a_change(side)
    publisher = ForgePublisher(runs=side.runs, forge=open_github(side.forge, token=None))
    with pytest.raises(ForgeUnauthorized) as raised:
        await publisher.publish(side.publication(base, change), side.events.append)
    assert "GITHUB_TOKEN" in raised.value.hint


@pytest.mark.parametrize("branch", ["main", "agent/x", "+agent/x-1", "agent/x-1:refs/heads/main"])
async def test_no_other_branch_is_pushed_to(side: TrustedSide, branch: str) -> None:
    base, change = await a_change(side)
    with pytest.raises(PushRejected):
        await publish(side, base, change, branch=branch)
    assert side.forge.calls("POST", RECEIVE) == 0


async def test_a_text_with_the_token_is_not_sent(side: TrustedSide) -> None:
    base, change = await a_change(side)
    leaking = change.model_copy(update={"summary": f"the token is {TOKEN}"})
    with pytest.raises(PushRejected) as raised:
        await publish(side, base, leaking)
    assert TOKEN not in raised.value.message
    assert side.forge.calls("POST", RECEIVE) == 0


async def test_what_looks_like_a_secret_is_not_told(side: TrustedSide) -> None:
    base, change = await a_change(side)
    secret = "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"
    leaking = change.model_copy(update={"title": f"Use {secret}", "summary": f"Set {secret}."})
    await publish(side, base, leaking)
    pull = only_pull(side)
    assert (pull.title, pull.body.split("\n")[0]) == ("Use ***", "Set ***.")
    assert secret not in git(side.hosted.git_dir, "log", "-1", "--format=%B", BRANCH).decode()


async def test_the_token_is_nowhere(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change, labels=("x",))
    for text in (TOKEN, "eC1hY2Nlc3MtdG9rZW4"):
        assert files_that_hold(side.runs, text) == []
        assert files_that_hold(side.hosted.git_dir, text) == []
    assert TOKEN not in str(side.forge.requests)
    assert TOKEN not in str(side.hosted.pulls)
    assert not any(request.query.count("token") for request in side.forge.requests)


async def test_a_push_under_way_is_finished_when_the_run_is_cancelled(side: TrustedSide) -> None:
    base, change = await a_change(side)
    task = asyncio.create_task(publish(side, base, change))
    await until(lambda: side.forge.calls("POST", RECEIVE) > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert head(side, f"{BRANCH}^") == base.sha
    assert side.hosted.pulls == {}
    assert (await publish(side, base, change)).number == 1


async def test_runs_do_not_meet(side: TrustedSide) -> None:
    async def one(number: int) -> PullRequest:
        run_id, branch = f"r{number}", f"agent/x-{number}"
        base = await side.prepare(run_id=run_id)
        change = await side.change(base, write_file, run_id=run_id)
        return await publish(side, base, change, run_id=run_id, branch=branch)

    done = await asyncio.gather(*(one(number) for number in range(4)))
    assert {pull.number for pull in done} == {1, 2, 3, 4}


async def test_the_base_repository_is_never_written(side: TrustedSide) -> None:
    base, change = await a_change(side)
    before = sorted(side.run().base_git.rglob("*"))
    await side.publisher.gate("r1", base, change, ())
    await publish(side, base, change)
    assert sorted(side.run().base_git.rglob("*")) == before


async def test_nothing_of_the_run_is_readable_by_others(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change)
    for name in ("publication.json", "diffs", "objects", "diffs/0002.diff"):
        assert (side.run().root / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize("local", [False, True])
async def test_a_text_that_cannot_be_searched_is_not_published(
    side: TrustedSide, local: bool
) -> None:
    base = await side.prepare(str(side.source) if local else None)
    change = await side.change(base, write_file)
    told = change.model_copy(update={"summary": "See " + "x1" * 20})
    side.publisher._catalogue._command = (sys.executable, "-I", "-c", "import os; os.abort()", "")
    with pytest.raises(SecretSearchFailed) as raised:
        await publish(side, base, told)
    assert raised.value.code == "secret_search_failed"
    assert "resume the run" in raised.value.hint
    assert side.hosted.pulls == {}
