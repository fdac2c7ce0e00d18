"""A PostgreSQL database by a bounded number of connections, each on a thread while it works."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from graph.errors import StoreError, StoreUnavailable, VersionChanged
from runs.postgres.connection_options import SCHEMA, ConnectionOptions
from runs.postgres.errors import map_postgres_errors
from runs.postgres.session import DatabaseClock, DriverConnection, Session
from runs.sql.connection import Connection

T = TypeVar("T")

APPLICATION: Final = 0x636F6461
"""The first half of all advisory locks' numbers."""
_MIGRATE: Final = 1
_CALLS: Final = 4
"""So many answers a call that waits for a free connection waits through."""
_MIGRATING_S: Final = 3600.0
"""A script may rewrite each row of a large table, and others wait until it has."""


class PostgresDatabase:
    """A Database of up to `connections`. What does not answer is given up after `answer_s`."""

    def __init__(
        self,
        options: ConnectionOptions,
        clock: DatabaseClock | None = None,
        *,
        connections: int,
    ) -> None:
        clock = clock or DatabaseClock()
        self._answer_s = options.answer_s
        self._sessions = [Session(options, clock) for _ in range(connections)]
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="store")
        self._free: asyncio.LifoQueue[Session] = asyncio.LifoQueue()
        self._open = False
        self._migrations: Sequence[str] = ()

    async def open(self, migrations: Sequence[str] = ()) -> None:
        """Bring the tables up to date; where that fails, each call tries it first."""
        if not self._open:
            for session in self._sessions:
                self._free.put_nowait(session)
            self._open = True
        self._migrations = migrations or self._migrations
        await self._bring_up_to_date()

    async def close(self) -> None:
        """Wait for what goes on, then close all connections."""
        if self._open:
            self._open = False
            for _ in self._sessions:
                session = await self._free.get()
                session.close()
        self._threads.shutdown(wait=False)

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await self._call(lambda session: session.read(function))

    async def write(self, function: Callable[[Connection], T], done: Callable[[], None]) -> T:
        def call(session: Session) -> T:
            result = session.write(function)
            done()
            return result

        return await self._call(call)

    async def use(self, function: Callable[[DriverConnection], T]) -> T:
        """Call `function` with the driver's own connection, twice where the first was lost."""
        return await self._call(lambda session: session.use(function))

    async def _bring_up_to_date(self) -> None:
        if not (migrations := self._migrations):
            return
        is_current, migrate = (
            partial(each, migrations=migrations) for each in (_is_current, _migrate)
        )
        if not await self._call_at_once(lambda session: session.read(is_current)):
            await self._call_at_once(lambda session: session.write(migrate), _MIGRATING_S)
        self._migrations = ()

    async def _call(self, function: Callable[[Session], T]) -> T:
        await self._bring_up_to_date()
        return await self._call_at_once(function)

    async def _call_at_once(
        self, function: Callable[[Session], T], answer_s: float | None = None
    ) -> T:
        if not self._open:
            raise StoreError("The store is closed.")
        try:
            async with asyncio.timeout(self._answer_s * _CALLS):
                session = await self._free.get()
        except TimeoutError as error:
            raise StoreUnavailable(
                f"All {len(self._sessions)} connections to the database are busy.",
                "See in pg_stat_activity what they wait for, then try again.",
            ) from error
        work = asyncio.get_running_loop().run_in_executor(self._threads, _mapped, function, session)
        watch = asyncio.create_task(self._watch_over(session, answer_s or self._answer_s))

        def end(_: object) -> None:
            watch.cancel()
            self._free.put_nowait(session)

        work.add_done_callback(end)
        return await asyncio.shield(work)

    async def _watch_over(self, session: Session, answer_s: float) -> None:
        """Wake a thread that no answer comes for, also on the connection that it then makes."""
        while True:
            await asyncio.sleep(answer_s)
            session.shut_down()


def _mapped(function: Callable[[Session], T], session: Session) -> T:
    with map_postgres_errors():
        return function(session)


def _is_current(connection: Connection, migrations: Sequence[str]) -> bool:
    """Whether the tables are those of the newest script."""
    if connection.execute(f"SELECT to_regclass('{SCHEMA}.version')").fetchone()[0] is None:
        return False
    row = connection.execute("SELECT number FROM version").fetchone()
    return bool(row and row[0] == len(migrations))


def _migrate(connection: Connection, migrations: Sequence[str]) -> None:
    """One process makes or changes tables, whoever else wants to: the others wait for it."""
    lock = connection.execute("SHOW lock_timeout").fetchone()[0]
    connection.execute(f"SET LOCAL statement_timeout TO '{_MIGRATING_S:.0f}s'")
    connection.execute("SET LOCAL lock_timeout TO 0")
    connection.execute(f"SELECT pg_advisory_xact_lock({APPLICATION}, {_MIGRATE})")
    connection.execute(f"SET LOCAL lock_timeout TO '{lock}'")
    encoding = connection.execute("SHOW server_encoding").fetchone()[0]
    if encoding != "UTF8":
        raise StoreError(
            f"The database keeps text as {encoding}, which has no place for all characters.",
            "Create it anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
        )
    if connection.execute(f"SELECT to_regnamespace('{SCHEMA}')").fetchone()[0] is None:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    connection.execute("CREATE TABLE IF NOT EXISTS version (number INTEGER NOT NULL)")
    row = connection.execute("SELECT number FROM version").fetchone()
    version = row[0] if row else 0
    if version > len(migrations):
        raise VersionChanged(
            f"The database was made by a newer version ({version}).",
            "Install that version again, or name another database.",
        )
    if version == len(migrations):
        return
    for script in migrations[version:]:
        connection.execute(script)
    connection.execute("DELETE FROM version")
    connection.execute("INSERT INTO version VALUES (:number)", {"number": len(migrations)})
