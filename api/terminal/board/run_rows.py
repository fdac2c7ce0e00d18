"""The newest known row of each run, in the order in which a person wants them."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from api.exit_codes import EXIT_CODES

Row = Mapping[str, Any]
Effect = Literal["none", "changed", "waits"]
"""What a row changes in the list; `waits`: its run waits since then."""
_MOST: Final = 1000
"""Rows that are kept; ended runs go first."""
_ORDER: Final = {"waiting": 0, "running": 1, "queued": 1}
_ENDED: Final = 2


class RunRows:
    """Rows as `GET /runs` has them: what waits first, then what works, then what has ended.

    `status` and `repo` (an address or OWNER/REPO) leave out all other rows.
    """

    def __init__(self, *, status: str | None = None, repo: str | None = None) -> None:
        self._status = status
        self._repo = _full_name(repo) if repo else None
        self._rows: dict[str, Row] = {}

    def put(self, row: Row) -> Effect:
        """Take a row in, or out where it does not fit, as that of a removed run."""
        run_id = str(row.get("runId"))
        before = self._rows.pop(run_id, None)
        if not self._fits(row):
            return "none" if before is None else "changed"
        self._rows[run_id] = row
        if len(self._rows) > _MOST:
            self._rows = {str(kept.get("runId")): kept for kept in self.ordered(_MOST // 2)}
        waited = before is not None and before.get("status") == "waiting"
        return "waits" if row.get("status") == "waiting" and not waited else "changed"

    def ordered(self, limit: int) -> list[Row]:
        """At most `limit` rows; of each kind the newest first."""
        newest = sorted(self._rows.values(), key=_created, reverse=True)
        return sorted(newest, key=_rank)[:limit]

    def counts(self) -> tuple[int, int, int]:
        """How many wait, work and have ended."""
        ranks = [_rank(row) for row in self._rows.values()]
        return ranks.count(0), ranks.count(1), ranks.count(_ENDED)

    def _fits(self, row: Row) -> bool:
        status = str(row.get("status"))
        known = status in _ORDER or status in EXIT_CODES
        return (
            known
            and self._status in (None, status)
            and self._repo in (None, _full_name(str(row.get("repoUrl"))))
        )


def _created(row: Row) -> str:
    return str(row.get("createdAt"))


def _rank(row: Row) -> int:
    return _ORDER.get(str(row.get("status")), _ENDED)


def _full_name(repo: str) -> str:
    return "/".join(repo.rstrip("/").removesuffix(".git").lower().split("/")[-2:])
