"""What runs came to, of columns beside their records."""

from dataclasses import fields
from typing import Any, Final

from runs.sql.queries import Query
from runs.store.outcome import Outcome

_COLUMNS: Final = ", ".join(field.name for field in fields(Outcome))


def select_outcomes(owner: str | None, since: float) -> Query:
    """The runs that were started since then, the newest first."""
    whose = "" if owner is None else " AND owner = :owner"
    sql = (
        f"SELECT {_COLUMNS} FROM runs WHERE created_at >= :since{whose}"  # noqa: S608
        " ORDER BY created_at DESC"
    )
    return sql, {"since": since, "owner": owner}


def parse_outcome(row: Any) -> Outcome:
    owner, repo_url, created_at, cost_usd, published_at, number, reason, draft = row
    return Outcome(owner, repo_url, created_at, cost_usd, published_at, number, reason, bool(draft))
