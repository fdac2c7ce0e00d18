"""Kept bases: fetched once, borrowed by every run, damaged, fought over, outgrown and removed."""

import asyncio
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from forge.base.bare_repository import borrowed_from
from forge.base.cache import KeptBases
from forge.base.cache_generation import WORN, Contents, Generation
from forge.base.service import GitRepositories
from graph.errors import BranchNotFound, CodingAgentError, ForgeUnauthorized, RepositoryNotFound
from tests.standins.github import DROPPED, Fault
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
    write_file,
)

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


def generation(side: TrustedSide, run_id: str = "r1") -> Generation:
    objects = borrowed_from(side.run(run_id).base_git)
    assert objects
    return Generation(objects.parent)


def expect(kept: Generation, files: dict[str, tuple[int, int]]) -> None:
    """Let these files alone be what the generation must hold."""
    file = kept.folder / "contents.json"
    contents = Contents.model_validate_json(file.read_bytes())
    file.write_text(contents.model_copy(update={"files": files}).model_dump_json())


def looks(path: Path) -> tuple[int, int]:
    return path.stat().st_size, path.stat().st_mtime_ns


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


async def test_a_second_run_brings_no_objects_and_has_none_of_its_own(side: TrustedSide) -> None:
    first = await side.prepare()
    side.forge.requests.clear()
    assert await side.prepare(run_id="r2") == first
    assert fetches(side) == 1  # it asked for the branch alone
    check_whole(side, first.sha, "r2")
    objects = [path for path in (side.run("r2").base_git / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in objects] == ["alternates"]
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
    assert generation(side) == generation(side, "r2")
    packs = sorted(
        (generation(side).objects / "pack").glob("*.pack"), key=lambda p: p.stat().st_size
    )
    assert len(packs) == 2
    assert packs[0].stat().st_size < 1000


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
    old = generation(side)
    side.forge.rename(side.hosted, "octo/renamed")
    await side.prepare(run_id="r2")
    assert generation(side, "r2") == old
    url = f"{side.forge.address}/octo/sample"
    await side.forge.add_repository("octo/sample", make_repository(tmp_path / "other"))
    await side.prepare(url, run_id="r3")
    assert generation(side, "r3").folder.parent != old.folder.parent
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


@pytest.mark.parametrize("damage", [Path.unlink, truncate, overwrite])
async def test_a_damaged_base_is_made_anew(side: TrustedSide, damage: Any) -> None:
    sha = (await side.prepare()).sha
    damaged = generation(side)
    damage(next((damaged.objects / "pack").glob("*.pack")))
    await side.prepare(run_id="r2")
    assert generation(side, "r2") != damaged
    check_whole(side, sha, "r2")
    await side.prepare()  # the first run's own, which was to be prepared once more
    check_whole(side, sha)


async def test_damage_that_only_git_sees_is_left_behind(side: TrustedSide) -> None:
    await side.prepare()
    damaged = generation(side)
    rot(next((damaged.objects / "pack").glob("*.pack")))
    expect(damaged, {path.name: looks(path) for path in (damaged.objects / "pack").iterdir()})
    after = commit(side, "more.txt")
    await side.prepare(run_id="r2")
    assert generation(side, "r2") != damaged
    check_whole(side, after, "r2")


async def test_a_fetch_that_is_cut_leaves_the_base_as_it_was(side: TrustedSide) -> None:
    before = (await side.prepare()).sha
    after = commit(side, "more.txt")
    side.forge.fail("POST", UPLOAD, Fault(**{**vars(DROPPED), "skip": 1, "times": 9}))
    with pytest.raises(CodingAgentError) as cut:
        await side.prepare(run_id="r2")
    assert cut.value.code == "github_unavailable"
    place = generation(side).folder.parent
    assert [path.name for path in place.iterdir()] == ["000001.git"]
    for left in (".fetch-of-a-killed-process", ".new-of-one"):
        (place / left / "objects").mkdir(parents=True)
    side.forge.forget_all()
    await side.forge.add_repository("octo/sample", side.source)
    check_whole(side, before)
    await side.kept.tidy(time.time(), 30)
    assert [path.name for path in place.iterdir()] == ["000001.git"]
    assert after != before


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
    assert len({generation(side, name).folder for name in names}) == 1
    assert len(list((generation(side, "r1").objects / "pack").glob("*.pack"))) == 1
    assert generation(side, "r1").folder.name == "000001.git"


async def test_what_runs_borrow_from_stays_and_goes_with_them(side: TrustedSide) -> None:
    await side.prepare()
    old = generation(side)
    for number in range(3 * WORN):
        (old.objects / "pack" / f"{number}.rev").touch()
    expect(old, {path.name: looks(path) for path in (old.objects / "pack").iterdir()})
    commit(side, "more.txt")
    await side.prepare(run_id="r2")
    new = generation(side, "r2")
    assert new != old
    later = time.time() + 31 * DAY_S
    await side.kept.tidy(later, 30)
    assert (old.folder.exists(), new.folder.exists()) == (True, True)
    shutil.rmtree(side.run("r1").root)
    await side.kept.tidy(later, 30)
    assert (old.folder.exists(), new.folder.exists()) == (False, True)
    shutil.rmtree(side.run("r2").root)
    await side.kept.tidy(time.time() + 29 * DAY_S, 30)
    assert new.folder.exists()
    await side.kept.tidy(later, 30)
    assert not new.folder.exists()
    await side.prepare(run_id="r3")


async def test_the_sandboxs_user_can_read_objects_and_nothing_else(side: TrustedSide) -> None:
    await side.prepare()
    kept = generation(side)
    for path in (kept.folder, kept.folder.parent, kept.folder.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o711
    for path in [kept.objects, *kept.objects.rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o444
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    for name in ("contents.json", "config", "shallow"):
        if (kept.folder / name).exists():
            assert stat.S_IMODE((kept.folder / name).stat().st_mode) == 0o600, name


async def test_all_data_can_be_moved(side: TrustedSide, tmp_path: Path) -> None:
    sha = (await side.prepare()).sha
    (tmp_path / "elsewhere").mkdir()
    for name in ("runs", "bases"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
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
    assert borrowed_from(side.run().base_git) is None
    check_whole(side, base.sha)
