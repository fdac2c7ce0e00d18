"""What is told of a run: that it waits for an answer, needs money, or has ended."""

from dataclasses import dataclass
from typing import Final

from runs.model import LoggedEvent, RunRecord

TOLD: Final = frozenset(("plan.waiting", "run.finished"))
"""Types of the events after which something is told."""


@dataclass(frozen=True)
class Notice:
    """One thing that is told. `name` is the same however often it is sent."""

    name: str
    kind: str
    """`run.waiting`, `run.finished` or `run.needs_money`."""
    time: float
    run: RunRecord

    @classmethod
    def of(cls, event: LoggedEvent, run: RunRecord) -> "Notice | None":
        """The notice of an event; None where the run has gone on meanwhile."""
        name = f"msg_{run.run_id}_{event.seq}"
        if event.type == "plan.waiting":
            return cls(name, "run.waiting", event.time, run) if run.status == "waiting" else None
        if not run.final or event.seq < run.last_seq:
            return None
        money = run.status == "budget_exhausted"
        return cls(name, "run.needs_money" if money else "run.finished", event.time, run)
