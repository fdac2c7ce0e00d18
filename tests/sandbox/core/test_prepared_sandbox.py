"""What commands find of an environment, in real bash."""

import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from graph.environment import Environment
from sandbox.core.prepared_sandbox import prepare_command

UV = find_uv_bin()
OFFLINE = {"UV_OFFLINE": "1"}
WEB = "/home/agent/venvs/web"
ENVIRONMENT = Environment(
    paths={"": ("/opt/one", "/home/agent/venvs/root/bin"), "web": (f"{WEB}/bin",)},
    variables={"TOKENS": 'it\'s $HOME; "x"'},
)


def said(command: str, folder: Path) -> str:
    """What a prepared command prints, as a sandbox starts it."""
    (folder / "web" / "deep").mkdir(parents=True, exist_ok=True)
    prepared = prepare_command(command, ENVIRONMENT, {"UV_OFFLINE": "1"})
    done = subprocess.run(
        ["/bin/bash", "-c", prepared, "bash"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("echo $PATH", "/opt/one:/home/agent/venvs/root/bin:/usr/bin:/bin"),
        ("cd web && echo $PATH", f"{WEB}/bin:/usr/bin:/bin"),
        ("cd web/deep && echo $PATH", f"{WEB}/bin:/usr/bin:/bin"),
        ("cd /tmp && echo $PATH", "/opt/one:/home/agent/venvs/root/bin:/usr/bin:/bin"),
        ("cd web && echo $VIRTUAL_ENV", WEB),
        ("echo $VIRTUAL_ENV $UV_OFFLINE", "/home/agent/venvs/root 1"),
        ("echo $TOKENS", 'it\'s $HOME; "x"'),
        ("echo $0 $# $LINENO", "bash 0 1"),
        ("echo 'a b'\ncat <<E\nit's $((1+1))\nE", "a b\nit's 2"),
        (f"echo $UV_OFFLINE\n#{'x' * 100_000}", "1"),
    ],
)
def test_commands_find_what_is_made_for_their_folder(
    tmp_path: Path, command: str, path: str
) -> None:
    assert said(command, tmp_path) == f"{path}\n"


def test_a_command_that_bash_cannot_read_is_told_as_it_is_written(tmp_path: Path) -> None:
    assert said("echo (", tmp_path).startswith("bash: -c: line 1: syntax error")


def test_nothing_is_added_where_there_is_nothing() -> None:
    assert prepare_command("make", Environment()) == "make"


@pytest.mark.parametrize("made", [True, False])
def test_uv_runs_in_what_set_up_made_where_it_is_there(tmp_path: Path, made: bool) -> None:
    """`uv run` in a project of two dependencies that cannot be had, as a makefile calls it."""
    venv = tmp_path / "home/agent/venvs/root"
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "shape"\nversion = "1"\ndependencies = ["no-such-one", "nor-this"]\n'
    )
    (project / ".python-version").write_text("3.99\n")
    if made:
        subprocess.run([UV, "venv", "-q", "--python", sys.executable, venv], check=True)
    environment = Environment(paths={"": ("/home/agent/venvs/root/bin",)})
    prepared = prepare_command(
        "uv run python -c 'import sys; print(sys.prefix)'", environment, OFFLINE
    )
    done = subprocess.run(
        ["/bin/bash", "-c", prepared.replace("/home/agent/venvs", str(venv.parent))],
        cwd=project,
        env={"PATH": f"{Path(UV).parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout == f"{venv}\n") is made, done.stderr
    assert not (project / "uv.lock").exists()


@pytest.mark.parametrize("name", ["UV_PROJECT_ENVIRONMENT", "UV_NO_SYNC"])
def test_variables_of_the_repository_go_before_what_is_said_to_uv(name: str) -> None:
    environment = Environment(paths={"": (f"{WEB}/bin",)}, variables={name: "theirs"})
    prepared = prepare_command(f"echo ${name}", environment, OFFLINE)
    shown = subprocess.run(
        ["/bin/bash", "-c", prepared], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "theirs\n"
