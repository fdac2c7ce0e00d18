"""Grades of predictions, in the form in which the SWE-bench harness reports them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from api.evaluation.ledger import LedgerValue
from graph.errors import InvalidRequest
from graph.files import write_whole

Grade = Literal["resolved", "unresolved", "empty_patch", "error"]


class Grades(LedgerValue):
    """The tasks by their grade; `error`: they could not be graded."""

    resolved_ids: tuple[str, ...] = ()
    unresolved_ids: tuple[str, ...] = ()
    empty_patch_ids: tuple[str, ...] = ()
    error_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, grades: Iterable[tuple[str, Grade]]) -> "Grades":
        ids: dict[str, list[str]] = {}
        for instance_id, grade in grades:
            ids.setdefault(f"{grade}_ids", []).append(instance_id)
        return cls.model_validate(ids)

    @classmethod
    def read(cls, file: Path) -> "Grades":
        """Raises InvalidRequest, OSError."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError:
            raise InvalidRequest(
                f"{file} is no report of grades.",
                "Give the harness's report, or grade with --grade.",
                field="grades",
            ) from None

    def write(self, file: Path) -> None:
        write_whole(file, self.model_dump_json(indent=2).encode() + b"\n")

    def grade_of(self, instance_id: str) -> Grade | None:
        """None where nobody graded it."""
        kinds: tuple[tuple[Grade, tuple[str, ...]], ...] = (
            ("resolved", self.resolved_ids),
            ("empty_patch", self.empty_patch_ids),
            ("error", self.error_ids),
            ("unresolved", self.unresolved_ids),
        )
        return next((grade for grade, ids in kinds if instance_id in ids), None)
