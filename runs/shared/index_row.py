"""A row for each run: what runs are chosen by, and what its events added up to."""

from dataclasses import dataclass, field
from typing import Any, Final

from graph import FINAL_STATUSES, Status, repo_name
from runs.model.totals.event_totals import EventTotals
from runs.shared.run_version import RunVersion
from runs.store.protocol import RunQuery

_REMOVED: Final = "gone"


@dataclass(frozen=True)
class IndexRow:
    """Of two rows of a run the one of the later attempt counts, then the one that ended it."""

    run_id: str
    owner: str
    status: Status
    repo: str
    queued_at: float
    updated_at: float
    attempt: int = 0
    totals: EventTotals = field(default_factory=EventTotals, compare=False)
    """Of the attempts since the run was started or resumed, where they have ended."""

    @classmethod
    def of(cls, version: RunVersion) -> "IndexRow":
        run = version.run
        return cls(
            run_id=run.run_id,
            owner=run.owner,
            status=run.status,
            repo=repo_name(run.request["repo_url"]),
            queued_at=run.queued_at,
            updated_at=run.updated_at,
            attempt=run.attempt,
            totals=version.totals if run.final else EventTotals(),
        )

    @property
    def final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def key(self) -> str:
        """Under which an end is kept: one entry an attempt, however often it is put."""
        return f"{self.run_id}/{self.attempt}"

    @property
    def precedence(self) -> tuple[int, bool]:
        return self.attempt, self.final

    def matches(self, query: RunQuery) -> bool:
        wanted = (query.owner, query.status, query.repo and repo_name(query.repo))
        has = (self.owner, self.status, self.repo)
        named = all(want is None or want == value for want, value in zip(wanted, has, strict=True))
        if query.changed_since is not None and self.final and self.updated_at < query.changed_since:
            return False
        return named and (query.before is None or self.run_id < query.before)

    def dump(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "totals"}
        return {**kept, "tally": self.totals.dump()}

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "IndexRow":
        known = {name: kept[name] for name in cls.__dataclass_fields__ if name in kept}
        return cls(**known, totals=EventTotals.load(kept.get("tally", ())))


def removal_key(run_id: str) -> str:
    """Under which it is kept that a run was removed."""
    return f"{run_id}/{_REMOVED}"


def removed_run_of(key: str) -> str | None:
    """The run that was removed, of such a key."""
    run_id, _, end = key.partition("/")
    return run_id if end == _REMOVED else None
