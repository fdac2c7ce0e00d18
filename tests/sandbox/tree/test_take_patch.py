"""A change taken out of a tree: whole, exact, and whatever was done to the tree's `.git`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.errors import PatchTooLarge, PatchUnusable
from sandbox.core.protocol import Limits, Sandbox
from sandbox.tree.take_patch import TakenChange, take_change
from tests.support.sandbox.sample_run import (
    RUN,
    SampleRun,
    git,
    read_base,
    sample_run,
)

pytestmark = pytest.mark.sandbox
TREE_INSIDE = "git add -A && git write-tree"


@pytest.fixture(scope="module")
def shared(module_dir: Path) -> SampleRun:
    """One run for all rows of a table; each has a tree of its own."""
    files: dict[str, str | bytes] = {"hello.txt": "hello\n", "src/app.py": "1\n", "b": b"\0\1"}
    return sample_run(module_dir, files)


@pytest.fixture
async def tree(shared: SampleRun) -> AsyncIterator[Sandbox]:
    yield await shared.open()
    await shared.sandboxes.discard(RUN, "live")


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


def names(run: SampleRun, patch: bytes) -> list[str]:
    """The paths that a patch changes, by what trusted git makes of it."""
    tree = run.tree_outside(patch)
    listed = git(run.folder.base_git, "diff-tree", "-r", "--name-only", "-z", run.base.tree, tree)
    return [name for name in listed.split("\0") if name]


async def test_nothing_changed_is_an_empty_patch(run: SampleRun) -> None:
    sandbox = await run.open()
    assert await run.take(sandbox) == b""
    await said(sandbox, "touch hello.txt; mkdir empty")
    assert await run.take(sandbox) == b""


CHANGES = {
    "edited": "echo more >> hello.txt",
    "deleted": "rm -r src",
    "all deleted": "rm -rf ./* ",
    "new": "mkdir -p a/b && echo new > a/b/c",
    "empty file": "touch empty",
    "binary": "head -c 100000 /dev/urandom > data.bin; printf 'a\\0b' > hello.txt",
    "renamed": "git mv hello.txt bye.txt && echo x >> bye.txt",
    "executable": "printf '#!/bin/sh\\n' > new.sh; chmod 755 new.sh",
    "made executable": "chmod +x hello.txt",
    "symlink": "ln -s hello.txt link; ln -s /etc/passwd absolute; ln -s ../.. up; ln -sf b to-a",
    "file becomes symlink": "rm hello.txt && ln -s src/app.py hello.txt",
    "file becomes folder": "rm hello.txt && mkdir hello.txt && echo x > hello.txt/inner",
    "folder becomes file": "rm -r src && echo x > src",
    "folder becomes symlink": "mv src other && ln -s other src",
    "no line end": "printf 'no end' > hello.txt",
    "carriage returns": "printf 'a\\r\\nb\\rc\\n' > hello.txt",
    "spaces": "touch 'a b' ' leading' 'trailing ' $'tab\\there'",
    "quotes": "touch -- \"it's\" 'say \"hi\"' 'back\\slash' '*' '?[x]' '-option' ':(top)'",
    "newlines": "touch $'line\\nbreak' && mkdir $'fol\\nder' && echo x > $'fol\\nder/\\n'",
    "not UTF-8": "echo x > $'\\xff\\xfe' && echo y > $'caf\\xe9'",
    "UTF-8": "echo x > 'h\u00e9 \u4e16.txt'",
    "many": "for i in $(seq 100); do echo $i > f$i; done",
    "long lines": "head -c 300000 /dev/zero | tr '\\0' x > long; echo >> long",
    "git files": "echo '*.log' > .gitignore; echo x > a.log; echo '* text' > .gitattributes",
}


@pytest.mark.parametrize("command", CHANGES.values(), ids=CHANGES.keys())
async def test_the_tree_outside_is_the_tree_inside(
    shared: SampleRun, tree: Sandbox, command: str
) -> None:
    await said(tree, command)
    patch = await shared.take(tree)
    inside = await said(tree, TREE_INSIDE)
    assert shared.tree_outside(patch) == inside
    assert inside != shared.base.tree


async def test_a_mode_that_is_taken_away_travels(data_dir: Path) -> None:
    run = sample_run(data_dir, {"run.sh": "true\n"}, mode=0o755)
    sandbox = await run.open()
    await said(sandbox, "chmod -x run.sh")
    patch = await run.take(sandbox)
    assert run.tree_outside(patch) == await said(sandbox, TREE_INSIDE) != run.base.tree


async def test_a_change_opened_in_a_fresh_tree_is_the_same_change(run: SampleRun) -> None:
    change = await run.make_change(
        "printf 'a\\0b' > bin; ln -s x link; touch $'\\xff' 'a b'; chmod +x hello.txt; rm -r src"
    )
    sandbox = await run.open("review-2", change)
    assert await run.take(sandbox) == run.folder.patch(change).read_bytes()


async def test_ignored_files_and_empty_folders_stay_behind(data_dir: Path) -> None:
    files = {".gitignore": "*.log\n/build/\n!keep.log\n", "kept.log.txt": "x\n"}
    run = sample_run(data_dir, files)
    sandbox = await run.open()
    await said(
        sandbox,
        "mkdir -p build empty sub; echo x | tee a.log build/b sub/c.log keep.log >/dev/null;"
        "echo own > sub/.gitignore; echo x > sub/own; echo x > sub/travels",
    )
    patch = await run.take(sandbox)
    assert names(run, patch) == ["keep.log", "sub/.gitignore", "sub/travels"]


async def test_a_tracked_file_travels_though_it_is_ignored(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a.log": "x\n"})
    sandbox = await run.open()
    await said(sandbox, "echo '*.log' > .gitignore; echo more >> a.log; echo new > b.log")
    assert names(run, await run.take(sandbox)) == [".gitignore", "a.log"]


TAMPERED = {
    "committed": "git add -A && git commit -qm Mine",
    "committed on another branch": "git checkout -qb x && git add -A && git commit -qm Mine",
    "staged": "git add -A",
    "orphaned": "git checkout -q --orphan nothing && git rm -rqf --cached .",
    "stashed and dropped HEAD": "git update-ref -d HEAD",
    "git removed": "rm -rf .git",
    "git made anew": "rm -rf .git && git init -q && git add -A",
    "git a file": "rm -rf .git && echo 'gitdir: /nowhere' > .git",
    "git a link": "rm -rf .git && ln -s /tmp .git",
    "git emptied": "rm -rf .git/* ",
    "git locked": "touch .git/index.lock .git/HEAD.lock; chmod 000 .git",
    "index broken": "echo broken > .git/index",
    "stat cache lies": "git update-index --assume-unchanged hello.txt",
    "skip-worktree": "git update-index --skip-worktree hello.txt",
    "sparse": "git sparse-checkout set src",
    "another base": "echo 1234567890123456789012345678901234567890 > .git/refs/heads/work",
    "alternates gone": "rm .git/objects/info/alternates",
    "grafted": "mkdir -p .git/info; echo HEAD > .git/info/grafts",
    "excluded": "echo '*' > .git/info/exclude",
    "git attributes": "echo '* -diff filter=x text eol=crlf' > .git/info/attributes",
    "worktree elsewhere": "git config core.worktree /tmp",
    "bare": "git config core.bare true",
    "modes ignored": "git config core.fileMode false; git config core.symlinks false",
}


@pytest.mark.parametrize("command", TAMPERED.values(), ids=TAMPERED.keys())
async def test_it_does_not_matter_what_was_done_to_git(
    shared: SampleRun, tree: Sandbox, command: str
) -> None:
    await said(tree, "echo more >> hello.txt; echo new > new; chmod +x src/app.py")
    expected = await shared.take(tree)
    await said(tree, command)
    await said(tree, "printf 'hello\\nmore\\n' > hello.txt")
    assert await shared.take(tree) == expected
    assert names(shared, expected) == ["hello.txt", "new", "src/app.py"]


PROGRAMS = {
    "filter": (
        "git config filter.x.clean 'touch /tmp/fired; cat'; git config filter.x.required true;"
        "echo '* filter=x' > .gitattributes"
    ),
    "home's filter": (
        "git config --global filter.x.clean 'touch /tmp/fired; cat';"
        "echo '* filter=x' > .gitattributes"
    ),
    "fsmonitor": (
        "printf '#!/bin/sh\\ntouch /tmp/fired\\n' > /tmp/m; chmod +x /tmp/m;"
        "git config core.fsmonitor /tmp/m; git config --global core.fsmonitor /tmp/m;"
        "echo x > .gitattributes"
    ),
    "external diff": (
        "git config diff.external 'touch /tmp/fired';"
        "git config diff.x.textconv 'touch /tmp/fired';"
        "git config --global diff.external 'touch /tmp/fired'; echo '* diff=x' > .gitattributes"
    ),
    "hooks": (
        "mkdir -p .git/hooks; for hook in post-index-change pre-commit reference-transaction; do"
        " printf '#!/bin/sh\\ntouch /tmp/fired\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook;"
        "done; git config --global core.hooksPath /workspace/.git/hooks; echo x > .gitattributes"
    ),
    "include": (
        "printf '[core]\\nfsmonitor = touch /tmp/fired\\n' > /tmp/c; git config --global"
        " include.path /tmp/c; echo x > .gitattributes"
    ),
}


@pytest.mark.parametrize("command", PROGRAMS.values(), ids=PROGRAMS.keys())
async def test_no_program_of_the_trees_configuration_runs(
    shared: SampleRun, tree: Sandbox, command: str
) -> None:
    await said(tree, command + "; rm -f /tmp/fired; echo more >> hello.txt")
    assert names(shared, await shared.take(tree)) == [".gitattributes", "hello.txt"]
    assert await said(tree, "ls /tmp/fired 2>/dev/null || echo quiet") == "quiet"


async def test_attributes_change_no_byte(data_dir: Path) -> None:
    files: dict[str, str | bytes] = {
        ".gitattributes": "*.u16 working-tree-encoding=UTF-16\n*.bat eol=crlf\n* text ident\n",
        "a.bat": b"echo\n",
    }
    run = sample_run(data_dir, files)
    sandbox = await run.open()
    await said(sandbox, "printf 'x\\n' > a.u16; printf 'a\\r\\n$Id: x$\\n' > a.bat")
    change = await run.take(sandbox)
    tree = run.tree_outside(change)
    assert git(run.folder.base_git, "show", f"{tree}:a.u16") == "x"
    assert git(run.folder.base_git, "cat-file", "-s", f"{tree}:a.bat") == "11"


async def test_a_submodule_of_the_base_stays_as_it_is(run: SampleRun) -> None:
    source = run.runs.parent / "source"
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{run.base.sha},sub")
    git(source, "commit", "-qm", "Submodule")
    git(run.folder.base_git, "fetch", "-q", str(source), "main")
    run = replace(run, base=read_base(source))
    sandbox = await run.open()
    assert await run.take(sandbox) == b""
    await said(sandbox, "touch sub/file; echo new > new")
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["new"]
    assert told(taken) == {"sub/": "submodule"}


async def test_a_nested_repository_stays_behind_and_hinders_nothing(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(
        sandbox,
        "mkdir -p unborn born/deep src/inner; git init -q unborn; touch unborn/x; git init -q born;"
        "cd born && echo x > deep/x && git add -A && git commit -qm x; cd ..; echo new > new;"
        "git init -q src; echo changed > src/app.py",
    )
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["new", "src/app.py"]
    assert told(taken) == {"unborn/": "repository", "born/": "repository"}


def told(taken: TakenChange) -> dict[str, str]:
    """What is said to be left behind, with the last word of why."""
    return {left.path: left.why.split()[-1].rstrip(".") for left in taken.left_behind} | {
        left.path: "repository"
        for left in taken.left_behind
        if left.why.startswith("a git repository")
    }


CACHES = (
    "mkdir -p src/__pycache__ .pytest_cache/v demo.egg-info; echo x > src/__pycache__/app.pyc;"
    " echo x > .pytest_cache/v/x; echo x > demo.egg-info/PKG-INFO; echo x > src/.app.py.swp;"
)


async def test_what_tools_make_stays_behind_without_a_gitignore(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(
        sandbox,
        f"{CACHES} mkdir -p 'new app/venv/bin' front/node_modules/left-pad target/debug; "
        "touch 'new app/venv/pyvenv.cfg' 'new app/venv/bin/python' target/debug/app;"
        "echo 'Signature: 8a477f597d28d172789f06886806bc55' > target/CACHEDIR.TAG;"
        "echo x > front/node_modules/left-pad/index.js; echo x > front/app.js; echo x > Sum.class;"
        "echo x > 'new app/main.py'",
    )
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["front/app.js", "new app/main.py"]
    left = {left.path for left in taken.left_behind if "tool" in left.why}
    assert left == {"new app/venv/", "front/node_modules/", "target/", "Sum.class"}
    assert len(taken.left_behind) == 4


async def test_what_compilers_and_test_runners_make_stays_behind(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(
        sandbox,
        "mkdir -p target/maven-status target/surefire-reports core/build/reports htmlcov coverage;"
        "echo x | tee target/maven-status/x.lst target/surefire-reports/a.xml target/a.jar"
        " core/build/reports/x.html htmlcov/index.html coverage/lcov.info coverage/notes.md"
        " script.sh > new; chmod +x script.sh; cp /bin/true 'my tool'; echo x > core/build/own",
    )
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["core/build/own", "coverage/notes.md", "new", "script.sh"]
    assert {left.path for left in taken.left_behind} == {
        "target/maven-status/",
        "target/surefire-reports/",
        "target/a.jar",
        "core/build/reports/",
        "htmlcov/",
        "coverage/lcov.info",
        "my tool",
    }


async def test_what_the_repository_ignores_or_takes_back_is_its_own_word(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(
        sandbox,
        "printf 'node_modules/\\n!fixtures/node_modules/\\n!keep.class\\n' > .gitignore;"
        "mkdir -p node_modules/a fixtures/node_modules/a; echo x > node_modules/a/x;"
        "echo x > fixtures/node_modules/a/x; echo x > keep.class; echo x > lost.class",
    )
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == [".gitignore", "fixtures/node_modules/a/x", "keep.class"]
    assert [left.path for left in taken.left_behind] == ["lost.class"]


async def test_an_ignored_file_that_was_written_is_told(data_dir: Path) -> None:
    files: dict[str, str | bytes] = {".gitignore": "lib/\n*.local\n", "app.py": "1\n"}
    run = sample_run(data_dir, files)
    sandbox = await run.open()
    await said(
        sandbox,
        "mkdir -p lib own; echo x | tee lib/a.py lib/b.py app.py 'own name.local' own/a; "
        "git init -q own",
    )
    written = ["lib/a.py", "app.py", "own name.local", "own/a", "gone.local"]
    taken = await take_change(sandbox, run.base, written=written)
    assert names(run, taken.patch) == ["app.py"]
    left = {left.path: left.why.split()[0] for left in taken.left_behind}
    assert left == {"own/": "a", "lib/a.py": "a", "own name.local": "a"}
    assert {left.why for left in taken.left_behind if "own/" not in left.path} == {
        "a pattern of git ignores it"
    }


async def test_new_files_beside_tracked_ones_travel_in_spite_of_a_git_of_their_own(
    run: SampleRun,
) -> None:
    sandbox = await run.open()
    await said(sandbox, "git init -q src; echo new > src/new.py; ln -s . src/loop; mkdir w;"
               " echo 'gitdir: /nowhere' > w/.git; echo x > w/x")  # fmt: skip
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["src/loop", "src/new.py", "w/x"]
    assert taken.left_behind == ()


async def test_files_of_the_base_are_no_leftovers_whatever_their_name(data_dir: Path) -> None:
    files: dict[str, str | bytes] = {"node_modules/a/x": "1\n", "venv/pyvenv.cfg": "", "a.o": "1\n"}
    run = sample_run(data_dir, files)
    sandbox = await run.open()
    await said(sandbox, "echo 2 > node_modules/a/x; echo 2 > a.o; rm venv/pyvenv.cfg")
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["a.o", "node_modules/a/x", "venv/pyvenv.cfg"]
    assert taken.left_behind == ()


@pytest.mark.slow
async def test_too_many_leftovers_are_counted(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(
        sandbox, "for n in $(seq 3000); do touch a-rather-long-name-of-a-file-$n.class; done"
    )
    taken = await take_change(sandbox, run.base)
    assert taken.patch == b""
    assert len(taken.left_behind) == 21
    assert taken.left_behind[-1].why.endswith(" more")


async def test_what_is_no_file_stays_behind(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "mkfifo pipe; mkdir -p .GIT && echo x > .GIT/config; echo new > new")
    await said(sandbox, "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"")
    assert names(run, await run.take(sandbox)) == ["new"]


async def test_files_that_cannot_be_read_are_made_readable(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "echo x > closed; mkdir shut; echo x > shut/x; chmod 000 closed shut")
    assert names(run, await run.take(sandbox)) == ["closed", "shut/x"]


async def test_a_change_of_many_megabytes_comes_out_whole(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "head -c 6000000 /dev/urandom > big")
    patch = await run.take(sandbox)
    assert len(patch) > 6_000_000
    assert run.tree_outside(patch) == await said(sandbox, TREE_INSIDE)


async def test_a_change_over_the_limit_is_refused(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "head -c 100000 /dev/urandom > big")
    with pytest.raises(PatchTooLarge, match="20000 bytes"):
        await take_change(sandbox, run.base, max_bytes=20_000)
    await said(sandbox, "rm big; echo small > small")
    patch = await run.take(sandbox)
    assert (await take_change(sandbox, run.base, max_bytes=len(patch))).patch == patch


async def test_a_tree_that_takes_too_long_to_read_is_told(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a": "x\n"}, limits=Limits(timeout_s=1))
    sandbox = await run.open()
    await said(sandbox, "mkfifo .gitignore; echo new > new")
    with pytest.raises(PatchUnusable, match="time limit"):
        await run.take(sandbox)


async def test_a_path_that_no_checkout_takes_is_left_and_told(run: SampleRun) -> None:
    sandbox = await run.open()
    name = "d" * 200
    deep = f"for i in $(seq 20); do mkdir {name}; cd {name}; done; echo deep > {'f' * 200}"
    await said(sandbox, f"({deep}); echo new > new")
    taken = await take_change(sandbox, run.base)
    assert names(run, taken.patch) == ["new"]
    (left,) = taken.left_behind
    assert left.path.startswith(name)
    assert "no checkout takes" in left.why
    assert len(left.path) < 250


async def test_a_pipe_in_place_of_a_tracked_file_is_told(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "rm hello.txt; mkfifo hello.txt")
    with pytest.raises(PatchUnusable, match=r"hello\.txt"):
        await run.take(sandbox)


async def test_a_base_that_is_not_there_is_told(run: SampleRun) -> None:
    sandbox = await run.open()
    base = run.base.model_copy(update={"sha": "1" * 40})
    with pytest.raises(PatchUnusable, match="git cannot read the tree"):
        await take_change(sandbox, base)


async def test_nothing_is_left_in_the_tree(run: SampleRun) -> None:
    sandbox = await run.open()
    await said(sandbox, "echo new > new")
    for _ in range(3):
        await run.take(sandbox)
    assert await said(sandbox, "ls -A; git status -s") == ".git\nhello.txt\nnew\nsrc\n?? new"
    assert int(await said(sandbox, "ls -A /tmp | wc -l")) <= 1


NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not {0, 47} & set(name) and name.lower() not in {b".", b"..", b".git", b"git~1"}
)


@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.dictionaries(NAMES, st.binary(max_size=200), min_size=10, max_size=60))
async def test_any_names_and_bytes_travel(run: SampleRun, files: dict[bytes, bytes]) -> None:
    sandbox = await run.open()
    files.pop(b".gitignore", None)
    script = [
        f"open(bytes.fromhex('{name.hex()}'), 'wb').write(bytes.fromhex('{data.hex()}'))"
        for name, data in files.items()
    ]
    await sandbox.write("/tmp/make.py", "\n".join(script).encode())
    await said(sandbox, "git clean -fdxq && git checkout -q . && python3 /tmp/make.py")
    patch = await run.take(sandbox)
    assert run.tree_outside(patch) == await said(sandbox, TREE_INSIDE + "; git reset -q")


async def test_the_base_cannot_be_written_from_inside(run: SampleRun) -> None:
    sandbox = await run.open()
    result = await sandbox.run("echo x > /base.git/objects/x")
    assert result.exit_code != 0
