"""Files of tasks: what is taken, and what is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.evaluation.tasks import parse_slice, read_tasks
from graph.errors import InvalidRequest

TASK = {
    "instance_id": "octo__sample-1",
    "repo": "octo/sample",
    "base_commit": "a" * 40,
    "problem_statement": "It fails.",
    "patch": "the solution",
    "test_patch": "the tests",
    "hints_text": "a hint",
    "FAIL_TO_PASS": '["test_a.py::test_one"]',
    "PASS_TO_PASS": ["test_a.py::test_two"],
}


def file_of(folder: Path, *tasks: dict[str, Any]) -> Path:
    file = folder / "tasks.jsonl"
    file.write_text("".join(f"{json.dumps(task)}\n\n" for task in tasks))
    return file


def test_lists_of_tests_are_texts_or_lists(tmp_path: Path) -> None:
    (task,) = read_tasks(file_of(tmp_path, TASK))
    assert task.fail_to_pass == ("test_a.py::test_one",)
    assert task.pass_to_pass == ("test_a.py::test_two",)


def test_a_run_is_told_the_statement_alone(tmp_path: Path) -> None:
    (task,) = read_tasks(file_of(tmp_path, TASK))
    request = task.request("/where/it/lies", model="claude-x", max_cost_usd=0)
    assert request == {
        "repo_url": "/where/it/lies",
        "prompt": "It fails.",
        "model": "claude-x",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_commit": "--upload-pack=x"}, "line 3: base_commit"),
        ({"problem_statement": " \n"}, "line 3: problem_statement"),
        ({"instance_id": "two words"}, "line 3: instance_id"),
        ({"instance_id": TASK["instance_id"]}, "two tasks 'octo__sample-1'"),
        ({"FAIL_TO_PASS": "not json"}, "line 3"),
        ({"repo": 1}, "line 3: repo"),
    ],
)
def test_a_wrong_task_is_told_with_its_line(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    file = file_of(tmp_path, TASK, {**TASK, "instance_id": "other", **changes})
    with pytest.raises(InvalidRequest, match=said):
        read_tasks(file)


@pytest.mark.parametrize(
    ("text", "kept"), [("0:2", "ab"), ("1:", "bcd"), (":-1", "abc"), ("2:2", ""), (":", "abcd")]
)
def test_a_slice_is_as_in_python(text: str, kept: str) -> None:
    assert "abcd"[parse_slice(text)] == kept


@pytest.mark.parametrize("text", ["", "2", "a:b", "1:2:3", "-:2", "1: 2"])
def test_no_slice(text: str) -> None:
    with pytest.raises(ValueError, match="no slice"):
        parse_slice(text)
