"""What the events of all runs have added up to: for `/metrics` of processes that come and go.

A number is spread over rows, by the runs that it comes of: changes of two runs seldom wait for
one row. They take rows in order, so that none waits for the other in a circle.
"""

import json
import time
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from runs.model.run_record import LoggedEvent
from runs.model.totals.event_totals import EventTotals
from runs.sql.connection import Connection

_SHARDS: Final = 64
_ADD: Final = """
    INSERT INTO totals (shard, key, number) VALUES (:shard, :key, :number)
    ON CONFLICT (shard, key) DO UPDATE SET number = totals.number + excluded.number
"""


def add_totals(connection: Connection, run_id: str, events: Sequence[LoggedEvent]) -> None:
    """Count these events, with how long each took until it is added."""
    totals, now = EventTotals(), time.time()
    for event in events:
        totals.count(event.data)
        totals.count_lag(now - event.time)
    shard = crc32(run_id.encode()) % _SHARDS
    rows = sorted((json.dumps(key), number) for *key, number in totals.dump())
    if rows:
        connection.executemany(
            _ADD, [{"shard": shard, "key": key, "number": number} for key, number in rows]
        )


def read_totals(connection: Connection) -> EventTotals:
    rows = connection.execute("SELECT key, sum(number) FROM totals GROUP BY key")
    return EventTotals.load([*json.loads(key), number] for key, number in rows)
