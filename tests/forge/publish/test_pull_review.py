"""A review alone: findings at the lines that the diff shows, once, and nothing pushed."""

from dataclasses import replace

import pytest

from forge.text.review import lines_of
from graph.errors import ForgeForbidden, PullRequestClosed
from graph.publication import PullRequest
from graph.values import Base, Change, Finding, Review
from tests.standins.github import DROPPED, TOKEN, Fault
from tests.standins.github_server.repository import HostedPull
from tests.support.pull_requests import add_pull, prepare_pull
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

REVIEWS = "/reviews"
STRANGERS = {"fork": "stranger/sample", "author": "stranger"}
FINDINGS = (
    Finding(severity="error", path="new.txt", line=2, message="Wrong for 0, says @ada."),
    Finding(severity="warning", path="new.txt", line=99, message="Far away."),
    Finding(severity="info", path="src/app.py", line=1, message="Not in the diff."),
    Finding(severity="info", message="A test is missing."),
)
REVIEW = Review(verdict="request_changes", summary="One case is wrong.", findings=FINDINGS)


async def begun(side: TrustedSide, fork: bool = True) -> tuple[HostedPull, Base, Change]:
    pull = await add_pull(side, {"new.txt": "a\nb\nc\n"}, **(STRANGERS if fork else {}))
    base = await prepare_pull(side, pull)
    return pull, *await side.repositories.read_pull("r1", base)


async def submit(side: TrustedSide, base: Base, change: Change) -> PullRequest:
    return await side.publisher.submit_review("r1", base, change, REVIEW, side.events.append)


async def test_the_pull_request_is_a_change_on_where_it_began(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    assert base.sha == pull.base_sha
    assert [file.path for file in change.files] == ["new.txt"]
    assert (
        change.tree
        == git(side.run().base_git, "rev-parse", f"{pull.head_sha}^{{tree}}").decode().strip()
    )


async def test_findings_are_at_the_lines_that_the_diff_shows(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    done = await submit(side, base, change)
    (sent,) = pull.reviews
    assert (sent["event"], sent["commit_id"]) == ("COMMENT", pull.head_sha)
    (comment,) = sent["comments"]
    assert (comment["path"], comment["line"], comment["side"]) == ("new.txt", 2, "RIGHT")
    assert comment["body"].startswith("**error**: Wrong for 0")
    assert "@ada" not in comment["body"]
    for told in ("asks for changes", "One case is wrong.", "`new.txt:99`", "A test is missing."):
        assert told in sent["body"]
    assert "Wrong for 0" not in sent["body"]
    assert done == PullRequest(
        url=f"{side.url}/pull/1",
        number=1,
        branch=pull.head,
        draft=False,
        head_repo=STRANGERS["fork"],
        created=False,
    )


async def test_the_right_to_review_is_tried_and_nothing_is_left_there(side: TrustedSide) -> None:
    pull, base, _ = await begun(side)
    await side.publisher.check_reviewable(base)
    assert pull.reviews == []
    side.forge.fail("POST", REVIEWS, Fault(403, "Resource not accessible by integration"))
    with pytest.raises(ForgeForbidden):
        await side.publisher.check_reviewable(base)
    side.forge.fail("POST", REVIEWS, Fault(502))
    await side.publisher.check_reviewable(base)


async def test_nothing_is_pushed(side: TrustedSide) -> None:
    pull, base, change = await begun(side, fork=False)
    await submit(side, base, change)
    assert await side.hosted.sha(pull.head) == pull.head_sha
    assert side.forge.calls("POST", ".git/git-receive-pack") == 0
    assert (pull.title, pull.body) == ("A feature", "As its author wrote it.")


async def test_a_review_whose_answer_was_lost_is_not_put_there_twice(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    side.forge.fail("POST", REVIEWS, replace(DROPPED, after=True))
    await submit(side, base, change)
    await submit(side, base, change)
    assert len(pull.reviews) == 1


async def test_a_run_that_was_killed_after_its_review_finds_it(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    side.forge.fail("POST", REVIEWS, replace(DROPPED, after=True))
    side.forge.fail("GET", REVIEWS, Fault(403))
    with pytest.raises(ForgeForbidden):
        await submit(side, base, change)
    await submit(side, base, change)
    assert len(pull.reviews) == 1


async def test_a_review_behind_a_hundred_others_is_found(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    pull.reviews += [{"event": "COMMENT", "body": "Nice."}] * 120
    side.forge.fail("POST", REVIEWS, replace(DROPPED, after=True))
    await submit(side, base, change)
    assert len(pull.reviews) == 121


async def test_lines_that_the_forge_does_not_know_go_into_the_text(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    pull.hidden_paths.add("new.txt")
    await submit(side, base, change)
    (sent,) = pull.reviews
    assert sent["comments"] == []
    assert "`new.txt:2`" in sent["body"]


async def test_a_closed_one_gets_none(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    pull.state = "closed"
    with pytest.raises(PullRequestClosed):
        await submit(side, base, change)
    assert pull.reviews == []


async def test_our_token_is_in_no_review(side: TrustedSide) -> None:
    pull, base, change = await begun(side)
    leaking = REVIEW.model_copy(update={"summary": f"It prints {TOKEN}."})
    with pytest.raises(Exception, match="holds the GitHub token"):
        await side.publisher.submit_review("r1", base, change, leaking, side.events.append)
    assert pull.reviews == []


def test_lines_of_a_diff_are_those_of_its_hunks() -> None:
    diff = b"""\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,2 +1,3 @@
 x
+++ b/planted.py
+y
-z
@@ -10 +11,2 @@
 a
+b
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/new.py b/new.py
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+x
\\ No newline at end of file
"""
    assert lines_of(diff) == {"a.py": [range(1, 4), range(11, 13)], "new.py": [range(1, 2)]}
