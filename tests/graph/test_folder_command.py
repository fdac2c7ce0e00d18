"""Commands and the folders they start in."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.machine.edges import checks_of
from graph.values import Check, FolderCommand, Plan, commands_of


@pytest.mark.parametrize(
    ("text", "folder", "command"),
    [
        ("npm test", "", "npm test"),
        ("cd web && npm test", "web", "npm test"),
        ("cd ./web/ && npm test", "web", "npm test"),
        ("cd . && npm test", "", "npm test"),
        ("cd .github && x", ".github", "x"),
        ("cd 'my pkg' && npm test", "my pkg", "npm test"),
        ('cd "my pkg"/a && npm test', "my pkg/a", "npm test"),
        (r"cd my\ pkg && npm test", "my pkg", "npm test"),
        ("  cd web&&npm test\nnpm run more", "web", "npm test\nnpm run more"),
        ("cd web && cd .. && cd api && x || y", "api", "x || y"),
        ("cd web; npm test", "", "cd web; npm test"),
        ("cd $(x) && npm test", "", "cd $(x) && npm test"),
        ("cd ~ && npm test", "", "cd ~ && npm test"),
        ("cd - && npm test", "", "cd - && npm test"),
        ("cd /tmp && ls", "", "cd /tmp && ls"),
        ("cd ./- && ls", "", "cd ./- && ls"),
        ("cd ../other && ls", "", "cd ../other && ls"),
        ("cd web || npm test", "", "cd web || npm test"),
        ("cd we* && npm test", "", "cd we* && npm test"),
        ("cdw && npm test", "", "cdw && npm test"),
        ("cd web && ", "", "cd web && "),
    ],
)
def test_a_text_is_taken_apart_where_it_begins_with_a_folder(
    text: str, folder: str, command: str
) -> None:
    (made,) = commands_of([text])
    assert (made.folder, made.command) == (folder, command)
    assert commands_of([made.shell]) == (made,)
    assert FolderCommand.model_validate(made.model_dump()) == made


NAMES = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=20)


@given(NAMES.filter(lambda name: not name.startswith(("..", "-")) and name != "."))
def test_a_folder_of_any_name_comes_back(name: str) -> None:
    made = FolderCommand(command="true", folder=name)
    assert commands_of([made.shell]) == (made,)


@given(st.text())
def test_any_text_means_the_same_when_it_was_taken_apart_twice(text: str) -> None:
    (made,) = commands_of([text])
    assert FolderCommand.model_validate(made.model_dump()) == made


def test_a_shell_goes_where_it_says(tmp_path: Path) -> None:
    (tmp_path / "it's").mkdir()
    command = FolderCommand(command="pwd", folder="it's")
    done = subprocess.run(
        ["bash", "-c", command.shell], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/it's\n"


@pytest.mark.parametrize("folder", ["web", "my pkg"])
def test_what_was_kept_with_the_folder_in_the_command_is_read(folder: str) -> None:
    kept = {"command": f"cd {shlex.quote(folder)} && npm test", "folder": folder}
    check = Check.model_validate({**kept, "source": "repository"})
    assert (check.folder, check.command) == (folder, "npm test")
    report = Check.model_validate({"command": "npm test", "source": "caller"})
    assert report.folder == ""


def test_a_planned_check_that_is_there_already_is_not_added() -> None:
    found = [Check(command="a", source="caller"), Check(command="b", folder="c", source="caller")]
    plan = Plan(summary="s", validate_=("cd c && b", "d", "d"))
    state: Any = {"checks": found, "plan": plan}
    checks = checks_of(state)
    assert [check.shell for check in checks] == ["a", "cd c && b", "d"]
