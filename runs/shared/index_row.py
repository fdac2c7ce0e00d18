"""A line for each run: what runs are chosen by, and what its events added up to."""

from dataclasses import dataclass, field
from typing import Any, Final

from graph import Status
from runs.model.event_totals import Tally
from runs.model.repo_name import repo_name
from runs.model.run_record import FINAL
from runs.shared.run_version import Edition
from runs.store.protocol import RunQuery

_GONE: Final = "gone"


@dataclass(frozen=True)
class Line:
    """Of two lines of a run the one of the later attempt counts, then the one that ended it."""

    run_id: str
    owner: str
    status: Status
    repo: str
    queued_at: float
    updated_at: float
    attempt: int = 0
    tally: Tally = field(default_factory=Tally, compare=False)
    """Of the attempts since the run was started or resumed, where they have ended."""

    @classmethod
    def of(cls, edition: Edition) -> "Line":
        run = edition.run
        return cls(
            run_id=run.run_id,
            owner=run.owner,
            status=run.status,
            repo=repo_name(run.request["repo_url"]),
            queued_at=run.queued_at,
            updated_at=run.updated_at,
            attempt=run.attempt,
            tally=edition.tally if run.final else Tally(),
        )

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def key(self) -> str:
        """Under which an end is kept: one entry an attempt, however often it is put."""
        return f"{self.run_id}/{self.attempt}"

    @property
    def rank(self) -> tuple[int, bool]:
        return self.attempt, self.final

    def fits(self, query: RunQuery) -> bool:
        wanted = (query.owner, query.status, query.repo and repo_name(query.repo))
        has = (self.owner, self.status, self.repo)
        named = all(want is None or want == value for want, value in zip(wanted, has, strict=True))
        return named and (query.before is None or self.run_id < query.before)

    def dump(self) -> dict[str, Any]:
        return {**self.__dict__, "tally": self.tally.dump()}

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "Line":
        known = {name: kept[name] for name in cls.__dataclass_fields__ if name in kept}
        return cls(**{**known, "tally": Tally.load(kept.get("tally", ()))})


def gone_key(run_id: str) -> str:
    """Under which it is kept that a run was removed."""
    return f"{run_id}/{_GONE}"


def gone_run(key: str) -> str | None:
    """The run that was removed, of such a key."""
    run_id, _, end = key.partition("/")
    return run_id if end == _GONE else None
