"""Whether a tree changed."""

from pathlib import Path

from graph.files.run_folder import RunFolder
from roles.worktree.tree_digest import show_changes, tree_digest
from tests.standins.directory_sandbox import DirectorySandbox, make_run
from tests.support.roles.role_bench import FILES, RUN


async def test_digest_follows_the_tree(runs: Path) -> None:
    make_run(runs, RUN, FILES)
    sandbox = DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)
    seen = [await tree_digest(sandbox)]
    edits = ["sed -i s/-/+/ calc.py", "echo 1 > new.py", "echo 2 > new.py", "git commit -qam x"]
    for edit in edits:
        await sandbox.run(f"git config user.name T; git config user.email t@localhost; {edit}")
        seen.append(await tree_digest(sandbox))
        assert await tree_digest(sandbox) == seen[-1]
    assert len(set(seen)) == 5
    assert all(len(digest) == 16 for digest in seen)


async def test_what_is_changed_is_shown_and_that_nothing_is(runs: Path) -> None:
    make_run(runs, RUN, FILES)
    sandbox = DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)
    assert await show_changes(sandbox) == " No file is changed there now."
    await sandbox.run("sed -i s/-/+/ calc.py; echo 1 > new.py")
    assert await show_changes(sandbox) == " Changed there now:\n M calc.py\n?? new.py"
    await sandbox.run("for n in $(seq 500); do echo > file-$n; done")
    assert len(await show_changes(sandbox)) < 2_100


async def test_what_cannot_be_told(tmp_path: Path) -> None:
    assert await show_changes(DirectorySandbox(tmp_path, tmp_path)) == ""
    assert await tree_digest(DirectorySandbox(tmp_path, tmp_path)) == ""
