"""What is published follows the base's newest commits, asked for once."""

from pathlib import Path

import pytest

from forge.publish.service import ForgePublisher
from graph.publication import PullRequest
from tests.forge.publish.test_preflight import BRANCH as WANTED
from tests.forge.publish.test_preflight import RULES, answer, check, pattern
from tests.standins.github import Fault
from tests.support.trusted_side import TrustedSide, git, make_repository, write_file

BRANCH = "agent/add-a-file-0123abcd"
SIGNED = "\n\nSigned-off-by: Ada <ada@example.org>"
BOT = "Bot <bot@example.org>"


def commit(folder: Path, *messages: str) -> None:
    for message in messages:
        git(folder, "commit", "-q", "--allow-empty", "-m", message)


def commit_to_base(side: TrustedSide, end: str = "") -> None:
    """Five commits on the forge's `main` that are written alike."""
    commit(side.source, *(f"fix: mend {number}{end}" for number in range(5)))
    git(side.source, "push", "-q", str(side.hosted.git_dir), "main")


@pytest.mark.slow
async def test_title_and_commit_follow_the_bases_commits(side: TrustedSide) -> None:
    commit_to_base(side, SIGNED)
    base = await side.prepare()
    change = await side.change(base, write_file)
    publisher = ForgePublisher(runs=side.runs, forge=side.github, kept=side.kept, sign_off=BOT)
    notes = await publisher.check_publishable("r1", base, WANTED, None, side.events.append)
    assert notes == ()
    await publisher.publish(side.publication(base, change), side.events.append)
    message = git(side.hosted.git_dir, "log", "-1", "--format=%B", BRANCH).decode().strip()
    assert message == f"feat: add a file\n\nIt was asked for.\n\nSigned-off-by: {BOT}"
    assert side.hosted.pulls[1].title == "feat: add a file"
    assert side.forge.calls("GET", "/commits") == 1


async def test_a_sign_off_that_is_not_set_is_told_before_the_work(side: TrustedSide) -> None:
    commit_to_base(side, SIGNED)
    (note,) = await check(side)
    assert "CODING_AGENT_SIGNOFF" in note


async def test_a_rule_for_messages_is_held_against_one_that_follows(side: TrustedSide) -> None:
    answer(side, RULES, [pattern("commit_message_pattern", "starts_with", "feat: ")])
    commit_to_base(side)
    assert await check(side) == ()


@pytest.mark.parametrize("status", [403, 404, 409])
async def test_commits_that_are_not_told_end_no_run(side: TrustedSide, status: int) -> None:
    side.forge.fail("GET", "/commits", Fault(status))
    assert await check(side) == ()


async def test_a_branch_in_a_checkout_follows_its_commits(
    side: TrustedSide, tmp_path: Path
) -> None:
    checkout = make_repository(tmp_path / "checkout")
    commit(checkout, *(f"docs: say {number}" for number in range(5)))
    base = await side.prepare(str(checkout))
    change = await side.change(base, write_file)
    done = await side.publisher.publish(side.publication(base, change), side.events.append)
    assert isinstance(done, PullRequest)
    subject = git(checkout, "log", "-1", "--format=%s", done.branch).decode().strip()
    assert subject == "feat: add a file"
