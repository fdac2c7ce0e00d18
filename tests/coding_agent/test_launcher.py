"""The installed command: which Python it starts, and that this one takes code from nowhere else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command.planted_code import plant

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("coding-agent")
PYTHON_PATHS = {
    "unset": {},
    "empty": {"PYTHONPATH": ""},
    "first name empty": {"PYTHONPATH": ":/nowhere"},
    "last name empty": {"PYTHONPATH": "/nowhere:"},
    "working directory": {"PYTHONPATH": "."},
    "home elsewhere": {"PYTHONPATH": ".:/nowhere", "PYTHONHOME": "."},
}


def run(
    *line: str | Path, folder: Path, env: Mapping[str, str] = {}, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "CODING_AGENT_DATA_DIR": str(folder / "d"), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_installed_as_it_is() -> None:
    assert COMMAND.read_bytes() == (ROOT / "bin" / "coding-agent").read_bytes()
    assert COMMAND.read_text().startswith("#!/bin/sh\n")


@pytest.mark.slow
@pytest.mark.parametrize("python_path", PYTHON_PATHS.values(), ids=PYTHON_PATHS)
def test_code_of_the_working_directory_does_not_run(
    python_path: dict[str, str], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    folder = plant(tmp_path / "checkout", trap)
    for words in (["--version"], ["runs"]):
        ended = run(COMMAND, *words, folder=folder, env=python_path)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert not trap.exists()
    run(sys.executable, "-m", "coding_agent", "--version", folder=folder, env=python_path)
    assert trap.exists()  # what was planted does run where it may


def test_it_is_found_behind_symlinks(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a place", "another")]
    for place in places:
        place.mkdir()
    first, second = (place / "coding-agent" for place in places)
    first.symlink_to(COMMAND)
    second.symlink_to(Path("..", "a place", "coding-agent"))
    direct = run(COMMAND, "--version", folder=tmp_path)
    for link in (first, second):
        ended = run(link, "--version", folder=tmp_path, path="/usr/bin:/bin")
        assert (ended.returncode, ended.stdout) == (0, direct.stdout), ended.stderr
    ended = run("coding-agent", "--version", folder=tmp_path, path=f"{places[1]}:/usr/bin:/bin")
    assert ended.stdout == direct.stdout


def test_arguments_stay_as_they_are(tmp_path: Path) -> None:
    ended = run(COMMAND, "show", "no such *", "$HOME", folder=tmp_path)
    assert ended.returncode == 2
    assert "$HOME" in ended.stderr


def test_without_a_python_beside_it_the_paths_is_taken(tmp_path: Path) -> None:
    alone = shutil.copy(COMMAND, tmp_path)
    path = f"{COMMAND.parent}:/usr/bin:/bin"
    assert run(alone, "--version", folder=tmp_path, path=path).returncode == 0
    (tmp_path / "python3").symlink_to("gone")
    assert run(alone, "--version", folder=tmp_path, path=path).returncode == 0


def test_a_user_base_in_the_working_directory_is_not_taken(tmp_path: Path) -> None:
    """Python reads this one variable in spite of -E, outside of virtual environments."""
    python = Path(sys.base_prefix, "bin", "python3")
    trap = tmp_path / "trap"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = tmp_path / "checkout"
    plant(folder / "lib" / version / "site-packages", trap)
    shutil.copy(COMMAND, tmp_path)
    env = {"PYTHONUSERBASE": "."}
    path = f"{python.parent}:/usr/bin:/bin"
    run(tmp_path / "coding-agent", "--version", folder=folder, env=env, path=path)
    assert not trap.exists()
    run(python, "-E", "-P", "-c", "", folder=folder, env=env)
    assert trap.exists()


def test_as_a_module_it_leaves_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise SystemExit('planted')")
    (tmp_path / "api").mkdir()
    ended = run(sys.executable, "-m", "coding_agent", "--version", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
