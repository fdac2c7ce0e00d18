"""The readable diff of a change, as git writes it."""

import subprocess
from pathlib import Path

from roles.briefing.change_diff import ChangeDiff


def git(folder: Path, *words: str) -> str:
    line = ["git", "-c", "user.name=T", "-c", "user.email=t@localhost", *words]
    done = subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def changed(folder: Path, before: dict[str, str], after: dict[str, str]) -> ChangeDiff:
    """The diff between two sets of files."""
    git(folder, "init", "-q")
    for files in (before, after):
        for name in git(folder, "ls-files", "-z").split("\0")[:-1]:
            (folder / name).unlink()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("latin-1"))
        git(folder, "add", "-A")
        if files is before:
            git(folder, "commit", "-q", "--allow-empty", "-m", "start")
    quoted = ("-c", "core.quotePath=false")
    return ChangeDiff.read(git(folder, *quoted, "diff", "--cached", "-M", "HEAD"))


def test_files_and_lines(tmp_path: Path) -> None:
    before = {"a.py": "one\ntwo\nthree\n", "gone.py": "x\n", "old.py": "long\n" * 20}
    after = {
        "a.py": "one\n-- two\n++ more\nthree\n",
        "new.py": "y\nz",
        "moved.py": "long\n" * 20 + "er\n",
    }
    diff = changed(tmp_path, before, after)
    assert [(f.path, f.old_path, f.status) for f in diff.files] == [
        ("a.py", "a.py", "modified"),
        ("gone.py", "gone.py", "deleted"),
        ("moved.py", "old.py", "renamed"),
        ("new.py", "new.py", "added"),
    ]
    assert diff.files[0].added == ((2, "-- two"), (3, "++ more"))
    assert diff.files[0].removed == ("two",)
    assert diff.files[1].removed == ("x",)
    assert diff.files[2].added == ((21, "er"),)
    assert diff.files[3].added == ((1, "y"), (2, "z"))


def test_odd_files(tmp_path: Path) -> None:
    names = ['quo"te.py', "tab\there.py", "with space.py", "back\\slash.py", "b/b/b.py"]
    after = dict.fromkeys(names, "x\n") | {"pic.bin": "\0\1", "empty": ""}
    diff = changed(tmp_path, {}, after)
    assert {f.path for f in diff.files} == set(after)
    assert {f.status for f in diff.files} == {"added"}


def test_text_that_looks_like_a_diff(tmp_path: Path) -> None:
    trick = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n+bad\n"
    diff = changed(tmp_path, {"notes": "-- a/x\n"}, {"notes": trick})
    (file,) = diff.files
    assert [line for _, line in file.added] == trick.splitlines()
    assert file.removed == ("-- a/x",)


def test_mode_alone(tmp_path: Path) -> None:
    diff = changed(tmp_path, {"run.sh": "x\n"}, {"run.sh": "x\n"})
    assert diff.files == ()
    (tmp_path / "run.sh").chmod(0o755)
    git(tmp_path, "add", "-A")
    diff = ChangeDiff.read(git(tmp_path, "diff", "--cached", "HEAD"))
    assert [(f.path, f.status) for f in diff.files] == [("run.sh", "modified")]


def test_what_is_no_diff() -> None:
    assert ChangeDiff.read("").files == ()
    assert ChangeDiff.read("hello\n@@ -1 +1 @@\n+x").files == ()
    (file,) = ChangeDiff.read("diff --git \n@@ nonsense @@\n+x").files
    assert file.added == ((0, "x"),)


async def test_missing_diff(tmp_path: Path) -> None:
    assert await ChangeDiff.load(tmp_path / "0001.diff") is None


def test_small_diff_is_shown_as_it_is(tmp_path: Path) -> None:
    diff = changed(tmp_path, {"a": "1\n"}, {"a": "2\n", "b": "3\n"})
    assert diff.shown(10_000) == f"<diff>\n{diff.text.strip()}\n</diff>"


def test_large_files_do_not_hide_small_ones(tmp_path: Path) -> None:
    after = {"a.lock": "x\n" * 90_000, "b.py": "print('b')\n", "c.lock": "y\n" * 90_000}
    shown = changed(tmp_path, {}, after).shown(20_000)
    assert len(shown) < 21_500
    assert "a.lock: added, +90000 -0\nb.py: added, +1 -0\n" in shown
    assert "+print('b')" in shown
    assert shown.count("bytes left out") == 2


def test_very_many_files(tmp_path: Path) -> None:
    shown = changed(tmp_path, {}, {f"f{n}": f"{n}\n" * 100 for n in range(500)}).shown(20_000)
    assert len(shown) < 50_000
    assert "and 300 more" in shown


async def test_only_so_much_is_read(tmp_path: Path) -> None:
    part = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n+" + "x" * 4_000_000 + "\n"
    path = tmp_path / "0001.diff"
    path.write_text(part * 3)
    diff = await ChangeDiff.load(path)
    assert diff
    assert len(diff.text) == 8_000_000
    assert "the rest of the diff was not read" in diff.shown(1_000)
