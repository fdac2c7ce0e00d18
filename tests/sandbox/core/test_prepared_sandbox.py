"""What commands find of an environment, in real bash."""

import subprocess
from pathlib import Path

import pytest

from graph.environment import Environment
from sandbox.core.prepared_sandbox import prepare_command

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
