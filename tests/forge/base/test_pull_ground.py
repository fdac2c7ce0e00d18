"""The base of a run on a pull request: its head beside the trusted base, from a fork too."""

import pytest

from graph.errors import InvalidRequest, PullRequestClosed, PullRequestNotFound
from graph.files import RunFolder
from graph.values import Base
from tests.support.pull_requests import add_pull, commit_on, prepare_pull
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow


def tree_of(side: TrustedSide, commit: str) -> str:
    return git(side.hosted.git_dir, "rev-parse", f"{commit}^{{tree}}").decode().strip()


async def test_the_head_is_the_ground_and_the_base_branch_is_trusted(side: TrustedSide) -> None:
    start = git(side.hosted.git_dir, "rev-parse", "main").decode().strip()
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    newest = commit_on(side, "main", {"later.txt": "later\n"})
    base = await prepare_pull(side, pull)
    assert (base.sha, base.tree) == (pull.head_sha, tree_of(side, pull.head_sha))
    assert base.branch == "main"
    assert base.trusted
    assert (base.trusted.sha, base.trusted.tree) == (newest, tree_of(side, newest))
    assert base.pull
    assert base.pull.start.sha == start
    assert (base.pull.head_repo, base.pull.head_branch) == ("octo/sample", pull.head)
    assert (base.pull.fork, base.pull.ours) == (False, True)
    assert base.trusted_base == base.model_copy(
        update={"sha": newest, "tree": tree_of(side, newest), "pull": None, "trusted": None}
    )


async def test_its_diff_is_against_where_it_began_and_its_paths_against_the_trusted_base(
    side: TrustedSide,
) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    commit_on(side, "main", {"later.txt": "later\n"})
    base = await prepare_pull(side, pull)
    run = RunFolder.of(side.runs, "r1")
    diff = run.diff(0).read_text()
    assert "+theirs" in diff
    assert "later.txt" not in diff
    assert run.ground_paths(base).read_text().splitlines() == ["+++ later.txt", "+++ new.txt"]


async def test_a_forks_head_comes_by_the_repository_it_goes_to(side: TrustedSide) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"}, fork="stranger/sample", author="stranger")
    base = await prepare_pull(side, pull)
    assert base.sha == pull.head_sha
    assert base.pull
    assert (base.pull.head_repo, base.pull.fork, base.pull.ours) == ("stranger/sample", True, False)
    asked = {request.path for request in side.forge.requests if ".git/" in request.path}
    assert not [path for path in asked if path.startswith("/stranger/")]


async def test_nothing_of_a_fork_is_kept_for_other_runs(side: TrustedSide) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"}, fork="stranger/sample", author="stranger")
    await prepare_pull(side, pull)
    for kept in (side.runs.parent / "bases").glob("*/*.git"):
        found = git(kept, "cat-file", "--batch-check", stdin=f"{pull.head_sha}\n".encode())
        assert found.endswith(b" missing\n")


async def test_it_is_found_again_as_it_was(side: TrustedSide) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    first = await prepare_pull(side, pull)
    commit_on(side, pull.head, {"more.txt": "more\n"})
    assert await prepare_pull(side, pull) == first


async def test_a_change_is_made_on_the_head(side: TrustedSide) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    base = await prepare_pull(side, pull)
    run = RunFolder.of(side.runs, "r1")
    assert git(run.base_git, "show", f"{base.sha}:new.txt") == b"theirs\n"
    ref = side.hand_over(PATCH)
    change = await side.repositories.read_change("r1", base, ref)
    assert [file.path for file in change.files] == ["new.txt"]


PATCH = b"""\
diff --git a/new.txt b/new.txt
--- a/new.txt
+++ b/new.txt
@@ -1 +1 @@
-theirs
+ours
"""


@pytest.mark.parametrize("state", ["closed", "merged"])
async def test_one_that_was_closed_is_told(side: TrustedSide, state: str) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    pull.state = "closed"
    pull.merged_at = "2026-11-30T00:00:00Z" if state == "merged" else None
    with pytest.raises(PullRequestClosed, match="/pull/1 is merged or closed"):
        await prepare_pull(side, pull)


async def test_one_that_is_not_there_is_told(side: TrustedSide) -> None:
    with pytest.raises(PullRequestNotFound, match="octo/sample has no pull request 9"):
        await prepare_url(side, f"{side.url}/pull/9")
    with pytest.raises(InvalidRequest, match="not the address of a pull request"):
        await prepare_url(side, f"{side.url}/issues/9")


async def prepare_url(side: TrustedSide, url: str) -> Base:
    side.run()
    return await side.repositories.prepare_pull("r1", url, side.events.append)
