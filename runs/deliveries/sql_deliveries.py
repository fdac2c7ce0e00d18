"""Deliveries in a database, beside the runs."""

import json
from typing import Any, Final

from runs.deliveries.protocol import (
    KEPT_S,
    LEASE_S,
    MOST_ATTEMPTS,
    THREADS_KEPT_S,
    Deliveries,
    Delivery,
)
from runs.sql import Connection, Database, Dialect

_ADD: Final = """
    INSERT INTO deliveries (name, body, received_at, claimed_until, attempts)
    VALUES (:name, :body, :now, 0, 0) ON CONFLICT (name) DO NOTHING RETURNING name
"""
_OLDEST: Final = """
    SELECT name, body, attempts FROM deliveries
    WHERE done_at IS NULL AND claimed_until <= :now AND attempts < :most
    ORDER BY received_at, name LIMIT 1
"""
_CLAIM: Final = """
    UPDATE deliveries SET claimed_until = :until, attempts = attempts + 1 WHERE name = :name
"""
_KEEP: Final = """
    INSERT INTO threads (name, data, live, changed_at) VALUES (:name, :data, :live, :now)
    ON CONFLICT (name) DO UPDATE
    SET data = excluded.data, live = excluded.live, changed_at = excluded.changed_at
"""


def _nothing() -> None:
    """Nobody is told."""


class SqlDeliveries(Deliveries):
    """Rows of two tables; times are those of this machine's clock."""

    def __init__(self, database: Database, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect

    async def add(self, name: str, body: dict[str, Any], now: float) -> bool:
        values = {"name": name, "body": json.dumps(body), "now": now}

        def add(connection: Connection) -> bool:
            return connection.execute(_ADD, values).fetchone() is not None

        return await self._database.write(add, _nothing)

    async def claim(self, now: float) -> Delivery | None:
        def claim(connection: Connection) -> Delivery | None:
            asked = {"now": now, "most": MOST_ATTEMPTS}
            row = connection.execute(f"{_OLDEST}{self._dialect.for_update}", asked).fetchone()
            if row is None:
                return None
            name, body, attempts = row
            connection.execute(_CLAIM, {"name": name, "until": now + LEASE_S})
            return Delivery(name, json.loads(body), attempts + 1)

        return await self._database.write(claim, _nothing)

    async def postpone(self, name: str, until: float) -> None:
        sql = "UPDATE deliveries SET claimed_until = :until WHERE name = :name"
        await self._execute(sql, {"name": name, "until": until})

    async def finish(self, name: str, now: float) -> None:
        sql = "UPDATE deliveries SET done_at = :now, body = '' WHERE name = :name"
        await self._execute(sql, {"name": name, "now": now})

    async def forget(self, now: float) -> None:
        sql = "DELETE FROM deliveries WHERE coalesce(done_at, received_at) < :before"
        await self._execute(sql, {"before": now - KEPT_S})
        sql = "DELETE FROM threads WHERE NOT live AND changed_at < :before"
        await self._execute(sql, {"before": now - THREADS_KEPT_S})

    async def thread(self, name: str) -> dict[str, Any] | None:
        def get(connection: Connection) -> dict[str, Any] | None:
            sql = "SELECT data FROM threads WHERE name = :name"
            row = connection.execute(sql, {"name": name}).fetchone()
            return json.loads(row[0]) if row else None

        return await self._database.read(get)

    async def keep_thread(
        self, name: str, thread: dict[str, Any], now: float, *, live: bool
    ) -> None:
        values = {"name": name, "data": json.dumps(thread), "live": live, "now": now}
        await self._execute(_KEEP, values)

    async def live_threads(self) -> list[str]:
        sql = "SELECT name FROM threads WHERE live ORDER BY name"
        return await self._database.read(
            lambda connection: [row[0] for row in connection.execute(sql)]
        )

    async def _execute(self, sql: str, values: dict[str, Any]) -> None:
        await self._database.write(lambda connection: connection.execute(sql, values), _nothing)
