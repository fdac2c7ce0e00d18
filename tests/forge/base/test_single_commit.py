"""Repositories of one commit: of a forge over HTTP, and of a checkout."""

from pathlib import Path

import pytest

from forge.base.single_commit import SingleCommits
from graph.errors import CommitNotFound, RepositoryNotFound
from tests.support.trusted_side import TrustedSide, git

ABSENT = "0123456789" * 4


def commits_of(side: TrustedSide) -> tuple[str, str]:
    """The first commit, and one after it, on the forge."""
    first = git(side.hosted.git_dir, "rev-parse", "main").decode().strip()
    tree = git(side.hosted.git_dir, "rev-parse", "main^{tree}").decode().strip()
    words = ("commit-tree", tree, "-p", first, "-m", "Later")
    later = git(side.hosted.git_dir, *words).decode().strip()
    git(side.hosted.git_dir, "update-ref", "refs/heads/main", later)
    return first, later


@pytest.mark.parametrize("local", [False, True])
async def test_it_has_the_commit_alone(
    new_side: TrustedSide, tmp_path: Path, *, local: bool
) -> None:
    first, later = commits_of(new_side)
    repo = str(new_side.hosted.git_dir) if local else "octo/sample"
    for sha in (first, later):
        folder = tmp_path / sha / "sample"
        await SingleCommits(new_side.github).make(repo, sha, folder)
        assert git(folder, "log", "--all", "--format=%H").decode().split() == [sha]
        assert git(folder, "for-each-ref", "--format=%(refname)").decode() == "refs/heads/main\n"
        listed = git(folder, "cat-file", "--batch-all-objects", "--batch-check").decode()
        assert {first: later, later: first}[sha] not in listed


async def test_one_that_is_there_stays(new_side: TrustedSide, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    await SingleCommits(new_side.github).make("octo/sample", ABSENT, folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("local", [False, True])
async def test_a_commit_that_is_not_there(
    new_side: TrustedSide, tmp_path: Path, *, local: bool
) -> None:
    repo = str(new_side.hosted.git_dir) if local else "octo/sample"
    with pytest.raises(CommitNotFound, match=ABSENT):
        await SingleCommits(new_side.github).make(repo, ABSENT, tmp_path / "made" / "sample")
    assert list((tmp_path / "made").iterdir()) == []


async def test_a_repository_that_is_not_there(new_side: TrustedSide, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFound):
        await SingleCommits(new_side.github).make("octo/gone", ABSENT, tmp_path / "gone")
