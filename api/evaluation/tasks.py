"""Tasks as SWE-bench has them, one JSON object a line."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, ValidationError, field_validator

from graph import RunRequest, Value, describe_faults
from graph.errors import InvalidRequest

MAX_FILE: Final = 1024 * 1024 * 1024
_SLICE: Final = re.compile(r"(-?\d{0,9}):(-?\d{0,9})")


class EvaluationTask(Value):
    """One task: what a run is given, and what grades it.

    A run gets `repo` at `base_commit` and `problem_statement`, and nothing else. `patch` is the
    known solution, `test_patch` brings the hidden tests. `fail_to_pass` names those that pass with
    a right change alone, `pass_to_pass` those that pass anyway.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=None, populate_by_name=True
    )

    instance_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
    repo: Annotated[str, Field(min_length=1)]
    base_commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]
    problem_statement: Annotated[str, Field(pattern=r"\S")]
    patch: str = ""
    test_patch: str = ""
    fail_to_pass: tuple[str, ...] = Field(default=(), alias="FAIL_TO_PASS")
    pass_to_pass: tuple[str, ...] = Field(default=(), alias="PASS_TO_PASS")

    @field_validator("fail_to_pass", "pass_to_pass", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """SWE-bench has some lists as a text of JSON."""
        return json.loads(value) if isinstance(value, str) else value

    def request(self, address: str, *, model: str | None, max_cost_usd: float | None) -> RunRequest:
        """What a run is asked; `address` is where the repository lies for it."""
        request = RunRequest(repo_url=address, prompt=self.problem_statement)
        if model:
            request["model"] = model
        if max_cost_usd:
            request["max_cost_usd"] = max_cost_usd
        return request


def read_tasks(file: Path, part: slice = slice(None)) -> list[EvaluationTask]:
    """The tasks of a JSONL file, or a part of them. Raises InvalidRequest, OSError."""
    if file.stat().st_size > MAX_FILE:
        raise InvalidRequest(f"{file} is larger than {MAX_FILE >> 20} MiB.", field="tasks")
    tasks: dict[str, EvaluationTask] = {}
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            task = _task_of(line, f"{file}, line {number}")
            if task.instance_id in tasks:
                raise InvalidRequest(
                    f"{file}, line {number}: there are two tasks {task.instance_id!r}.",
                    field="tasks",
                )
            tasks[task.instance_id] = task
    return list(tasks.values())[part]


def _task_of(line: bytes, where: str) -> EvaluationTask:
    try:
        return EvaluationTask.model_validate_json(line)
    except ValidationError as error:
        raise InvalidRequest(
            f"{where}: {describe_faults(error)[0]}.",
            "A task has instance_id, repo, base_commit and problem_statement.",
            field="tasks",
        ) from None


def parse_slice(text: str) -> slice:
    """`A:B` as Python takes it. Raises ValueError."""
    found = _SLICE.fullmatch(text)
    if not found or not all(_is_bound(bound) for bound in found.groups()):
        raise ValueError(f"{text!r} is no slice; give A:B, such as 0:20")
    first, last = (int(bound) if bound else None for bound in found.groups())
    return slice(first, last)


def _is_bound(text: str) -> bool:
    return text != "-"
