"""Kept bases: fetched once, linked into every run, damaged, fought over, outgrown and removed."""

import asyncio
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from forge.base.bare_repository import link_packs
from forge.base.cache import MAX_PACKS, KeptBases
from forge.base.service import GitRepositories
from graph.errors import BranchNotFound, CodingAgentError, ForgeUnauthorized, RepositoryNotFound
from tests.standins.github import DROPPED, Fault
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
    write_file,
)

pytestmark = pytest.mark.slow

UPLOAD, REFS = ".git/git-upload-pack", ".git/info/refs"
DAY_S = 86_400.0


@pytest.fixture
def side(new_side: TrustedSide) -> TrustedSide:
    return new_side


def commit(side: TrustedSide, name: str, text: str = "more\n", branch: str = "main") -> str:
    """A commit of one file on a branch of the forge."""
    (side.source / name).write_text(text)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", name)
    git(side.source, "push", "-qf", str(side.hosted.git_dir), f"HEAD:refs/heads/{branch}")
    return git(side.source, "rev-parse", "HEAD").decode().strip()


def kept(side: TrustedSide) -> Path:
    """The kept repository."""
    (found,) = (side.runs.parent / "bases").glob("*/*.git")
    return found


def packs(git_dir: Path) -> dict[str, int]:
    """The packs of a repository, and which files they are."""
    found = (git_dir / "objects" / "pack").glob("*.pack")
    return {path.name: path.stat().st_ino for path in found}


def check_whole(side: TrustedSide, sha: str, run_id: str = "r1") -> None:
    """The base is at the commit, has all of its files and no history."""
    base_git = side.run(run_id).base_git
    assert git(base_git, "rev-parse", "HEAD").decode().strip() == sha
    assert git(base_git, "rev-list", "--count", "HEAD") == b"1\n"
    git(base_git, "fsck", "--full", "--strict")


def fetches(side: TrustedSide) -> int:
    """How often objects were asked for, after two questions of protocol version 2 for refs."""
    return sum(
        request.method == "POST" and request.path.endswith(UPLOAD)
        for request in side.forge.requests
    )


async def test_a_second_run_brings_no_objects_and_copies_none(side: TrustedSide) -> None:
    first = await side.prepare()
    side.forge.requests.clear()
    assert await side.prepare(run_id="r2") == first
    assert fetches(side) == 1  # it asked for the branch alone
    check_whole(side, first.sha, "r2")
    assert packs(side.run("r1").base_git) == packs(side.run("r2").base_git) == packs(kept(side))
    change = await side.change(first, write_file, run_id="r2")
    assert [file.path for file in change.files] == ["new.txt"]


async def test_a_branch_that_moved_brings_what_is_new_and_earlier_runs_stay(
    side: TrustedSide,
) -> None:
    (side.source / "large").write_bytes(bytes(range(256)) * 4000)
    before = commit(side, "first.txt")
    await side.prepare()
    after = commit(side, "second.txt")
    await side.prepare(run_id="r2")
    check_whole(side, before)
    check_whole(side, after, "r2")
    sizes = sorted(path.stat().st_size for path in kept(side).glob("objects/pack/*.pack"))
    assert len(sizes) == 2
    assert sizes[0] < 1000


async def test_a_history_written_anew_and_branches_that_come_and_go(side: TrustedSide) -> None:
    await side.prepare()
    git(side.source, "commit", "-q", "--amend", "-m", "written anew")
    anew = commit(side, "other.txt")
    await side.prepare(run_id="r2")
    check_whole(side, anew, "r2")
    commit(side, "topic.txt", branch="topic")
    await side.prepare(branch="topic", run_id="r3")
    git(side.hosted.git_dir, "branch", "-D", "topic")
    with pytest.raises(BranchNotFound):
        await side.prepare(branch="topic", run_id="r4")
    below = commit(side, "below.txt", branch="topic/below")
    base = await side.prepare(branch="topic/below", run_id="r5")
    check_whole(side, below, "r5")
    assert base.branch == "topic/below"


@pytest.mark.parametrize(
    ("path", "fault", "error"),
    [
        (REFS, Fault(404, times=9), RepositoryNotFound),
        (REFS, Fault(401, times=9), ForgeUnauthorized),
        ("/repos/octo/sample", Fault(404, "Not Found", times=9), RepositoryNotFound),
    ],
)
async def test_who_may_not_read_it_any_more_gets_nothing_of_what_is_kept(
    side: TrustedSide, path: str, fault: Fault, error: type[CodingAgentError]
) -> None:
    await side.prepare()
    side.hosted.private = True
    side.forge.fail("GET", path, fault)
    with pytest.raises(error):
        await side.prepare(run_id="r2")
    assert list(side.run("r2").root.iterdir()) == []


async def test_another_repository_of_the_same_name_shares_nothing(
    side: TrustedSide, tmp_path: Path
) -> None:
    secret = commit(side, "secret.txt")
    await side.prepare()
    old = packs(kept(side))
    side.forge.rename(side.hosted, "octo/renamed")
    await side.prepare(run_id="r2")
    assert packs(side.run("r2").base_git) == old
    url = f"{side.forge.address}/octo/sample"
    await side.forge.add_repository("octo/sample", make_repository(tmp_path / "other"))
    await side.prepare(url, run_id="r3")
    assert packs(side.run("r3").base_git).keys().isdisjoint(old)
    asked = git(side.run("r3").base_git, "cat-file", "--batch-check", stdin=f"{secret}\n".encode())
    assert asked == f"{secret} missing\n".encode()


def truncate(pack: Path) -> None:
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:-30])


def overwrite(pack: Path) -> None:
    pack.chmod(0o600)
    pack.write_bytes(bytes(pack.stat().st_size))


def rot(pack: Path) -> None:
    """Head and end are right, so that git believes in what is between."""
    pack.chmod(0o600)
    content = pack.read_bytes()
    pack.write_bytes(content[:12] + bytes(len(content) - 32) + content[-20:])


@pytest.mark.parametrize("damage", [Path.unlink, truncate, overwrite, rot])
@pytest.mark.parametrize("moved", [False, True])
async def test_a_damaged_repository_is_made_anew(
    side: TrustedSide, damage: Any, moved: bool
) -> None:
    sha = (await side.prepare()).sha
    damage(next(kept(side).glob("objects/pack/*.pack")))
    sha = commit(side, "more.txt") if moved else sha
    await side.prepare(run_id="r2")
    check_whole(side, sha, "r2")
    git(kept(side), "fsck", "--full", "--strict")


async def test_a_fetch_that_is_cut_leaves_what_is_kept_as_it_was(side: TrustedSide) -> None:
    before = (await side.prepare()).sha
    found = packs(kept(side))
    after = commit(side, "more.txt")
    side.forge.fail("POST", UPLOAD, Fault(**{**vars(DROPPED), "skip": 1, "times": 9}))
    with pytest.raises(CodingAgentError) as cut:
        await side.prepare(run_id="r2")
    assert cut.value.code == "github_unavailable"
    assert packs(kept(side)) == found
    for left in ("shallow.lock", "config.lock", "objects/pack/tmp_pack_1"):  # of one that is killed
        (kept(side) / left).touch()
    side.forge.forgive()
    check_whole(side, before)
    await side.prepare(run_id="r3")
    check_whole(side, after, "r3")
    assert found.items() <= packs(kept(side)).items()
    assert not list(kept(side).rglob("*.lock"))
    assert not list(kept(side).rglob("tmp_*"))


async def test_runs_of_two_processes_at_once_fetch_once(side: TrustedSide) -> None:
    other = GitRepositories(
        runs=side.runs,
        forge=side.github,
        allow_local=False,
        allowed=lambda _: True,
        kept=KeptBases(side.runs.parent / "bases", runs=side.runs),
    )
    names = [f"r{number}" for number in range(6)]
    for name in names:
        side.run(name)
    bases = await asyncio.gather(
        *(
            (side.repositories, other)[number % 2].prepare(name, side.url, None, side.events.append)
            for number, name in enumerate(names)
        )
    )
    assert len(set(bases)) == 1
    assert all(packs(side.run(name).base_git) == packs(kept(side)) for name in names)
    assert len(packs(kept(side))) == 1


async def test_a_repository_of_too_many_packs_begins_anew(side: TrustedSide) -> None:
    sha = (await side.prepare()).sha
    pack = next(kept(side).glob("objects/pack/*.pack"))
    for number in range(MAX_PACKS):
        for ending in (".pack", ".idx"):
            copy = pack.with_name(f"pack-{number:040x}{ending}")
            copy.write_bytes(pack.with_suffix(ending).read_bytes())
    await side.prepare(run_id="r2")
    assert len(packs(kept(side))) == MAX_PACKS + 1
    after = commit(side, "more.txt")
    await side.prepare(run_id="r3")
    assert len(packs(kept(side))) == 1
    check_whole(side, sha)
    check_whole(side, after, "r3")


async def test_what_is_not_used_goes_and_runs_keep_their_bases(side: TrustedSide) -> None:
    sha = (await side.prepare()).sha
    await side.kept.tidy(time.time() + 29 * DAY_S, 30)
    found = kept(side)
    await side.kept.tidy(time.time() + 31 * DAY_S, 30)
    assert not found.exists()
    check_whole(side, sha)
    await side.prepare(run_id="r2")
    check_whole(side, sha, "r2")


def test_another_disk_gets_copies(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack-1.pack").write_bytes(b"objects")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for _ in range(2):
            link_packs(tmp_path, Path(folder))
        assert (Path(folder) / "pack" / "pack-1.pack").read_bytes() == b"objects"


async def test_a_base_that_borrows_from_an_earlier_releases_gets_its_own_packs(
    side: TrustedSide,
) -> None:
    sha = (await side.prepare()).sha
    objects = side.run().base_git / "objects"
    shutil.rmtree(objects / "pack")
    (objects / "pack").mkdir()
    way = os.path.relpath(kept(side) / "objects", objects)
    (objects / "info").mkdir(exist_ok=True)
    (objects / "info" / "alternates").write_text(f"{way}\n")
    check_whole(side, sha)
    await side.kept.tidy(time.time() + 31 * DAY_S, 30)
    assert not list((side.runs.parent / "bases").glob("*/*.git"))
    assert not (objects / "info" / "alternates").exists()
    check_whole(side, sha)


async def test_the_sandboxs_user_can_read_objects_and_nothing_else(side: TrustedSide) -> None:
    await side.prepare()
    base_git = side.run().base_git
    assert stat.S_IMODE(base_git.stat().st_mode) == 0o711
    objects = base_git / "objects"
    for path in [objects, *objects.rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o444
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    for name in ("config", "shallow", "packed-refs"):
        assert stat.S_IMODE((base_git / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(kept(side).stat().st_mode) == 0o700


async def test_all_data_can_be_moved(side: TrustedSide, tmp_path: Path) -> None:
    sha = (await side.prepare()).sha
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").rename(tmp_path / "elsewhere" / "runs")
    assert git(tmp_path / "elsewhere/runs/r1/base.git", "rev-parse", "HEAD").decode().strip() == sha


async def test_without_kept_bases_a_base_has_its_own_objects(side: TrustedSide) -> None:
    repositories = GitRepositories(
        runs=side.runs,
        forge=side.github,
        allow_local=False,
        allowed=lambda _: True,
    )
    side.run()
    base = await repositories.prepare("r1", side.url, None, side.events.append)
    assert not (side.runs.parent / "bases").exists()
    check_whole(side, base.sha)
