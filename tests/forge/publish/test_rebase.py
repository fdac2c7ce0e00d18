"""A change put onto a base branch that moved: merged as data, kept as a patch, published there."""

from pathlib import Path

import pytest

from forge.publish.service import ForgePublisher
from graph.errors import BranchNotFound
from graph.publication import ChangeOnNewBase, PullRequest
from graph.values import Base, Change
from tests.forge.publish.test_moved_base import (
    BRANCH,
    UPLOAD,
    a_change,
    move,
    only_pull,
)
from tests.standins.github import Fault
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

STEP = 7


async def follow(
    side: TrustedSide, base: Base, change: Change, step: int = STEP
) -> PullRequest | ChangeOnNewBase:
    publication = side.publication(base, change, rebase_step=step)
    return await side.publisher.publish(publication, side.events.append)


async def gone_over(
    side: TrustedSide, base: Base, change: Change, step: int = STEP
) -> tuple[Base, Change]:
    rebased = await follow(side, base, change, step)
    assert isinstance(rebased, ChangeOnNewBase)
    assert rebased.change
    return rebased.base, rebased.change


def on_forge(side: TrustedSide, *words: str) -> str:
    return git(side.hosted.git_dir, *words).decode().strip()


async def publish(side: TrustedSide, base: Base, change: Change) -> PullRequest:
    done = await side.publish(side.publication(base, change))
    git(side.hosted.git_dir, "fsck", "--strict")
    return done


async def test_a_change_that_fits_stands_on_the_newer_base(side: TrustedSide) -> None:
    base, change = await a_change(side)
    newest = move(side, "elsewhere.txt", "theirs\n")
    newer, rebased = await gone_over(side, base, change)
    assert (newer.sha, newer.moved, newer.branch) == (newest, 1, "main")
    assert (rebased.title, rebased.ref.role, rebased.ref.step) == (change.title, "rebase", STEP)
    assert [file.path for file in rebased.files] == ["new.txt"]
    assert b"+ours" in side.run().diff(STEP).read_bytes()
    assert side.hosted.pulls == {}
    assert on_forge(side, "branch", "--list", "agent/*") == ""

    await publish(side, newer, rebased)
    parent, tree = on_forge(side, "rev-parse", f"{BRANCH}^", f"{BRANCH}^{{tree}}").split()
    assert (parent, tree) == (newest, rebased.tree)
    assert on_forge(side, "show", f"{BRANCH}:elsewhere.txt") == "theirs"
    assert f"main moved from {base.sha[:10]} to {newest[:10]}" in only_pull(side).body


async def test_new_objects_are_the_runs_own(side: TrustedSide) -> None:
    base, change = await a_change(side)
    before = sorted(side.run().base_git.rglob("*"))
    move(side, "elsewhere.txt", "theirs\n")
    newer, rebased = await gone_over(side, base, change)
    assert sorted(side.run().base_git.rglob("*")) == before
    newer_git = side.run().git_of(newer)
    asked = git(newer_git, "cat-file", "--batch-check", stdin=f"{rebased.tree}\n".encode())
    assert asked == f"{rebased.tree} missing\n".encode()
    assert [*side.run().root.glob(".*")] == []


def odd_files(work: Path) -> None:
    """Edits of every kind, and a copy whose content is on the old base alone."""
    (work / "crlf.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    (work / "binary.bin").write_bytes(bytes(range(256)))
    (work / 'na\xefve "name"\n.txt').write_bytes(b"latin \xef\n")
    (work / "link").symlink_to("README.md")
    (work / "copy.md").write_bytes((work / "README.md").read_bytes())
    (work / "src" / "app.py").chmod(0o755)


async def test_odd_files_come_over_as_they_are(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.change(base, odd_files)
    move(side, "README.md", "# Another\n")
    newer, rebased = await gone_over(side, base, change)
    assert len(rebased.files) == len(change.files)
    await publish(side, newer, rebased)
    assert on_forge(side, "show", f"{BRANCH}:copy.md") == "# Sample"
    assert on_forge(side, "show", f"{BRANCH}:README.md") == "# Another"
    blob = git(side.hosted.git_dir, "show", f"{BRANCH}:crlf.txt")
    assert blob == b"one\r\ntwo\r\nthree\r\n"
    assert on_forge(side, "ls-tree", BRANCH, "src/app.py").startswith("100755")


async def test_what_the_newer_base_has_already_is_nothing_to_do(side: TrustedSide) -> None:
    base, change = await a_change(side)
    move(side, "new.txt", "ours\n")
    rebased = await follow(side, base, change)
    assert isinstance(rebased, ChangeOnNewBase)
    assert rebased.change is None


async def test_a_conflict_is_published_as_before(side: TrustedSide) -> None:
    base, change = await a_change(side, "README.md")
    move(side, "README.md", "theirs\n")
    done = await follow(side, base, change)
    assert isinstance(done, PullRequest)
    assert (done.draft, done.conflicts) == (True, ("README.md",))


async def test_a_branch_that_is_there_is_merged_with_the_newer_base(side: TrustedSide) -> None:
    base, change = await a_change(side)
    await publish(side, base, change)
    first = on_forge(side, "rev-parse", BRANCH)
    newest = move(side, "elsewhere.txt", "theirs\n")
    newer, rebased = await gone_over(side, base, change)
    done = await publish(side, newer, rebased)
    assert (done.number, done.created) == (1, False)
    assert on_forge(side, "log", "-1", "--format=%P", BRANCH).split() == [first, newest]
    assert on_forge(side, "diff", "--name-only", f"main...{BRANCH}") == "new.txt"

    work = await side.change(newer, lambda work: (work / "more.txt").write_text("m\n"), step=9)
    await publish(side, newer, work)
    assert on_forge(side, "log", "-1", "--format=%P", BRANCH).count(" ") == 0


async def test_a_base_that_moves_again_is_gone_over_to_again(side: TrustedSide) -> None:
    base, change = await a_change(side)
    move(side, "one.txt", "1\n")
    newer, rebased = await gone_over(side, base, change)
    newest = move(side, "two.txt", "2\n")
    newer, rebased = await gone_over(side, newer, rebased, STEP + 2)
    assert (newer.moved, newer.sha) == (2, newest)
    await publish(side, newer, rebased)
    assert on_forge(side, "log", "-1", "--format=%P", BRANCH) == newest
    assert [file.path for file in rebased.files] == ["new.txt"]


def half_a_base(root: Path) -> None:
    (root / "base-1.git" / "objects").mkdir(parents=True)
    (root / ".merge-of-a-killed-process").mkdir()


async def test_a_kill_in_the_middle_is_made_good(side: TrustedSide) -> None:
    base, change = await a_change(side)
    move(side, "one.txt", "1\n")
    half_a_base(side.run().root)
    await gone_over(side, base, change)  # and its result is lost with the process
    move(side, "two.txt", "2\n")
    newer, rebased = await gone_over(side, base, change)
    again = await gone_over(side, base, change)
    assert again == (newer, rebased)
    await publish(side, newer, rebased)
    assert on_forge(side, "show", f"{BRANCH}:two.txt") == "2"


async def test_a_lost_answer_is_asked_for_again(side: TrustedSide) -> None:
    base, change = await a_change(side)
    move(side, "elsewhere.txt", "theirs\n")
    side.forge.fail("POST", UPLOAD, Fault(None, skip=1))
    await gone_over(side, base, change)


async def test_a_branch_that_goes_meanwhile_is_told(side: TrustedSide) -> None:
    git(side.hosted.git_dir, "branch", "dev", "main")
    base = await side.prepare(branch="dev")
    change = await side.change(base, lambda work: (work / "new.txt").write_text("ours\n"))
    git(side.hosted.git_dir, "branch", "-D", "dev")
    with pytest.raises(BranchNotFound):
        await follow(side, base, change)


async def test_without_kept_bases_the_newer_one_has_its_own_objects(side: TrustedSide) -> None:
    side.publisher = ForgePublisher(runs=side.runs, forge=side.github)
    base, change = await a_change(side)
    move(side, "elsewhere.txt", "theirs\n")
    newer, rebased = await gone_over(side, base, change)
    await publish(side, newer, rebased)
    assert on_forge(side, "show", f"{BRANCH}:elsewhere.txt") == "theirs"
