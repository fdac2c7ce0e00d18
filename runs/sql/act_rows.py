"""The rows of acts."""

import json
from dataclasses import asdict, fields
from typing import Any, Final

from runs.model.run import Run
from runs.model.run_record import LoggedEvent, encode
from runs.sql.connection import Connection
from runs.store.act import Act, ActPlace

_COLUMNS: Final = tuple(field.name for field in fields(Act))
_ADD: Final = (
    f"INSERT INTO acts ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{c}' for c in _COLUMNS)})"  # noqa: S608
)


def add_acts(connection: Connection, run: Run, events: list[LoggedEvent]) -> None:
    """Keep what these events tell of."""
    for event in events:
        if act := Act.of(run, event):
            add_act(connection, act)


def add_act(connection: Connection, act: Act) -> None:
    connection.executemany(_ADD, [{**asdict(act), "details": encode(act.details)}])


def select_acts(
    owner: str | None, before: ActPlace | None, limit: int
) -> tuple[str, dict[str, Any]]:
    """The newest acts on one owner's runs, or on all, below a place."""
    conditions = ["true"]
    values: dict[str, Any] = {"limit": limit}
    if owner is not None:
        conditions.append("owner = :owner")
        values["owner"] = owner
    if before is not None:
        conditions.append("(time, run_id, seq) < (:time, :run_id, :seq)")
        values |= asdict(before)
    sql = (
        f"SELECT {', '.join(_COLUMNS)} FROM acts WHERE {' AND '.join(conditions)}"  # noqa: S608
        " ORDER BY time DESC, run_id DESC, seq DESC LIMIT :limit"
    )
    return sql, values


def parse_act(row: Any) -> Act:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Act(**{**values, "details": json.loads(values["details"])})
