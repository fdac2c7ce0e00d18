"""A change read from patch bytes: the same tree as inside, and nothing of it acted on."""

import base64
import os
import shutil
import zlib
from pathlib import Path

import pytest

from forge.git import apply_patch as change_reader
from graph.errors import PatchTooLarge, PatchUnusable, StoreDamaged
from graph.values import ChangedFile, ChangeRef
from tests.support.trusted_side import (
    TrustedSide,
    git,
    make_patch,
    write_file,
)


def odd_files(work: Path) -> None:
    (work / "binary.bin").write_bytes(bytes(range(256)) * 40)
    (work / "src" / "app.py").write_text("print('changed')\n")
    (work / "README.md").unlink()
    (work / "tool.sh").write_text("#!/bin/sh\n")
    (work / "tool.sh").chmod(0o755)
    (work / "link").symlink_to("src/app.py")
    (work / "with space").write_text("x\n")
    (work / "with\nnewline").write_text("x\n")
    (work / 'with "quotes"').write_text("x\n")
    (work / "ümläut").write_text("x\n")
    Path(os.fsdecode(os.fsencode(work) + b"/latin-\xfc")).write_text("x\n")
    (work / "no newline").write_text("x")
    (work / "crlf").write_bytes(b"a\r\nb\r\n")
    (work / ".gitattributes").write_text(
        "* filter=evil diff=evil\ncrlf text\nREADME.md working-tree-encoding=UTF-16\n"
    )
    (work / "empty").write_bytes(b"")


async def test_the_tree_is_the_same_as_inside(side: TrustedSide) -> None:
    base = await side.prepare()
    work = side.runs.parent / "work"
    git(side.runs.parent, "clone", "-q", str(side.run().base_git), str(work))
    shutil.copytree(work / "src", work / "pkg")
    odd_files(work)
    (work / ".git" / "info" / "attributes").write_text(
        "* -text -filter !diff -working-tree-encoding\n"
    )
    patch = make_patch(work)
    inside = git(work, "write-tree").decode().strip()
    change = await side.repositories.read_change("r1", base, side.hand_over(patch))
    assert change.tree == inside
    files = {file.path: file for file in change.files}
    assert files["binary.bin"] == ChangedFile(path="binary.bin", added=0, removed=0)
    assert files["README.md"] == ChangedFile(path="README.md", added=0, removed=1)
    assert files["src/app.py"] == ChangedFile(path="src/app.py", added=1, removed=1)
    assert {"with\nnewline", 'with "quotes"', "ümläut", "latin-\\xfc", "pkg/app.py"} <= set(files)
    change.model_dump_json()


async def test_the_readable_diff_is_kept(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.change(base, odd_files, step=7)
    diff = side.run().diff(7).read_text(errors="replace")
    assert "-print('hello')\n+print('changed')" in diff
    assert "Binary files /dev/null and b/binary.bin differ" in diff
    assert "b/ümläut" in diff
    assert change.ref.step == 7


async def test_renames_are_shown_as_such(side: TrustedSide) -> None:
    base = await side.prepare()
    await side.change(base, lambda work: (work / "README.md").rename(work / "READ.md"))
    assert "rename to READ.md" in side.run().diff(2).read_text()


async def test_the_base_is_never_written(side: TrustedSide) -> None:
    base = await side.prepare()
    before = sorted(path for path in side.run().base_git.rglob("*"))
    await side.change(base, odd_files)
    assert sorted(path for path in side.run().base_git.rglob("*")) == before
    names = {path.name for path in side.run().root.iterdir()}
    assert names == {"base.git", "changes", "diffs", "objects"}


async def test_what_is_new_since_an_earlier_change_is_kept(side: TrustedSide) -> None:
    base = await side.prepare()
    await side.change(base, lambda work: (work / "new.txt").write_text("one\ntwo\n"), 2)

    def go_on(work: Path) -> None:
        (work / "new.txt").write_text("one\n2\n")
        (work / "more.txt").write_text("more\n")

    await side.change(base, go_on, 4)
    await side.change(base, go_on, 5)
    new = side.run().diff_since(4, 2).read_text()
    assert "-two\n+2\n" in new
    assert "+more\n" in new
    assert "+one" not in new
    assert side.run().diff_since(5, 4).read_text() == ""
    assert sorted(path.name for path in side.run().diff(0).parent.glob("*.diff")) == [
        *("0002.diff", "0004.diff", "0005.diff")
    ]


async def test_no_change_is_the_base(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.repositories.read_change("r1", base, side.hand_over(b""))
    assert (change.tree, change.files) == (base.tree, ())
    assert side.run().diff(2).read_bytes() == b""


async def test_reading_again_gives_the_same(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.change(base, write_file)
    again = await side.repositories.read_change("r1", base, change.ref)
    assert again.tree == change.tree


def patch_of(path: str, mode: str = "100644", line: str = "x") -> bytes:
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n"
        f"@@ -0,0 +1 @@\n+{line}\n"
    ).encode()


@pytest.mark.parametrize(
    "patch",
    [
        b"not a patch at all\n",
        b"\x00\xff" * 100,
        patch_of(".git/config"),
        patch_of(".GIT/hooks/post-checkout"),
        patch_of("a/.git/config"),
        patch_of("git~1/config"),
        patch_of("../outside"),
        patch_of("a/../../outside"),
        patch_of("/etc/passwd"),
        patch_of("src/app.py"),
        patch_of("src/app.py/below"),
        b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
        b"diff --git a/x b/x\nnew file mode 100644\nGIT binary patch\nliteral 5\ngarbage\n",
    ],
)
async def test_what_git_refuses_is_unusable(side: TrustedSide, patch: bytes) -> None:
    base = await side.prepare()
    with pytest.raises(PatchUnusable) as raised:
        await side.repositories.read_change("r1", base, side.hand_over(patch))
    assert str(side.runs) not in raised.value.message
    assert not (side.runs.parent / "outside").exists()


async def test_other_bytes_than_were_handed_over_are_not_read(side: TrustedSide) -> None:
    base = await side.prepare()
    ref = side.hand_over(patch_of("x"))
    side.run().patch(ref).write_bytes(patch_of("y"))
    with pytest.raises(StoreDamaged):
        await side.repositories.read_change("r1", base, ref)
    with pytest.raises(StoreDamaged):
        await side.repositories.read_change(
            "r1", base, ChangeRef(step=9, role="fixer", digest=ref.digest)
        )


def test_declared_sizes_are_summed_before_anything_is_applied() -> None:
    part = b"GIT binary patch\nliteral %d\n" % (300 * 1024 * 1024)
    change_reader.check_size(part)
    with pytest.raises(PatchTooLarge, match="binary"):
        change_reader.check_size(part + b"delta 300000000\n")
    change_reader.check_size(b"+literal 999999999999\n")
    with pytest.raises(PatchTooLarge):
        change_reader.check_size(b"x" * (change_reader.MAX_PATCH + 1))


def binary_lines(data: bytes) -> bytes:
    """Compressed bytes in the lines of git's binary patches."""
    packed, lines = zlib.compress(data, 9), b""
    for start in range(0, len(packed), 52):
        part = packed[start : start + 52]
        count = chr(ord("A") + len(part) - 1 if len(part) <= 26 else ord("a") + len(part) - 27)
        lines += count.encode() + base64.b85encode(part, pad=True) + b"\n"
    return lines


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


async def test_a_delta_that_grows_without_end_meets_the_limits(side: TrustedSide) -> None:
    base = await side.prepare()
    old = git(side.source, "rev-parse", "HEAD:README.md").decode().strip()
    size, copies = len("# Sample\n"), 600_000_000
    copy_all = bytes([0x90, size])
    delta = varint(size) + varint(size * copies) + copy_all * 1000
    patch = (
        f"diff --git a/README.md b/README.md\nindex {old}..{'1' * 40} 100644\n"
        f"GIT binary patch\ndelta {len(delta)}\n"
    ).encode()
    patch += binary_lines(delta) + b"\ndelta 1\n" + binary_lines(b"x") + b"\n"
    with pytest.raises(PatchTooLarge, match="memory"):
        await side.repositories.read_change("r1", base, side.hand_over(patch))


async def test_a_size_that_is_a_lie_is_found_out(side: TrustedSide) -> None:
    base = await side.prepare()
    patch = f"diff --git a/z b/z\nnew file mode 100644\nindex {'0' * 40}..{'1' * 40}\n".encode()
    patch += b"GIT binary patch\nliteral 1000\n" + binary_lines(bytes(50_000_000)) + b"\n"
    patch += b"literal 0\n" + binary_lines(b"") + b"\n"
    with pytest.raises(PatchUnusable):
        await side.repositories.read_change("r1", base, side.hand_over(patch))


async def test_attributes_of_the_repository_do_not_hide_a_change(
    side: TrustedSide, tmp_path: Path
) -> None:
    (side.source / ".gitattributes").write_text("*.py -diff\n*.txt binary\n")
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "hide")
    await side.forge.add_repository("octo/hides", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/hides")
    await side.change(base, lambda work: (work / "src" / "app.py").write_text("evil()\n"))
    assert "+evil()" in side.run().diff(2).read_text()


async def test_too_many_files_are_refused(side: TrustedSide, tmp_path: Path) -> None:
    base = await side.prepare()
    patch = b"".join(patch_of(f"many/{number}") for number in range(change_reader.MAX_FILES + 1))
    with pytest.raises(PatchTooLarge, match="files"):
        await side.repositories.read_change("r1", base, side.hand_over(patch))


async def test_a_path_that_no_checkout_takes_is_unusable(side: TrustedSide) -> None:
    base = await side.prepare()
    name = "/".join(["folder"] * 700)
    patch = (
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n"
        f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"
    )
    with pytest.raises(PatchUnusable, match="a path of 4899 bytes"):
        await side.repositories.read_change("r1", base, side.hand_over(patch.encode()))
