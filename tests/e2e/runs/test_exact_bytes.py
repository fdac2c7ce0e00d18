"""Whatever a coder makes of files arrives on the branch byte for byte."""

from pathlib import Path

import pytest

from tests.support.whole_runs.claude_script import MORNING, done, shell, small_change
from tests.support.whole_runs.hosted_repository import GREETER, Tree
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

EVERY_BYTE = bytes(range(256)) * 40
NAMES = {
    b"with spaces and 'quotes' \".txt": b"spaces\n",
    b"with\nnewline\tand tab.txt": b"newline\n",
    b"not utf-8 \xff\xfe.txt": b"latin-1 \xe9\n",
    "grüße ✓.txt".encode(): "grüße\n".encode(),
    b"-rf": b"an option\n",
    b"back\\slash": b"\\\n",
    b"a:(glob)*?[x]": b"magic\n",
    b"deep/er/and deeper/file": b"deep\n",
    b"Case.txt": b"large\n",
    b"case.txt": b"small\n",
}
CONTENTS = {
    b"crlf.txt": b"one\r\ntwo\r\n",
    b"no-end.txt": b"no newline at the end",
    b"empty.txt": b"",
    b"nul.bin": b"text\0text\n",
    b"long-line.txt": b"x" * 70_000 + b"\n",
    b"like-a-patch.txt": b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
}
CHANGE = f"""\
import os
for name, content in { ({**NAMES, **CONTENTS})!r}.items():
    os.makedirs(os.path.dirname(name) or b'.', exist_ok=True)
    open(name, 'wb').write(content)
open('image.bin', 'wb').write(bytes(range(256)) * 40)
open('old.bin', 'r+b').write(b'\\0changed')
os.remove('gone.txt')
os.rename('before.txt', 'after.txt')
os.chmod('run-me.sh', 0o755)
os.chmod('no-longer.sh', 0o644)
os.remove('file-then-link')
os.symlink('greet.py', 'file-then-link')
os.remove('link-then-file')
open('link-then-file', 'w').write('now a file\\n')
os.symlink(b'deep/er/no such \\xff target', b'link \\xff')
os.remove('folder-then-file/inside')
os.rmdir('folder-then-file')
open('folder-then-file', 'w').write('a file\\n')
"""


def make_old_files(folder: Path) -> None:
    for name in ("gone.txt", "before.txt", "file-then-link", "run-me.sh", "no-longer.sh"):
        (folder / name).write_text(f"{name}\n" * 20)
    (folder / "no-longer.sh").chmod(0o755)
    (folder / "link-then-file").symlink_to("greet.py")
    (folder / "folder-then-file").mkdir()
    (folder / "folder-then-file/inside").write_text("inside\n")
    (folder / "old.bin").write_bytes(EVERY_BYTE)


def expected(base: Tree) -> Tree:
    tree = dict(base)
    tree |= {name: ("100644", content) for name, content in {**NAMES, **CONTENTS}.items()}
    tree[b"image.bin"] = ("100644", EVERY_BYTE)
    tree[b"old.bin"] = ("100644", b"\0changed" + EVERY_BYTE[8:])
    del tree[b"gone.txt"]
    tree[b"after.txt"] = tree.pop(b"before.txt")
    tree[b"run-me.sh"] = ("100755", base[b"run-me.sh"][1])
    tree[b"no-longer.sh"] = ("100644", base[b"no-longer.sh"][1])
    tree[b"file-then-link"] = ("120000", b"greet.py")
    tree[b"link-then-file"] = ("100644", b"now a file\n")
    tree[b"link \xff"] = ("120000", b"deep/er/no such \xff target")
    del tree[b"folder-then-file/inside"]
    tree[b"folder-then-file"] = ("100644", b"a file\n")
    return tree


async def test_files_of_every_kind(world: World) -> None:
    repo = await world.host(GREETER, make_old_files)
    script = small_change(
        coder=[shell(f"python3 - <<'EOF'\n{CHANGE}\nEOF"), done("Add files", "Of all kinds.")],
    )
    run = await world.run("Make files of every kind.", repo, script)
    assert run.end["status"] == "succeeded", run.end
    assert repo.tree(repo.pull.head) == expected(repo.tree("main"))
    changed = {file["path"]: file for file in run.one("change.updated")["files"]}
    assert (changed["image.bin"]["added"], changed["gone.txt"]["removed"]) == (0, 20)
    assert b"image.bin" in await run.diff()


async def test_a_fix_builds_on_the_exact_bytes_before(world: World) -> None:
    """The change goes out of one tree and into three others before it is pushed."""
    repo = await world.host()
    script = small_change(
        coder=[shell("printf '\\0\\377\\r\\n' > raw.bin; ln -s nowhere link"), done()],
        fixer=[shell("printf 'more\\r' >> raw.bin; test -L link"), done()],
    )
    check = "test ! -e raw.bin || test $(wc -c < raw.bin) = 9"
    run = await world.run("Keep raw bytes.", repo, script, validate=[check])
    assert run.end["status"] == "succeeded", run.end
    tree = repo.tree(repo.pull.head)
    assert tree[b"raw.bin"] == ("100644", b"\0\xff\r\nmore\r")
    assert tree[b"link"] == ("120000", b"nowhere")


async def test_attributes_of_the_repository_do_not_change_bytes(world: World) -> None:
    repo = await world.host(
        {".gitattributes": "*.c text\n*.h eol=crlf\n* filter=other\n", **GREETER}
    )
    script = small_change(
        coder=[shell("printf 'a\\nb\\n' > new.c; printf 'c\\r\\n' > greet.txt"), done()],
    )
    run = await world.run("Write in spite of attributes.", repo, script)
    assert run.end["status"] == "succeeded", run.end
    tree = repo.tree(repo.pull.head)
    assert tree[b"new.c"] == ("100644", b"a\nb\n")
    assert tree[b"greet.txt"] == ("100644", b"c\r\n")


async def test_what_git_lfs_keeps_goes_to_the_fixer_and_is_not_committed(world: World) -> None:
    repo = await world.host({".gitattributes": "*.png filter=lfs -text\n", **GREETER})
    script = small_change(
        coder=[shell(f"{MORNING}; printf raw > new.png"), done()],
        fixer=[shell("rm new.png"), done()],
    )
    run = await world.run("Add a picture.", repo, script)
    assert run.end["status"] == "succeeded", run.end
    assert ("review", "request_changes") in run.nodes
    assert b"new.png" not in repo.tree(repo.pull.head)
