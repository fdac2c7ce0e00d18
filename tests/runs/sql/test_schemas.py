"""The tables of SQLite and PostgreSQL: the same columns and indexes, however each came to them."""

import sqlite3
from collections.abc import Iterable

from runs.postgres.schema import MIGRATIONS as OF_POSTGRES
from runs.sqlite.schema import MIGRATIONS as OF_SQLITE

ONLY_THERE = {"services", "removed_by_time", "totals"}
"""On a machine locks say which processes live, and each counts what it logs; removed runs are asked
for by time there."""
ONLY_HERE = {"removed_by_owner"}

_OTHER_ORDER = "ALTER COLUMN name TYPE TEXT COLLATE"
"""Of names, in PostgreSQL alone; SQLite has it from the start, and no statement for it."""


def shape_of(scripts: Iterable[str]) -> dict[str, set[str]]:
    """The columns of each table and index; SQLite takes PostgreSQL's statements for them too."""
    connection = sqlite3.connect(":memory:")
    connection.create_collation("C", lambda one, other: (one > other) - (one < other))
    for script in scripts:
        if _OTHER_ORDER not in script:
            connection.executescript(script)
    shape = {}
    made = connection.execute("SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL")
    for kind, name in made.fetchall():
        at = 1 if kind == "table" else 2
        rows = connection.execute(f"PRAGMA {kind}_info({name})").fetchall()
        shape[name] = {row[at] for row in rows}
    connection.close()
    return shape


def test_both_have_the_same_columns_and_indexes() -> None:
    here, there = shape_of(OF_SQLITE), shape_of(OF_POSTGRES)
    assert there.keys() - here.keys() == ONLY_THERE
    assert here.keys() - there.keys() == ONLY_HERE
    assert {name: here[name] for name in here.keys() - ONLY_HERE} == {
        name: there[name] for name in there.keys() - ONLY_THERE
    }
