"""What somebody did to a run: kept for longer than the run itself, and without what was said."""

import re
from dataclasses import dataclass
from typing import Any, Final

from runs.model.run import Run
from runs.model.run_record import LoggedEvent, rfc3339

ACTS_KEPT_S: Final = 400 * 86_400.0
"""After it was done."""
REMOVED: Final = "run.removed"
_NO_DETAIL: Final = frozenset(("type", "by", "text", "feedback"))
_PLACE: Final = re.compile(r"([0-9]{1,12}\.[0-9]{1,9})_([A-Za-z0-9_.:-]{1,200})_([0-9]{1,15})")


@dataclass(frozen=True, order=True)
class ActPlace:
    """Where an act stands among all: newer ones have greater places."""

    time: float
    run_id: str
    seq: int

    def __str__(self) -> str:
        return f"{self.time:.6f}_{self.run_id}_{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "ActPlace | None":
        """The place that was written so; None where it was not."""
        found = _PLACE.fullmatch(text)
        return cls(float(found[1]), found[2], int(found[3])) if found else None


@dataclass(frozen=True)
class Act:
    """`kind` is the type of the event that told of it, `by` the name of who did it."""

    time: float
    run_id: str
    seq: int
    owner: str
    repo_url: str
    kind: str
    by: str
    details: dict[str, Any]

    @classmethod
    def of(cls, run: Run, event: LoggedEvent) -> "Act | None":
        """The act that an event tells of; None where it tells of none."""
        by = event.data.get("by")
        if not isinstance(by, str):
            return None
        details = {name: value for name, value in event.data.items() if name not in _NO_DETAIL}
        return cls._of(run, event.time, event.seq, event.type, by, details)

    @classmethod
    def removal(cls, run: Run, by: str, now: float) -> "Act":
        return cls._of(run, now, run.last_seq + 1, REMOVED, by, {"status": run.status})

    @classmethod
    def _of(
        cls, run: Run, at: float, seq: int, kind: str, by: str, details: dict[str, Any]
    ) -> "Act":
        repo_url = run.request["repo_url"]
        return cls(round(at, 6), run.run_id, seq, run.owner, repo_url, kind, by, details)

    @property
    def place(self) -> ActPlace:
        return ActPlace(self.time, self.run_id, self.seq)

    def row(self) -> dict[str, Any]:
        """The act as readers get it."""
        return {
            "time": rfc3339(self.time),
            "act": self.kind,
            "by": self.by,
            "runId": self.run_id,
            "owner": self.owner,
            "repoUrl": self.repo_url,
            "details": self.details,
        }
