"""A base branch that moved or went away while the run worked."""

from typing import Any

import pytest

from graph.errors import BranchNotFound, ForgeUnavailable
from graph.publication import PullRequest
from graph.values import Base, Change
from tests.standins.github import Fault
from tests.standins.github_server.repository import HostedPull
from tests.support.trusted_side import TrustedSide, git, write_file

pytestmark = pytest.mark.slow

BRANCH = "agent/add-a-file-0123abcd"
UPLOAD, REFS = ".git/git-upload-pack", ".git/info/refs"


async def a_change(side: TrustedSide, name: str = "new.txt") -> tuple[Base, Change]:
    base = await side.prepare()
    return base, await side.change(base, lambda work: (work / name).write_text("ours\n"))


async def publish(side: TrustedSide, base: Base, change: Change, **more: Any) -> PullRequest:
    return await side.publish(side.publication(base, change, **more))


def move(side: TrustedSide, name: str, text: str) -> str:
    """A commit on `main` of the forge that writes one file."""
    (side.source / name).write_text(text)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "moved on")
    git(side.source, "push", "-q", str(side.hosted.git_dir), "main")
    return git(side.source, "rev-parse", "HEAD").decode().strip()


def only_pull(side: TrustedSide) -> HostedPull:
    assert list(side.hosted.pulls) == [1]
    return side.hosted.pulls[1]


async def test_a_base_that_stands_is_asked_for_once_and_not_mentioned(side: TrustedSide) -> None:
    base, change = await a_change(side)
    asked = side.forge.calls("GET", REFS)
    done = await publish(side, base, change)
    asked_for = ("the base", "branches in the way", "the push")
    assert side.forge.calls("GET", REFS) - asked == len(asked_for)
    assert done.conflicts == ()
    assert "moved" not in only_pull(side).body


async def test_a_move_that_fits_is_said_and_the_change_is_what_was_validated(
    side: TrustedSide,
) -> None:
    base, change = await a_change(side)
    newest = move(side, "elsewhere.txt", "theirs\n")
    done = await publish(side, base, change)
    assert (done.draft, done.conflicts) == (False, ())
    body = only_pull(side).body
    assert f"main moved from {base.sha[:10]} to {newest[:10]}" in body
    assert "without a conflict" in body
    parent, tree = git(side.hosted.git_dir, "rev-parse", f"{BRANCH}^", f"{BRANCH}^{{tree}}").split()
    assert (parent.decode(), tree.decode()) == (base.sha, change.tree)
    git(side.hosted.git_dir, "fsck", "--strict")


async def test_two_edits_of_one_file_that_fit_are_no_conflict(side: TrustedSide) -> None:
    lines = [f"line {number}\n" for number in range(20)]
    move(side, "long.txt", "".join(lines))
    base = await side.prepare()
    edited = "".join([*lines[:-1], "ours\n"])
    change = await side.change(base, lambda work: (work / "long.txt").write_text(edited))
    move(side, "long.txt", "".join(["theirs\n", *lines[1:]]))
    assert (await publish(side, base, change)).conflicts == ()


async def test_a_conflict_makes_a_draft_that_names_the_paths(side: TrustedSide) -> None:
    base, change = await a_change(side, "README.md")
    move(side, "README.md", "theirs\n")
    done = await publish(side, base, change)
    assert (done.draft, done.conflicts) == (True, ("README.md",))
    assert only_pull(side).draft
    assert "conflicts with it in: README.md" in only_pull(side).body
    move(side, "README.md", "# Sample\n")
    again = await publish(side, base, change)
    assert (again.number, again.draft, again.conflicts) == (1, False, ())
    assert "conflict with" not in only_pull(side).body


async def test_the_repositorys_attributes_do_not_decide_the_trial(side: TrustedSide) -> None:
    move(side, ".gitattributes", "* merge=ours -merge filter=evil\n")
    base, change = await a_change(side, "README.md")
    move(side, "README.md", "theirs\n")
    assert (await publish(side, base, change)).conflicts == ("README.md",)


async def test_a_base_that_was_deleted_is_told_before_anything_is_pushed(
    side: TrustedSide,
) -> None:
    git(side.hosted.git_dir, "branch", "dev", "main")
    base = await side.prepare(branch="dev")
    change = await side.change(base, write_file)
    git(side.hosted.git_dir, "branch", "-D", "dev")
    with pytest.raises(BranchNotFound) as raised:
        await publish(side, base, change)
    assert "Restore the branch" in raised.value.hint
    assert git(side.hosted.git_dir, "branch", "--list", "agent/*") == b""
    git(side.hosted.git_dir, "branch", "dev", "main")
    await publish(side, base, change)
    assert only_pull(side).base == "dev"


@pytest.mark.parametrize("fault", [Fault(502), Fault(None)])
async def test_a_lost_answer_while_it_looks_is_asked_for_again(
    side: TrustedSide, fault: Fault
) -> None:
    base, change = await a_change(side)
    move(side, "elsewhere.txt", "theirs\n")
    side.forge.fail("POST", UPLOAD, Fault(**{**vars(fault), "skip": 1}))
    await publish(side, base, change)
    assert "without a conflict" in only_pull(side).body


async def test_a_forge_that_stays_away_ends_the_look(side: TrustedSide) -> None:
    base, change = await a_change(side)
    move(side, "elsewhere.txt", "theirs\n")
    side.forge.fail("POST", UPLOAD, Fault(503, times=99))
    with pytest.raises(ForgeUnavailable):
        await publish(side, base, change)
    assert side.hosted.pulls == {}


async def test_nothing_of_the_look_is_left(side: TrustedSide) -> None:
    base, change = await a_change(side)
    before = sorted(side.run().base_git.rglob("*"))
    move(side, "elsewhere.txt", "theirs\n")
    await publish(side, base, change)
    assert sorted(side.run().base_git.rglob("*")) == before
    assert [*side.run().root.glob(".*"), *side.run().root.glob("base-*")] == []
    alternates = side.run().objects / "info" / "alternates"
    assert alternates.read_text() == "../base.git/objects\n"
