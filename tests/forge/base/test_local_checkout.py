"""A local checkout: its newest commit is the base, a branch is the result, all else stays."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from forge.base.local_checkout import Checkout
from forge.git.command import Git
from forge.publish.service import ForgePublisher
from graph.errors import (
    BranchExists,
    BranchNotFound,
    CodingAgentError,
    EmptyRepository,
    PushRejected,
    RepositoryError,
    RepositoryNotFound,
)
from graph.publication import PullRequest
from graph.values import Base, Change
from tests.standins.github import Fault
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_repository,
    open_github,
    write_file,
)

pytestmark = pytest.mark.slow

BRANCH = "agent/add-a-file-0123abcd"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with uncommitted work and everything in its config that could run."""
    folder = make_repository(tmp_path / "my project")
    fired = tmp_path / "fired"
    script = tmp_path / "fire.sh"
    script.write_text(f"#!/bin/sh\ntouch '{fired}'\ncat\n")
    script.chmod(0o755)
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.editor", "core.pager", "diff.external"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "gpg.program"),
        *("uploadpack.packObjectsHook", "credential.helper", "alias.status", "core.askPass"),
    ):
        git(folder, "config", key, str(script))
    git(folder, "config", "filter.evil.required", "true")
    git(folder, "config", "commit.gpgSign", "true")
    for name in ("reference-transaction", "post-checkout", "post-merge", "pre-commit", "update"):
        shutil.copy(script, folder / ".git" / "hooks" / name)
    (folder / ".gitattributes").write_text("* filter=evil\n")
    (folder / "src" / "app.py").write_text("print('uncommitted')\n")
    (folder / "untracked").write_text("mine\n")
    return folder


def umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


def snapshot(folder: Path) -> dict[str, tuple[float, str]]:
    """Every file but new objects and the run's branch, with its time and content."""
    kept = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.startswith((".git/objects", ".git/refs/heads/agent")):
            continue
        kept[name] = (path.stat().st_mtime, hashlib.sha256(path.read_bytes()).hexdigest())
    return kept


async def publish(side: TrustedSide, base: Base, change: Change) -> PullRequest:
    return await side.publish(side.publication(base, change))


async def test_a_run_leaves_the_checkout_as_it_was(
    side: TrustedSide, checkout: Path, tmp_path: Path
) -> None:
    before = snapshot(checkout)
    base = await side.prepare(str(checkout))
    assert base.local
    assert (base.address, base.full_name, base.branch) == (str(checkout), "my project", "main")
    assert any("Uncommitted" in note for note in base.notes)
    change = await side.change(base, write_file)
    assert (await side.publisher.gate("r1", base, change, ())).passed
    done = await publish(side, base, change)
    assert (done.url, done.number, done.branch, done.draft) == (None, None, BRANCH, False)
    assert done.created
    assert snapshot(checkout) == before
    assert not (tmp_path / "fired").exists()
    assert git(checkout, "show", f"{BRANCH}:new.txt") == b"new\n"
    assert git(checkout, "show", f"{BRANCH}:src/app.py") == b"print('hello')\n"
    assert git(checkout, "rev-parse", f"{BRANCH}^").decode().strip() == base.sha
    git(checkout, "fsck", "--strict")
    modes = {
        path.stat().st_mode & 0o777 for path in (checkout / ".git").rglob("refs/heads/agent/*")
    }
    assert modes == {0o666 & ~umask()}


@pytest.mark.parametrize(
    ("origin", "pushable"),
    [
        ("https://github.com/octo/sample.git", True),
        ("git@github.com:octo/sample.git", True),
        ("ssh://git@host.example/octo/sample", True),
        ("/srv/git/sample.git", False),
        ("../sample", False),
        ("", False),
    ],
)
async def test_whether_the_origin_is_on_another_machine_is_told(
    side: TrustedSide, checkout: Path, origin: str, *, pushable: bool
) -> None:
    if origin:
        git(checkout, "config", "remote.origin.url", origin)
    found = await Checkout.find(Git(side.github.access), checkout)
    assert await found.has_distant_origin(Git(side.github.access)) is pushable


async def test_the_patch_applies_to_the_base(
    side: TrustedSide, checkout: Path, tmp_path: Path
) -> None:
    base = await side.prepare(str(checkout))
    done = await publish(side, base, await side.change(base, write_file))
    assert done.patch is not None
    assert stat.S_IMODE(Path(done.patch).stat().st_mode) == 0o600
    git(tmp_path, "clone", "-q", "--no-checkout", str(side.run().base_git), "fresh")
    git(tmp_path / "fresh", "checkout", "-q", base.sha)
    git(tmp_path / "fresh", "apply", done.patch)
    assert (tmp_path / "fresh" / "new.txt").read_text() == "new\n"


async def test_repeating_makes_nothing_twice(side: TrustedSide, checkout: Path) -> None:
    base = await side.prepare(str(checkout))
    change = await side.change(base, write_file)
    first = await publish(side, base, change)
    sha = git(checkout, "rev-parse", BRANCH)
    assert await publish(side, base, change) == first
    assert git(checkout, "rev-parse", BRANCH) == sha


async def test_a_later_publication_goes_on_from_the_first(
    side: TrustedSide, checkout: Path
) -> None:
    base = await side.prepare(str(checkout))
    await publish(side, base, await side.change(base, write_file))
    first = git(checkout, "rev-parse", BRANCH)
    change = await side.change(base, lambda work: (work / "two").write_text("2"), step=3)
    done = await publish(side, base, change)
    assert not done.created
    assert git(checkout, "rev-parse", f"{BRANCH}^") == first
    assert git(checkout, "ls-tree", "--name-only", BRANCH).split() == [b"README.md", b"src", b"two"]


async def test_a_branch_that_is_checked_out_stays(side: TrustedSide, checkout: Path) -> None:
    base = await side.prepare(str(checkout))
    await publish(side, base, await side.change(base, write_file))
    git(checkout, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    change = await side.change(base, lambda work: (work / "two").write_text("2"), step=3)
    with pytest.raises(PushRejected, match="checked out"):
        await publish(side, base, change)


async def test_a_branch_of_that_name_stays(side: TrustedSide, checkout: Path) -> None:
    git(checkout, "update-ref", f"refs/heads/{BRANCH}", "HEAD")
    base = await side.prepare(str(checkout))
    done = await publish(side, base, await side.change(base, write_file))
    assert done.branch == f"{BRANCH}-2"
    assert git(checkout, "rev-parse", BRANCH) == git(checkout, "rev-parse", "HEAD")
    assert git(checkout, "show", f"{BRANCH}-2:new.txt") == b"new\n"


async def test_a_branch_in_the_way_is_told_before_the_work(
    side: TrustedSide, checkout: Path, tmp_path: Path
) -> None:
    before = snapshot(checkout)
    base = await side.prepare(str(checkout))
    assert (
        await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append) == ()
    )
    assert snapshot(checkout) == before
    assert not (tmp_path / "fired").exists()
    git(checkout, "update-ref", "refs/heads/agent", "HEAD")
    with pytest.raises(PushRejected, match="has a branch agent, which leaves") as failed:
        await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append)
    assert "git branch -m agent" in failed.value.hint


async def test_a_branch_that_is_there_is_told_before_the_work(
    side: TrustedSide, checkout: Path
) -> None:
    base = await side.prepare(str(checkout))
    git(checkout, "update-ref", f"refs/heads/{BRANCH}", "HEAD")
    with pytest.raises(BranchExists, match=f"{checkout} has a branch {BRANCH}"):
        await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append)


async def test_a_checkout_that_cannot_be_written_is_told_before_the_work(
    side: TrustedSide, checkout: Path
) -> None:
    base = await side.prepare(str(checkout))
    shutil.rmtree(checkout / ".git" / "refs" / "heads")
    (checkout / ".git" / "refs" / "heads").write_text("")
    with pytest.raises(PushRejected, match="takes no new branch") as failed:
        await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append)
    assert "write to the .git folder" in failed.value.hint


async def test_a_clean_checkout_has_no_note(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "clean")
    assert (await side.prepare(str(folder))).notes == ()


async def test_a_named_branch_is_the_base(side: TrustedSide, checkout: Path) -> None:
    git(checkout, "branch", "dev")
    assert (await side.prepare(str(checkout), "dev")).branch == "dev"
    with pytest.raises(BranchNotFound, match="nope"):
        await side.prepare(str(checkout), "nope", run_id="r2")


async def test_a_detached_head_is_the_base(side: TrustedSide, checkout: Path) -> None:
    sha = git(checkout, "rev-parse", "HEAD").decode().strip()
    git(checkout, "update-ref", "--no-deref", "HEAD", sha)
    (checkout / ".git" / "HEAD").write_text(f"{sha}\n")
    base = await side.prepare(str(checkout))
    assert (base.sha, base.branch) == (sha, "HEAD")
    assert (await publish(side, base, await side.change(base, write_file))).branch == BRANCH


async def test_a_folder_below_and_a_worktree_lead_to_the_repository(
    side: TrustedSide, tmp_path: Path
) -> None:
    folder = make_repository(tmp_path / "main")
    assert (await side.prepare(str(folder / "src"))).address == str(folder)
    git(folder, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    base = await side.prepare(str(tmp_path / "tree"), run_id="r2")
    assert (base.address, base.branch) == (str(tmp_path / "tree"), "side")


async def test_a_bare_repository_serves_too(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "full")
    git(tmp_path, "clone", "-q", "--bare", str(folder), "bare.git")
    base = await side.prepare(str(tmp_path / "bare.git"))
    assert base.notes == ()
    await publish(side, base, await side.change(base, write_file))
    assert git(tmp_path / "bare.git", "show", f"{BRANCH}:new.txt") == b"new\n"


async def test_a_shallow_checkout_serves_too(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "full")
    (folder / "x").write_text("x")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{folder}", "shallow")
    base = await side.prepare(str(tmp_path / "shallow"))
    await publish(side, base, await side.change(base, write_file))
    assert git(tmp_path / "shallow", "show", f"{BRANCH}:new.txt") == b"new\n"


async def test_what_is_no_repository_with_a_commit_is_refused(
    side: TrustedSide, tmp_path: Path
) -> None:
    with pytest.raises(RepositoryNotFound, match="no folder"):
        await side.prepare(str(tmp_path / "missing"))
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryNotFound, match="not a git checkout"):
        await side.prepare(str(tmp_path / "plain"))
    git(tmp_path, "init", "-q", "unborn")
    for branch in (None, "main"):
        with pytest.raises(EmptyRepository):
            await side.prepare(str(tmp_path / "unborn"), branch)
    git(tmp_path, "init", "-q", "--object-format=sha256", "other")
    with pytest.raises(RepositoryError, match="sha256"):
        await side.prepare(str(tmp_path / "other"))
    assert list(side.run().root.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets other users' checkouts")
async def test_another_users_checkout_is_written_as_that_user(
    side: TrustedSide, data_dir: Path
) -> None:
    folder = make_repository(data_dir / "theirs")
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, 4321, 4321)
    base = await side.prepare(str(folder))
    assert base.notes == ()
    await publish(side, base, await side.change(base, write_file))
    assert (folder / ".git" / "refs" / "heads" / BRANCH).stat().st_uid == 4321
    assert {path.stat().st_uid for path in (folder / ".git").rglob("*")} == {4321}


def local_publisher(side: TrustedSide) -> ForgePublisher:
    return ForgePublisher(runs=side.runs, forge=open_github(side.forge, token=None))


async def author_of(side: TrustedSide, checkout: Path, publisher: ForgePublisher) -> str:
    base = await side.prepare(str(checkout))
    change = await side.change(base, write_file)
    await publisher.publish(side.publication(base, change), side.events.append)
    return git(checkout, "log", "-1", "--format=%an <%ae> %cn <%ce>", BRANCH).decode().strip()


async def test_without_a_token_the_checkouts_author_commits(
    side: TrustedSide, checkout: Path
) -> None:
    git(checkout, "config", "user.name", "Grace")
    git(checkout, "config", "user.email", "grace@example.org")
    said = await author_of(side, checkout, local_publisher(side))
    assert said == "Grace <grace@example.org> Grace <grace@example.org>"
    assert side.forge.requests == []


async def test_without_any_author_it_is_nobodys(
    side: TrustedSide, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    said = await author_of(side, checkout, local_publisher(side))
    assert "coding-agent <coding-agent@invalid>" in said


async def test_the_users_own_config_names_the_author(
    side: TrustedSide, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Grace\n\temail = g@example.org\n")
    assert "Grace <g@example.org>" in await author_of(side, checkout, local_publisher(side))


async def test_with_a_token_its_account_commits(side: TrustedSide, checkout: Path) -> None:
    said = await author_of(side, checkout, side.publisher)
    assert "octo-agent <583231+octo-agent@users.noreply.github.com>" in said


async def test_github_is_not_needed_for_a_checkout(side: TrustedSide, checkout: Path) -> None:
    side.forge.fail("GET", "/user", Fault(503, times=9))
    git(checkout, "config", "user.name", "Grace")
    git(checkout, "config", "user.email", "grace@example.org")
    assert "Grace" in await author_of(side, checkout, side.publisher)
    assert side.forge.calls("GET", "/user") == 1


async def test_a_set_author_wins(side: TrustedSide, checkout: Path) -> None:
    author = "Bot <bot@example.org>"
    publisher = ForgePublisher(runs=side.runs, forge=side.github, author=author)
    assert "Bot <bot@example.org>" in await author_of(side, checkout, publisher)


async def test_a_cut_publication_is_carried_on(side: TrustedSide, checkout: Path) -> None:
    """The branch was made, but the record of it was not written."""
    base = await side.prepare(str(checkout))
    await publish(side, base, await side.change(base, write_file))
    record = side.run().root / "publication.json"
    told = record.read_text()
    sha = git(checkout, "rev-parse", BRANCH).decode().strip()
    record.write_text(told.replace(f'"pushed":"{sha}"', '"pushed":""'))
    change = await side.change(base, lambda work: (work / "two").write_text("2"), step=3)
    await publish(side, base, change)
    assert git(checkout, "rev-parse", f"{BRANCH}^").decode().strip() == sha


async def test_a_damaged_record_is_told(side: TrustedSide, checkout: Path) -> None:
    base = await side.prepare(str(checkout))
    change = await side.change(base, write_file)
    (side.run().root / "publication.json").write_text("{")
    with pytest.raises(CodingAgentError) as raised:
        await publish(side, base, change)
    assert raised.value.code == "store_damaged"
