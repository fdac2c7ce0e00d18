"""What ledger and grades come to together."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from api.evaluation.grades import Grade, Grades
from api.evaluation.intervals import Interval, ratio_interval, share_interval
from api.evaluation.ledger import LedgerLine
from api.terminal.text.human_units import count, duration, money

_GRADED: Final = ("resolved", "unresolved", "empty_patch")


@dataclass(frozen=True)
class GradedTask:
    """One task of the ledger; `grade` is None where nobody graded it."""

    line: LedgerLine
    grade: Grade | None

    @property
    def resolved(self) -> bool:
        return self.grade == "resolved"

    @property
    def wrong(self) -> bool:
        """Claimed to be done, and hidden tests fail."""
        return self.line.claimed and self.grade in ("unresolved", "empty_patch")


@dataclass(frozen=True)
class Figure:
    """One row of the summary."""

    name: str
    value: str
    interval: str = ""


class Report:
    """The tasks of a ledger with their grades; shares are of those that were graded."""

    def __init__(self, lines: Iterable[LedgerLine], grades: Grades) -> None:
        self.tasks = [GradedTask(line, grades.grade_of(line.instance_id)) for line in lines]
        self._graded = [task for task in self.tasks if task.grade in _GRADED]

    @property
    def figures(self) -> list[Figure]:
        claimed = [task for task in self._graded if task.line.claimed]
        unclaimed = [task for task in self._graded if not task.line.claimed]
        return [
            Figure("tasks run", str(len(self.tasks))),
            Figure("of them graded", str(len(self._graded))),
            _share("resolved", self._graded, sum(task.resolved for task in self._graded)),
            _share("claimed to be done", self._graded, len(claimed)),
            _share("claimed but wrong", claimed, sum(task.wrong for task in claimed)),
            _share("resolved but not claimed", unclaimed, sum(t.resolved for t in unclaimed)),
            Figure("cost", money(self._cost(self.tasks))),
            self._cost_per_resolved(),
            *self._medians(),
        ]

    def _cost(self, tasks: Iterable[GradedTask]) -> float | None:
        costs = [task.line.cost_usd for task in tasks]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def _cost_per_resolved(self) -> Figure:
        name = "cost per resolved task"
        cost, resolved = self._cost(self._graded), sum(task.resolved for task in self._graded)
        if cost is None or not resolved:
            return Figure(name, "cost unknown" if cost is None else "none is resolved")
        pairs = [(task.line.cost_usd or 0.0, float(task.resolved)) for task in self._graded]
        return Figure(name, money(cost / resolved), _amounts(ratio_interval(pairs)))

    def _medians(self) -> list[Figure]:
        if not self.tasks:
            return []
        lines = [task.line for task in self.tasks]
        seconds = statistics.median(line.seconds for line in lines)
        return [
            Figure("median time", duration(seconds)),
            Figure("median requests", f"{statistics.median(line.requests for line in lines):g}"),
            Figure("median tokens", count(statistics.median(line.usage.tokens for line in lines))),
        ]


def _share(name: str, of: list[GradedTask], number: int) -> Figure:
    if not of:
        return Figure(name, "0 of 0")
    interval = share_interval(number, len(of))
    value = f"{number} of {len(of)} ({number / len(of):.0%})"
    return Figure(name, value, f"{interval.low:.0%} to {interval.high:.0%}")


def _amounts(interval: Interval) -> str:
    high = money(interval.high) if math.isfinite(interval.high) else "no bound"
    return f"{money(interval.low)} to {high}"
