"""What `eval` was asked to do, checked before anything is started."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import typer

from api.evaluation import parse_slice

if TYPE_CHECKING:
    from wiring import Settings


@dataclass(frozen=True)
class EvaluationOrder:
    """`out` is the file of predictions, `part` the tasks that count."""

    tasks: Path
    out: Path
    max_cost: float | None
    workers: int
    part: slice
    resume: bool
    model: str | None

    @classmethod
    def of(
        cls,
        tasks: Path,
        out: Path | None,
        *,
        max_cost: float | None,
        workers: int,
        part: str | None,
        resume: bool,
        model: str | None,
    ) -> Self:
        """Raises typer.BadParameter."""
        if out is None:
            raise typer.BadParameter("names the file of predictions", param_hint="--out")
        if not out.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {str(out.parent)!r}", param_hint="--out")
        if not math.isfinite(max_cost or 0.0):
            raise typer.BadParameter("takes an amount of US dollars", param_hint="--max-cost")
        try:
            bounds = parse_slice(part) if part else slice(None)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--slice") from None
        return cls(tasks, out, max_cost, workers, bounds, resume, model)

    async def work(
        self, settings: "Settings", *, grade: bool, report: Path | None, grades: Path | None
    ) -> int:
        """Do what was asked; the exit code."""
        if not grade and report is None:
            from api.cli.evaluation.run_tasks import evaluate_tasks

            return await evaluate_tasks(settings, self)
        code = 0
        if grade:
            from api.cli.evaluation.grade_predictions import grade_predictions

            code = await grade_predictions(settings, self)
        if report:
            from api.cli.evaluation.write_report import write_report

            await asyncio.to_thread(write_report, self.out, grades, report)
        return code
