"""Deliveries in a database, beside the runs."""

import json
from collections.abc import Mapping
from typing import Any, Final

from runs.deliveries.protocol import (
    FURTHEST_S,
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
_WAITS: Final = f"""
    done_at IS NULL AND attempts < :most
    AND claimed_until - :now NOT BETWEEN 1e-9 AND {FURTHEST_S}
"""
_OLDEST: Final = f"""
    SELECT name, body, attempts FROM deliveries WHERE {_WAITS} ORDER BY received_at, name LIMIT 1
"""  # noqa: S608
_HAS_WORK: Final = f"""
    SELECT EXISTS (SELECT 1 FROM deliveries WHERE {_WAITS})
        OR EXISTS (SELECT 1 FROM threads WHERE live)
"""  # noqa: S608
_CLAIM: Final = """
    UPDATE deliveries SET claimed_until = :until, attempts = attempts + 1 WHERE name = :name
"""
_KEEP: Final = """
    INSERT INTO threads (name, data, live, changed_at) VALUES (:name, :data, :live, :at)
    ON CONFLICT (name) DO UPDATE
    SET data = excluded.data, live = excluded.live, changed_at = excluded.changed_at
    WHERE threads.data = :before
    RETURNING name
"""
"""What is there already stays, but where it is as it was before."""
THREADS_OF: Final = """
    SELECT data FROM threads WHERE name >= :prefix AND name < :after ORDER BY name
"""
"""Names are compared by their code points, so that the range is one of the primary key."""
_NO_VALUES: Final[Mapping[str, Any]] = {}


def _nothing() -> None:
    """Nobody is told."""


class SqlDeliveries(Deliveries):
    """Rows of two tables; times are kept by the database's clock, as the leases of runs are."""

    def __init__(self, database: Database, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect

    async def add(self, name: str, body: dict[str, Any], now: float) -> bool:
        def add(connection: Connection) -> bool:
            values = {"name": name, "body": json.dumps(body), "now": self._at(now)}
            return connection.execute(_ADD, values).fetchone() is not None

        return await self._database.write(add, _nothing)

    async def claim(self, now: float) -> Delivery | None:
        def claim(connection: Connection) -> Delivery | None:
            asked = {"now": self._at(now), "most": MOST_ATTEMPTS}
            row = connection.execute(f"{_OLDEST}{self._dialect.for_update}", asked).fetchone()
            if row is None:
                return None
            name, body, attempts = row
            connection.execute(_CLAIM, {"name": name, "until": asked["now"] + LEASE_S})
            return Delivery(name, json.loads(body), attempts + 1)

        return await self._database.write(claim, _nothing)

    async def has_work(self, now: float) -> bool:
        def look(connection: Connection) -> bool:
            asked = {"now": self._at(now), "most": MOST_ATTEMPTS}
            return bool(connection.execute(_HAS_WORK, asked).fetchone()[0])

        return await self._database.write(look, _nothing)  # its begin tells the time

    async def postpone(self, name: str, until: float) -> None:
        sql = "UPDATE deliveries SET claimed_until = :at WHERE name = :name"
        await self._execute(sql, until, {"name": name})

    async def finish(self, name: str, now: float) -> None:
        sql = "UPDATE deliveries SET done_at = :at, body = '' WHERE name = :name"
        await self._execute(sql, now, {"name": name})

    async def forget(self, now: float) -> None:
        sql = "DELETE FROM deliveries WHERE coalesce(done_at, received_at) < :at"
        await self._execute(sql, now - KEPT_S)
        sql = "DELETE FROM threads WHERE NOT live AND changed_at < :at"
        await self._execute(sql, now - THREADS_KEPT_S)

    async def thread(self, name: str) -> dict[str, Any] | None:
        def get(connection: Connection) -> dict[str, Any] | None:
            sql = "SELECT data FROM threads WHERE name = :name"
            row = connection.execute(sql, {"name": name}).fetchone()
            return json.loads(row[0]) if row else None

        return await self._database.read(get)

    async def keep_thread(
        self,
        name: str,
        thread: dict[str, Any],
        now: float,
        *,
        live: bool,
        before: dict[str, Any] | None = None,
    ) -> bool:
        known = "" if before is None else json.dumps(before)
        values = {"name": name, "data": json.dumps(thread), "live": live, "before": known}

        def keep(connection: Connection) -> bool:
            row = connection.execute(_KEEP, {**values, "at": self._at(now)}).fetchone()
            return row is not None

        return await self._database.write(keep, _nothing)

    async def threads_of(self, prefix: str) -> list[dict[str, Any]]:
        def get(connection: Connection) -> list[dict[str, Any]]:
            rows = connection.execute(THREADS_OF, range_of(prefix))
            return [json.loads(row[0]) for row in rows]

        return await self._database.read(get)

    async def live_threads(self) -> list[str]:
        sql = "SELECT name FROM threads WHERE live ORDER BY name"
        return await self._database.read(
            lambda connection: [row[0] for row in connection.execute(sql)]
        )

    def _at(self, seconds: float) -> float:
        """A time of this machine by the database's clock, as the transaction's begin noted it."""
        return self._dialect.clock.to_database(seconds)

    async def _execute(self, sql: str, at: float, values: Mapping[str, Any] = _NO_VALUES) -> None:
        def execute(connection: Connection) -> None:
            connection.execute(sql, {**values, "at": self._at(at)})

        await self._database.write(execute, _nothing)


def range_of(prefix: str) -> dict[str, str]:
    """The values of `THREADS_OF`; a prefix has at least one character."""
    return {"prefix": prefix, "after": f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"}
