"""The bundled sample is a repository of its own that always comes out the same."""

import subprocess
import sys
from pathlib import Path

from demo.script.sample_repository import BRANCH, make_sample


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_sample_is_the_same_commit_each_time(tmp_path: Path) -> None:
    first, second = make_sample(tmp_path / "first"), make_sample(tmp_path / "second")
    assert git(first, "rev-parse", "HEAD") == git(second, "rev-parse", "HEAD")
    assert git(first, "branch", "--show-current") == BRANCH
    assert git(first, "status", "--porcelain") == ""


def test_the_sample_asks_for_nothing_but_python(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "sample")
    ended = subprocess.run(
        [sys.executable, "-I", "-B", "-c", _ISOLATED, "discover", "-s", "tests", "-t", "."],
        cwd=sample,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "OK" in ended.stderr


def test_the_readme_shows_what_the_sample_prints(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "sample")
    printed = subprocess.run(
        [sys.executable, "-B", "-m", "tinybill", "examples/garden.txt"],
        cwd=sample,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed in (sample / "README.md").read_text(encoding="utf-8")


_ISOLATED = "import sys, unittest; sys.path.insert(0, '.'); unittest.main(module=None)"
