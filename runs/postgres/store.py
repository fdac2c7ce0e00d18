"""The store on PostgreSQL: one database for all processes, on any number of machines."""

import asyncio
import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final

from graph.calls import end_tasks
from graph.errors import StoreError
from runs.model.run_record import LoggedEvent
from runs.model.totals.event_totals import EventTotals
from runs.postgres.change_listener import CHANNEL, SEE, SEEN_S, ChangeListener
from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.database import APPLICATION, PostgresDatabase
from runs.postgres.schema import MIGRATIONS
from runs.postgres.session import DatabaseClock
from runs.postgres.total_rows import add_totals, read_totals
from runs.sql.connection import Connection
from runs.sql.dialect import Dialect, count_rows
from runs.sql.store import SqlStore
from runs.store.protocol import QueueState
from runs.store.supervision import supervise

log = logging.getLogger(__name__)

_START: Final = 2
_CONNECTIONS: Final = 4


class PostgresDialect(Dialect):
    """Rows are locked where they will be written; starts wait for each other."""

    for_update = " FOR UPDATE"

    def __init__(self, clock: DatabaseClock, service: str, slots: int | None) -> None:
        super().__init__(clock)
        self._service = service
        self._slots = slots

    def read_queue(self, connection: Connection) -> QueueState:
        if self._slots is None:
            return super().read_queue(connection)
        return QueueState.of(count_rows(connection, "status IN ('queued', 'running')"), self._slots)

    def count(self, connection: Connection, run_id: str, events: Sequence[LoggedEvent]) -> None:
        if self._slots is not None:
            add_totals(connection, run_id, events)

    def lock_starts(self, connection: Connection) -> None:
        connection.execute(f"SELECT pg_advisory_xact_lock({APPLICATION}, {_START})")

    def announce(self, connection: Connection, run_id: str) -> None:
        told = {"told": f"{self._service} {run_id}"}
        connection.executemany(f"SELECT pg_notify('{CHANNEL}', :told)", [told])


class PostgresStore(SqlStore):
    """A Store. Leases are kept by the database's clock: no other is the same for all.

    No process is known to be dead before its leases end. `connections` are the most at once,
    beside one more that hears of changes by others, where this process `listens`. With `slots`
    each run is driven by a process that is started for it, so many at once: what is left is always
    taken up, and what events add up to is kept for all. One that `opens_without` its database is
    open where that is away: each call then fails until it is there.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        *,
        service: str | None = None,
        listens: bool = True,
        connections: int = _CONNECTIONS,
        slots: int | None = None,
        opens_without: bool = False,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> None:
        self._options = options
        self._service = service or f"{os.getpid()}-{secrets.token_hex(8)}"
        self._listens = listens
        self._opens_without = opens_without
        self._migrations = migrations
        clock = DatabaseClock()
        self.database = PostgresDatabase(options, clock, connections=connections)
        super().__init__(self.database, self.database, PostgresDialect(clock, self._service, slots))
        self._slots = slots
        self._picks_up = False
        self._listener: ChangeListener | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def service(self) -> str:
        return self._service

    async def open(self, *, picks_up: bool = False) -> None:
        self._picks_up = picks_up
        try:
            await self._writer.open(self._migrations)
            if self._listens:
                await self.probe()
        except BaseException as error:
            if not (self._opens_without and isinstance(error, StoreError)):
                await self._writer.close()
                raise
            log.warning("the store opens without its database: %s", error)
        if self._listens:
            self._listener = ChangeListener(
                self._options, self._service, self._notify, picks_up=picks_up
            )
            work = supervise("the look at other processes", self._listener.run)
            self._listening = asyncio.create_task(work)

    async def close(self) -> None:
        if self._listening:
            await end_tasks(self._listening)
            with suppress(StoreError):
                await self._writer.write(self._sign_off, lambda: None)
        await self._writer.close()

    def watch(self, run_id: str) -> AbstractContextManager[None]:
        return self._listener.watch(run_id) if self._listener else nullcontext()

    async def dead_services(self) -> frozenset[str]:
        return frozenset()

    async def event_totals(self) -> EventTotals | None:
        return None if self._slots is None else await self._reader.read(read_totals)

    async def attended(self) -> bool:
        if self._slots is not None:
            return True

        def look(connection: Connection) -> bool:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM services WHERE picks_up"
                " AND seen_at > now() - make_interval(secs => :seconds))",
                {"seconds": SEEN_S},
            ).fetchone()
            return bool(row[0])

        return await self._reader.read(look)

    async def probe(self) -> None:
        await self._writer.write(self._sign_on, lambda: None)

    def _sign_on(self, connection: Connection) -> None:
        connection.execute(SEE, {"service": self._service, "picks_up": self._picks_up})

    def _sign_off(self, connection: Connection) -> None:
        connection.execute(
            "DELETE FROM services WHERE service = :service", {"service": self._service}
        )
