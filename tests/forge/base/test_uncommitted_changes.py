"""The uncommitted changes of a checkout as the first commit of a run's branch."""

import os
import subprocess
from pathlib import Path

import pytest

from graph.errors import InvalidRequest, RepositoryError
from graph.values import Base
from tests.forge.base.test_local_checkout import BRANCH, publish, snapshot
from tests.support.trusted_side import TrustedSide, git, make_repository, write_file


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with tracked changes, a staged file, a deleted one, and an untracked one."""
    folder = make_repository(tmp_path / "my: project")
    fired = tmp_path / "fired"
    script = tmp_path / "fire.sh"
    script.write_text(f"#!/bin/sh\ntouch '{fired}'\ncat\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "gpg.program", "diff.external"):
        git(folder, "config", key, str(script))
    git(folder, "config", "commit.gpgSign", "true")
    git(folder, "config", "user.name", "Ann")
    git(folder, "config", "user.email", "ann@example.com")
    for name in ("reference-transaction", "pre-commit", "post-index-change"):
        (folder / ".git" / "hooks" / name).write_bytes(script.read_bytes())
        (folder / ".git" / "hooks" / name).chmod(0o755)
    (folder / "src" / "app.py").write_text("print('uncommitted')\n")
    (folder / "staged").write_text("first\n")
    git(folder, "add", "staged")
    (folder / "README.md").unlink()
    (folder / "untracked").write_text("mine\n")
    fired.unlink(missing_ok=True)  # by what was staged above
    return folder


async def prepared(side: TrustedSide, checkout: Path) -> Base:
    return await side.prepare(str(checkout), include_uncommitted=True)


async def test_tracked_changes_are_the_first_commit_and_the_checkout_stays(
    side: TrustedSide, checkout: Path, tmp_path: Path
) -> None:
    before, head = snapshot(checkout), git(checkout, "rev-parse", "HEAD").decode().strip()
    objects = sorted((checkout / ".git" / "objects").rglob("*"))
    base = await prepared(side, checkout)
    assert (base.parent, base.branch) == (head, "main")
    assert any("are included" in note for note in base.notes)
    assert sorted((checkout / ".git" / "objects").rglob("*")) == objects
    assert await prepared(side, checkout) == base
    change = await side.change(base, write_file)
    await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append)
    done = await publish(side, base, change)
    assert done.branch == BRANCH
    assert snapshot(checkout) == before
    assert not (tmp_path / "fired").exists()
    log = git(checkout, "log", "--format=%H %P %s %an", BRANCH).decode().splitlines()
    assert [line.split()[0] for line in log[1:]] == [base.sha, head]
    assert log[1].endswith("Uncommitted changes of the checkout Ann")
    assert git(checkout, "diff", "--name-status", f"{head}..{base.sha}") == (
        b"D\tREADME.md\nM\tsrc/app.py\nA\tstaged\n"
    )
    assert git(checkout, "show", f"{BRANCH}:src/app.py") == b"print('uncommitted')\n"
    git(checkout, "fsck", "--strict")
    git(checkout, "apply", "--check", str(done.patch))


@pytest.mark.slow
async def test_what_is_staged_and_changed_again_is_as_in_the_work_tree(
    side: TrustedSide, checkout: Path
) -> None:
    (checkout / "staged").write_text("second\n")
    base = await prepared(side, checkout)
    shown = git(side.run().base_git, "show", f"{base.sha}:staged")
    assert shown == b"second\n"


@pytest.mark.slow
async def test_without_tracked_changes_the_base_is_head(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "clean")
    (folder / "untracked").write_text("mine\n")
    base = await prepared(side, folder)
    assert (base.sha, base.parent) == (git(folder, "rev-parse", "HEAD").decode().strip(), "")
    assert any("not included" in note for note in base.notes)


@pytest.mark.slow
async def test_a_work_tree_of_its_own_serves_too(side: TrustedSide, checkout: Path) -> None:
    other = checkout.parent / "other"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(other))
    (other / "src" / "app.py").write_text("print('other')\n")
    base = await prepared(side, other)
    assert base.branch == "topic"
    assert git(side.run().base_git, "show", f"{base.sha}:src/app.py") == b"print('other')\n"


async def test_a_change_in_the_moment_in_which_the_index_was_written_is_seen(
    side: TrustedSide, tmp_path: Path
) -> None:
    folder = make_repository(tmp_path / "quick")
    git(folder, "config", "core.trustctime", "false")  # it cannot be set back
    app, index = folder / "src" / "app.py", folder / ".git" / "index"
    moment = app.stat().st_mtime_ns
    app.write_text(app.read_text().replace("hello", "other"))
    for path in (app, index):
        os.utime(path, ns=(moment, moment))
    base = await prepared(side, folder)
    assert git(side.run().base_git, "show", f"{base.sha}:src/app.py") == b"print('other')\n"


async def test_a_file_that_a_filter_stores_is_refused(side: TrustedSide, checkout: Path) -> None:
    (checkout / ".gitattributes").write_text("*.py filter=evil\n")
    with pytest.raises(RepositoryError) as refused:
        await prepared(side, checkout)
    assert "src/app.py cannot be included" in refused.value.message
    assert not (checkout.parent / "fired").exists()


@pytest.mark.slow
async def test_a_merge_with_conflicts_is_refused(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "merging")
    git(folder, "checkout", "-q", "-b", "topic")
    (folder / "src" / "app.py").write_text("one\n")
    git(folder, "commit", "-q", "-a", "-m", "one")
    git(folder, "checkout", "-q", "main")
    (folder / "src" / "app.py").write_text("two\n")
    git(folder, "commit", "-q", "-a", "-m", "two")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "-q", "topic")
    with pytest.raises(RepositoryError) as refused:
        await prepared(side, folder)
    assert "src/app.py has conflicts" in refused.value.message


@pytest.mark.parametrize("branch", [None, "main"])
async def test_only_a_checkouts_own_branch_has_uncommitted_changes(
    branch: str | None, side: TrustedSide, checkout: Path
) -> None:
    address = side.url if branch is None else str(checkout)
    with pytest.raises(InvalidRequest):
        await side.prepare(address, branch, include_uncommitted=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets other users' checkouts")
async def test_another_users_changes_are_read_as_that_user(
    side: TrustedSide, data_dir: Path
) -> None:
    folder = make_repository(data_dir / "theirs")
    (folder / "src" / "app.py").write_text("print('theirs')\n")
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, 4321, 4321)
    base = await prepared(side, folder)
    assert git(side.run().base_git, "show", f"{base.sha}:src/app.py") == b"print('theirs')\n"
    await publish(side, base, await side.change(base, write_file))
    assert {path.stat().st_uid for path in (folder / ".git").rglob("*")} == {4321}
