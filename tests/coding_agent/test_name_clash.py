"""Python programs beside modules that have names of ours."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from coding_agent.name_clash import FOR_COMMANDS, FOR_GRAPHS

ROOT = Path(__file__).parents[2]
OPENS = "from coding_agent import open_graph\nprint(open_graph.__module__)\n"


def run(folder: Path, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A script of that text, in that folder."""
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, script], cwd="/", env=env, capture_output=True, text=True, check=False
    )


def put(folder: Path, name: str) -> Path:
    """A module or a folder that says so when it is imported."""
    path = folder / name
    if path.suffix:
        path.write_text("raise SystemExit('imported')")
    else:
        path.mkdir()
    return path


def test_the_graph_is_opened_from_anywhere(tmp_path: Path) -> None:
    ended = run(tmp_path, OPENS)
    assert (ended.returncode, ended.stdout) == (0, "local\n"), ended.stderr


@pytest.mark.parametrize("name", [*(f"{name}.py" for name in FOR_GRAPHS), "runs", "api"])
def test_what_is_in_the_way_is_named(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, name)
    ended = run(tmp_path, OPENS)
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 1
    assert last.startswith("coding_agent.name_clash.NameClash: ")
    assert f"{path.stem} is {path}" in last
    assert "Rename" in last


def test_all_of_them_are_named(tmp_path: Path) -> None:
    paths = [put(tmp_path, name) for name in ("api.py", "graph.py")]
    ended = run(tmp_path, OPENS)
    assert all(str(path) in ended.stderr.splitlines()[-1] for path in paths)


def test_names_that_a_graph_does_not_need_are_the_programs_own(tmp_path: Path) -> None:
    for name in ("demo.py", "deploy.py", "script2.py"):
        put(tmp_path, name)
    assert run(tmp_path, OPENS).stdout == "local\n"


def test_modules_that_are_loaded_already_are_looked_at(tmp_path: Path) -> None:
    first = "import sys, types\nsys.modules['graph'] = types.ModuleType('graph')\n"
    ended = run(tmp_path, first + OPENS)
    assert "graph is a module made in memory" in ended.stderr.splitlines()[-1]


def test_it_is_an_import_error_that_says_which(tmp_path: Path) -> None:
    path = put(tmp_path, "forge.py")
    asks = f"try:\n    {OPENS.splitlines()[0]}\nexcept ImportError as error:\n"
    ended = run(tmp_path, asks + "    print(error.name, error.path)\n")
    assert ended.stdout == f"forge {path}\n"


def test_the_command_names_it_too(tmp_path: Path) -> None:
    path = put(tmp_path, "demo.py")
    ended = subprocess.run(
        [sys.executable, "-m", "coding_agent", "--version"],
        cwd="/",
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_top_level_name_is_looked_at() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    said = built["tool"]["setuptools"]
    packages = {pattern.rstrip("*") for pattern in said["packages"]["find"]["include"]}
    assert packages | {*said["py-modules"]} == {"coding_agent", *FOR_COMMANDS}


def test_other_names_are_missing_as_usual(tmp_path: Path) -> None:
    ended = run(tmp_path, "from coding_agent import close_graph\n")
    assert "ImportError: cannot import name 'close_graph'" in ended.stderr
