"""Bases that no tree holds are refused at once, however few objects they are made of."""

from pathlib import Path

import pytest

from forge.base.service import GitRepositories
from graph.errors import RepositoryTooLarge
from graph.events import unheard
from tests.standins.github import GitHubStandIn
from tests.support.trusted_side import TrustedSide, git, make_repository, open_github


def commit_tree(folder: Path, tree: str) -> None:
    commit = git(folder, "commit-tree", "-m", "bomb", tree).decode().strip()
    git(folder, "update-ref", "refs/heads/main", commit)


def make_tree(folder: Path, entries: str) -> str:
    return git(folder, "mktree", stdin=entries.encode()).decode().strip()


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """Ten folders of ten folders, ten levels deep: twelve objects, and 10^11 files."""
    folder = make_repository(tmp_path / "bomb")
    (folder / "fuse").write_text("boom\n")
    blob = git(folder, "hash-object", "-w", "fuse").decode().strip()
    tree = make_tree(folder, "".join(f"100644 blob {blob}\tf{n}\n" for n in range(10)))
    for _ in range(10):
        tree = make_tree(folder, "".join(f"040000 tree {tree}\td{n}\n" for n in range(10)))
    commit_tree(folder, tree)
    return folder


async def test_a_git_bomb_is_told_as_too_large(side: TrustedSide, bomb: Path) -> None:
    with pytest.raises(RepositoryTooLarge, match="more than 250000 files"):
        await side.prepare(str(bomb))


async def test_a_git_bomb_of_the_forge_is_told_as_too_large(side: TrustedSide, bomb: Path) -> None:
    git(bomb, "push", "-q", "--force", str(side.hosted.git_dir), "main")
    with pytest.raises(RepositoryTooLarge, match="more than 250000 files"):
        await side.prepare()


async def test_a_base_is_held_against_the_size_of_trees(
    tmp_path: Path, forge: GitHubStandIn
) -> None:
    folder = make_repository(tmp_path / "large")
    (folder / "large").write_bytes(b"x" * (2 << 20))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "large")
    for number, largest_mb in enumerate((1, 3)):
        run_id = f"run{number}"
        (tmp_path / "runs" / run_id).mkdir(parents=True)
        repositories = GitRepositories(
            runs=tmp_path / "runs",
            forge=open_github(forge),
            allow_local=True,
            allowed=lambda _: True,
            largest_mb=largest_mb,
        )
        if largest_mb == 1:
            with pytest.raises(RepositoryTooLarge, match="2 MiB; a tree holds 1 MiB"):
                await repositories.prepare(run_id, str(folder), None, unheard)
        else:
            assert (await repositories.prepare(run_id, str(folder), None, unheard)).local
