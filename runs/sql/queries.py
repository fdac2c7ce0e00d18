"""The statements that are asked often: each finds what it wants by an index."""

from collections.abc import Collection
from typing import Any, Final

from graph import repo_name
from runs.store.protocol import RunQuery

Query = tuple[str, dict[str, Any]]
"""A statement and its values."""

COUNT_RUNS: Final = "SELECT status, count(*) FROM runs GROUP BY status"
_EVENTS: Final = "SELECT seq, time, type, data FROM events WHERE run_id = :run_id AND seq > :after"


def select_runs(query: RunQuery) -> Query:
    """The runs that are asked for, in order: `doc` and `request` of each."""
    given = {
        "owner": query.owner,
        "status": query.status,
        "repo": None if query.repo is None else repo_name(query.repo),
        "pr_url": query.pr_url,
    }
    values = {name: value for name, value in given.items() if value is not None}
    conditions = [f"{name} = :{name}" for name in values]
    if query.before is not None:
        conditions.append("order_id < :before")
    if query.changed_since is not None:
        conditions.append("updated_at >= :changed_since")
    order = "order_id DESC" if query.changed_since is None else "updated_at"
    where = " AND ".join(conditions) or "true"
    sql = (
        "SELECT doc, request FROM runs JOIN requests USING (run_id)"  # noqa: S608 - our own names
        f" WHERE {where} ORDER BY {order} LIMIT :limit"
    )
    return sql, {
        **values,
        "before": query.before,
        "changed_since": query.changed_since,
        "limit": query.limit,
    }


def select_events(run_id: str, after: int, limit: int, types: Collection[str] = ()) -> Query:
    """The events of a run after a number, in order: `seq`, `time`, `type` and `data` of each.

    Those of each type are a query of their own, so that no other event of the run is looked at.
    """
    named = {f"type_{number}": kind for number, kind in enumerate(types)}
    conditions = [f" AND type = :{name}" for name in named] or [""]
    parts = " UNION ALL ".join(f"{_EVENTS}{condition}" for condition in conditions)
    sql = f"{parts} ORDER BY seq LIMIT :limit"
    return sql, {"run_id": run_id, "after": after, "limit": limit, **named}
