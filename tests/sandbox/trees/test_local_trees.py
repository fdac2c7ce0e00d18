"""Trees: made, filled, found again, lost, foreign, removed."""

import asyncio
import gc
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from graph.errors import (
    PatchUnusable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
    SetupFailed,
    StoreDamaged,
)
from graph.files import store_change
from graph.files.run_folder import RunFolder
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.base.open_trees import OpenTrees
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.deferred import DeferredSandbox
from sandbox.core.protocol import Limits, Sandbox, TreeSpec
from sandbox.tree.delete_tree import remove_folder
from sandbox.trees.local_trees import LocalSandboxes, ensure_readable
from tests.support.polling import until
from tests.support.sandbox.sample_run import (
    RUN,
    SampleRun,
    git,
    sample_run,
)

pytestmark = pytest.mark.sandbox
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


DEEP = "import os; [(os.mkdir(name), os.chdir(name)) for name in 1200 * [250 * chr(100)]]"


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


async def test_a_new_tree_is_a_repository_at_the_base(run: SampleRun) -> None:
    sandbox = await run.open()
    assert await said(sandbox, "git rev-parse HEAD") == run.base.sha
    assert await said(sandbox, "git branch --show-current") == "work"
    assert await said(sandbox, "git status --porcelain") == ""
    assert await said(sandbox, "cat hello.txt") == "hello"


async def test_the_agent_can_use_git_as_usual(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "echo more >> hello.txt && git stash && git stash pop")
    await said(sandbox, "git commit -qam More && git checkout -qb side && git gc -q")
    assert await said(sandbox, "git log -1 --format='%an %s'") == "Coding Agent More"


async def test_every_byte_of_the_base_is_in_the_tree(data_dir: Path) -> None:
    files: dict[str, str | bytes] = {
        ".gitattributes": "*.bat text eol=crlf\n*.u16 working-tree-encoding=UTF-16\n*.x ident\n",
        "a.bat": b"echo\n",
        "b.x": b"$Id$\n",
        "c.bin": bytes(range(256)),
    }
    run = sample_run(data_dir, files)
    sandbox = await run.open()
    for name in ("a.bat", "b.x", "c.bin"):
        assert await sandbox.read(name) == files[name]
    assert await run.take(sandbox) == b""


async def test_a_shallow_base_has_its_history_cut(data_dir: Path) -> None:
    (data_dir / "deep").mkdir()
    run = sample_run(data_dir / "deep", {"a": "1\n"})
    source = data_dir / "deep" / "source"
    (source / "a").write_text("2\n")
    git(source, "commit", "-qam", "Second")
    shutil.rmtree(run.folder.base_git)
    git(data_dir, "clone", "-q", "--bare", "--depth=1", source.as_uri(), str(run.folder.base_git))
    base = run.base.model_copy(update={"sha": git(source, "rev-parse", "HEAD")})
    sandbox = await run.sandboxes.open(RUN, TreeSpec("live", base))
    assert await said(sandbox, "git log --format=%s") == "Second"
    assert await said(sandbox, "git fsck --connectivity-only && cat a") == "2"


async def test_a_base_that_borrows_is_whole_inside_and_tells_no_place_outside(
    run: SampleRun, data_dir: Path
) -> None:
    kept, objects = data_dir / "kept", run.folder.base_git / "objects"
    objects.rename(kept)
    (objects / "info").mkdir(parents=True)
    (objects / "info" / "alternates").write_text(f"{os.path.relpath(kept, objects)}\n")
    sandbox = await run.open()
    assert await said(sandbox, "git fsck --full && cat hello.txt") == "hello"
    assert await said(sandbox, "cat .git/objects/info/alternates") == "/base.git/objects"
    assert await said(sandbox, "ls /base.git; find /base.git -name alternates") == "objects"
    assert await said(sandbox, "touch /base.git/objects/x || echo refused") == (
        "touch: cannot touch '/base.git/objects/x': Read-only file system\nrefused"
    )


async def test_a_complete_tree_is_found_as_it_was_left(run: SampleRun) -> None:
    first = await run.open()
    await said(first, "echo kept > kept; echo home > ~/mine; echo tmp > /tmp/mine")
    await first.close()
    second = await run.open()
    assert await said(second, "cat kept ~/mine /tmp/mine") == "kept\nhome\ntmp"


async def test_files_come_to_a_tree_that_was_made_without_and_then_stay(run: SampleRun) -> None:
    bare = await run.sandboxes.open(RUN, TreeSpec("plan", run.base, checkout=False))
    assert await said(bare, "ls; git ls-files; git grep --cached -h hello -- '*.txt'") == (
        "hello.txt\nsrc/app.py\nhello"
    )
    opening = DeferredSandbox(run.sandboxes.open(RUN, TreeSpec("plan", run.base)))
    assert await said(opening, "ls && git status --porcelain") == "hello.txt\nsrc"
    await opening.write("/workspace/mine", b"mine\n")
    assert await opening.read("/workspace/mine") == b"mine\n"
    again = await run.sandboxes.open(RUN, TreeSpec("plan", run.base))
    assert await said(again, "cat mine") == "mine"
    await opening.close()


async def test_two_that_open_one_tree_at_once_have_the_same(run: SampleRun) -> None:
    """Neither throws away what the other has just made."""
    opened = await asyncio.gather(*(run.open("shared") for _ in range(4)))
    for number, tree in enumerate(opened):
        await said(tree, f"echo {number} > {number}")
    assert await said(opened[0], "ls ?") == "0\n1\n2\n3"
    assert run.trees() == ["shared"]


async def test_trees_that_nobody_uses_any_more_are_not_kept_in_mind(run: SampleRun) -> None:
    """A run opens its live tree anew for every role call."""
    sandboxes = run.sandboxes
    assert isinstance(sandboxes, OpenTrees)
    for _ in range(5):
        await (await run.open()).close()
    in_use = await run.open()
    gc.collect()
    assert [len(opened) for opened in sandboxes._open.values()] == [1]
    assert await said(in_use, "cat hello.txt") == "hello"


async def test_nothing_blocks_the_event_loop_while_a_tree_is_made_and_found(run: SampleRun) -> None:
    """By the rules of LangGraph's own server, which ends what breaks them."""
    blockbuster = pytest.importorskip("blockbuster")
    change = await run.make_change("echo changed > hello.txt")
    with blockbuster.blockbuster_ctx():
        tree = await run.open("validate-1", change, "true")
        await tree.close()
        again = await run.open("validate-1", change, "true")
        assert await said(again, "cat hello.txt") == "changed"
        await run.sandboxes.close_run(RUN)


async def test_a_filling_that_was_cut_is_done_again(run: SampleRun) -> None:
    bare = await run.sandboxes.open(RUN, TreeSpec("plan", run.base, checkout=False))
    await said(bare, "git checkout-index hello.txt && echo half > hello.txt")
    whole = await run.sandboxes.open(RUN, TreeSpec("plan", run.base))
    assert await said(whole, "git status --porcelain && cat hello.txt") == "hello"


async def test_what_keeps_a_tree_from_opening_is_told_to_who_needs_it(run: SampleRun) -> None:
    (run.folder.trees / "plan").mkdir(parents=True)
    broken = run.base.model_copy(update={"sha": "0" * 40})
    opening = DeferredSandbox(run.sandboxes.open(RUN, TreeSpec("plan", broken)))
    with pytest.raises(SandboxError, match="could not be made"):
        await opening.run("true")
    await opening.close()
    given_up = DeferredSandbox(run.sandboxes.open(RUN, TreeSpec("plan", run.base)))
    await given_up.close()
    await run.sandboxes.discard(RUN, "plan")
    assert run.trees() == []


async def test_trees_of_other_names_have_nothing_of_it(run: SampleRun) -> None:
    await said(await run.open(), "echo secret | tee kept ~/mine /tmp/mine")
    other = await run.open("review-2")
    assert await said(other, "ls -A . ~ /tmp | grep -c mine || true; git status -s") == "0"


async def test_a_change_is_applied_and_its_new_files_are_known_to_git(run: SampleRun) -> None:
    change = await run.make_change("echo new > new; echo more >> hello.txt; rm src/app.py")
    sandbox = await run.open("review-2", change)
    assert await said(sandbox, "cat new hello.txt") == "new\nhello\nmore"
    names = await said(sandbox, "git diff HEAD --name-status")
    assert names.split() == ["M", "hello.txt", "A", "new", "D", "src/app.py"]


async def test_a_change_that_does_not_apply_is_refused_and_leaves_nothing(run: SampleRun) -> None:
    patch = b"--- a/gone.txt\n+++ b/gone.txt\n@@ -1 +1 @@\n-a\n+b\n"
    change = store_change(RunFolder.of(run.runs, RUN), 1, "coder", patch)
    with pytest.raises(PatchUnusable, match=r"gone\.txt"):
        await run.open("live", change)
    assert run.trees() == []


async def test_a_damaged_change_is_not_applied(run: SampleRun) -> None:
    change = await run.make_change("echo new > new")
    run.folder.patch(change).write_bytes(b"something else")
    with pytest.raises(StoreDamaged):
        await run.open("live", change)


async def test_set_up_runs_once_and_what_it_makes_is_ignored(run: SampleRun) -> None:
    names = [
        "plain",
        "with space ",
        "star*",
        "quo'te",
        'double"',
        "[set]",
        "back\\slash",
        "#a",
        "!b",
    ]
    script = "mkdir -p deep/er && touch deep/er/x $'line\\nbreak' $'\\xff' " + " ".join(
        "'" + name.replace("'", "'\\''") + "'" for name in names
    )
    sandbox = await run.open("live", None, script, "echo twice >> count")
    assert await said(sandbox, "git status --porcelain") == ""
    assert await run.take(sandbox) == b""
    again = await run.open("live", None, script, "echo twice >> count")
    assert await said(again, "cat count") == "twice"
    assert await said(again, "touch starry && git status --porcelain") == "?? starry"


async def test_what_set_up_makes_does_not_hide_the_change(run: SampleRun) -> None:
    change = await run.make_change("mkdir pkg; echo new > pkg/new")
    sandbox = await run.open("live", change, "touch pkg/made")
    assert b"pkg/new" in await run.take(sandbox)
    assert b"pkg/made" not in await run.take(sandbox)


async def test_a_failing_set_up_names_command_code_and_output(run: SampleRun) -> None:
    with pytest.raises(SetupFailed) as caught:
        await run.open("live", None, "true", "echo the reason; exit 7", "touch never")
    assert "echo the reason; exit 7" in caught.value.message
    assert "exit code 7" in caught.value.message
    assert caught.value.message.endswith("the reason")
    assert run.trees() == []


async def test_a_set_up_that_takes_too_long_says_so(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a": ""}, limits=Limits(timeout_s=1))
    with pytest.raises(SetupFailed, match="time limit"):
        await run.open("live", None, "sleep 60")


async def test_the_same_tree_opened_at_the_same_time_is_made_once(run: SampleRun) -> None:
    one, two = await asyncio.gather(run.open(), run.open())
    await said(one, "echo shared > shared")
    assert await said(two, "cat shared") == "shared"
    assert run.trees() == ["live"]


@pytest.mark.parametrize("part", ["workspace", "home", "tmp"])
async def test_an_incomplete_tree_is_made_anew(run: SampleRun, part: str) -> None:
    await said(await run.open(), "echo kept > kept")
    shutil.rmtree(run.folder.trees / "live" / part)
    assert await said(await run.open(), "ls") == "hello.txt\nsrc"
    assert run.trees() == ["live"]


@pytest.mark.parametrize("part", ["", "workspace"])
async def test_a_link_in_a_trees_place_is_replaced_and_not_followed(
    run: SampleRun, data_dir: Path, part: str
) -> None:
    await run.open()
    outside = data_dir / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    place = run.folder.trees / "live" / part
    shutil.rmtree(place)
    place.symlink_to(outside)
    assert await said(await run.open(), "ls") == "hello.txt\nsrc"
    assert (outside / "precious").exists()


async def test_a_file_in_a_trees_place_is_replaced(run: SampleRun) -> None:
    (run.folder.trees / "live").write_text("not a tree")
    assert await said(await run.open(), "ls") == "hello.txt\nsrc"


@as_root
async def test_a_tree_of_another_owner_is_made_anew(run: SampleRun) -> None:
    await said(await run.open(), "echo kept > kept")
    os.chown(run.folder.trees / "live" / "workspace", 12345, 12345)
    assert await said(await run.open(), "ls") == "hello.txt\nsrc"


@as_root
async def test_a_trees_folders_belong_to_the_sandboxes_user_alone(run: SampleRun) -> None:
    await run.open()
    folder = run.folder.trees / "live"
    assert folder.stat().st_uid == 0
    for part in folder.iterdir():
        assert part.stat().st_uid >= 30_000
        assert stat.S_IMODE(part.stat().st_mode) == 0o700


@as_root
async def test_a_folder_that_cannot_be_passed_is_named(run: SampleRun, data_dir: Path) -> None:
    data_dir.chmod(0o700)
    with pytest.raises(SandboxUnavailable, match=f"pass the folder {data_dir}") as caught:
        await run.open()
    assert f"chmod o+x {data_dir}" in caught.value.hint
    data_dir.chmod(0o711)
    pack = run.folder.base_git / "objects" / "pack"
    pack.chmod(0o711)
    with pytest.raises(SandboxUnavailable, match=f"read the folder {pack}"):
        await run.open()


def test_a_run_without_a_base_says_so(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no base"):
        ensure_readable(tmp_path / "base.git" / "objects", os.geteuid())


@pytest.mark.parametrize("name", ["", "..", "a/b", "Live", ".new-1", "a" * 65])
async def test_a_name_that_is_no_name_of_a_tree_is_refused(run: SampleRun, name: str) -> None:
    with pytest.raises(ValueError, match="not a name of a tree"):
        await run.open(name)
    with pytest.raises(ValueError, match="not a name of a tree"):
        await run.sandboxes.discard(RUN, name)


async def test_discard_ends_what_runs_and_removes_the_tree(run: SampleRun) -> None:
    sandbox = await run.open()
    running = asyncio.create_task(sandbox.run("touch started; sleep 60"))
    await until((run.folder.trees / "live" / "workspace" / "started").exists)
    await run.sandboxes.discard(RUN, "live")
    await asyncio.wait([running], timeout=60)
    assert running.done()
    assert run.trees() == []
    with pytest.raises(SandboxLost):
        await sandbox.run("true")
    await run.sandboxes.discard(RUN, "live")


async def test_hostile_folders_are_removed_and_no_link_is_followed(
    run: SampleRun, data_dir: Path
) -> None:
    (data_dir / "precious").mkdir(mode=0o755)
    (data_dir / "precious" / "file").touch()
    sandbox = await run.open()
    await said(
        sandbox,
        f"ln -s {data_dir}/precious link; ln -s / root; mkfifo pipe; mkdir -p locked/in/side;"
        "touch locked/in/side/file; chmod 000 locked/in/side locked/in locked;"
        "mkdir unreadable; chmod 300 unreadable; chmod 000 ~ /tmp;"
        f"python3 -c '{DEEP}' && chmod 000 /workspace",
    )
    await run.sandboxes.discard(RUN, "live")
    assert run.trees() == []
    assert (data_dir / "precious" / "file").exists()


@as_root
def test_without_root_hostile_modes_are_opened_first(data_dir: Path) -> None:
    tree = data_dir / "open" / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    for path in (data_dir / "open", tree, tree / "a", tree / "a" / "b"):
        os.chown(path, 34567, 34567)
    for path in (tree / "a" / "b", tree / "a", tree):
        path.chmod(0)
    call = "import asyncio, pathlib, sys; from sandbox.tree.delete_tree import remove_folder;"
    call += "asyncio.run(remove_folder(pathlib.Path(sys.argv[1])))"
    drop = ("setpriv", "--reuid=34567", "--regid=34567", "--clear-groups", "--")
    place = Path(__file__).parents[3]
    environment = {
        "PYTHONPATH": str(place),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
    }
    python = (sys.executable, "-c", call, str(tree))
    subprocess.run([*drop, *python], check=True, env=environment, cwd="/")
    assert not tree.exists()


async def test_removing_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    await remove_folder(tmp_path / "gone")


async def test_close_run_removes_all_trees_and_what_crashes_left(run: SampleRun) -> None:
    await run.open()
    await run.open("plan")
    (run.folder.trees / ".new-0123").mkdir()
    (run.folder.trees / ".gone-0123").mkdir()
    await run.sandboxes.close_run(RUN)
    assert run.trees() == []
    await run.sandboxes.close_run(RUN)
    await run.sandboxes.close_run("never")


async def test_close_run_ends_but_keeps_the_trees_it_is_told_to(run: SampleRun) -> None:
    live = await run.open()
    await said(live, "echo kept > kept")
    await run.open("plan")
    await run.sandboxes.close_run(RUN, keep=("live",))
    assert run.trees() == ["live"]
    with pytest.raises(SandboxLost):
        await live.run("true")
    assert await said(await run.open(), "cat kept") == "kept"


async def test_runs_of_another_process_find_the_tree(run: SampleRun, data_dir: Path) -> None:
    await said(await run.open(), "echo kept > kept")
    backend = Bubblewrap(BackendOptions(limits=Limits(timeout_s=30), state=data_dir / "state"))
    later = LocalSandboxes(runs=run.runs, backend=backend)
    assert await said(await later.open(RUN, TreeSpec("live", run.base)), "cat kept") == "kept"


class HeldBubblewrap(Bubblewrap):
    """Goes on to a tree when it may, and tells whether it was still there."""

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self.begun, self.may = threading.Event(), threading.Event()
        self.found = False
        self.opened: LocalSandbox | None = None

    def attach(self, tree: Tree) -> BubblewrapSandbox:
        self.begun.set()
        self.may.wait()
        self.found = tree.folder.exists()
        self.opened = opened = super().attach(tree)
        return opened


async def test_a_tree_is_not_removed_while_it_is_opened(run: SampleRun, data_dir: Path) -> None:
    backend = HeldBubblewrap(BackendOptions(limits=Limits(timeout_s=30), state=data_dir / "state"))
    sandboxes = LocalSandboxes(runs=run.runs, backend=backend)
    opening = asyncio.create_task(sandboxes.open(RUN, TreeSpec("live", run.base)))
    await asyncio.to_thread(backend.begun.wait)
    opening.cancel()
    await asyncio.wait((opening,), timeout=0.2)
    backend.may.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert backend.found
    assert backend.opened
    with pytest.raises(SandboxLost):
        await backend.opened.run("true")
    assert list(run.folder.trees.iterdir()) == []


async def test_a_cancelled_opening_leaves_nothing(run: SampleRun) -> None:
    opening = asyncio.create_task(run.open("live", None, "sleep 60"))
    await asyncio.sleep(0.3)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert run.trees() == []
