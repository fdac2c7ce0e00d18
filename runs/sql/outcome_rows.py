"""What runs came to, of columns beside their records."""

from typing import Final

from runs.sql.queries import Query
from runs.store.outcome import Outcome

_COLUMNS: Final = ", ".join(Outcome._fields)


def select_outcomes(owner: str | None, since: float) -> Query:
    """The runs that were started since then, the newest first."""
    whose = "" if owner is None else " AND owner = :owner"
    sql = (
        f"SELECT {_COLUMNS} FROM runs WHERE created_at >= :since{whose}"  # noqa: S608
        " ORDER BY created_at DESC"
    )
    return sql, {"since": since, "owner": owner}
