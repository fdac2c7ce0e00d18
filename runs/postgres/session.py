"""One connection to PostgreSQL, made when it is first needed and again after it was lost."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg.types.json import set_json_dumps

from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.text import dump_json, kept_text
from runs.sql.connection import Connection
from runs.sql.dialect import Clock

T = TypeVar("T")
DriverConnection: TypeAlias = psycopg.Connection[Any]

_NAME: Final = re.compile(r"(?<!:):([a-z_0-9]+)")
_LOOK_S: Final = 0.2
_NO_VALUES: Final[Mapping[str, Any]] = {}
_TIMELINE: Final = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"


class NamedConnection:
    """A Connection over psycopg's: names become its own, and text such as PostgreSQL keeps."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection
        self._waiting: list[tuple[str, list[dict[str, Any]]]] = []

    def execute(self, sql: str, values: Mapping[str, Any] = _NO_VALUES, /) -> "psycopg.Cursor[Any]":
        """What waits goes with it: all that is sent at once takes one way there and back."""
        if not self._waiting:
            return self._connection.execute(with_psycopg_names(sql), _kept(values))
        waiting, self._waiting = self._waiting, []
        with self._connection.pipeline(), self._connection.cursor() as cursor:
            for each, rows in waiting:
                cursor.executemany(each, rows)
            return self._connection.execute(with_psycopg_names(sql), _kept(values))

    def executemany(self, sql: str, values: Iterable[Mapping[str, Any]], /) -> None:
        self._waiting.append((with_psycopg_names(sql), [_kept(each) for each in values]))


class DatabaseClock(Clock):
    """The database's clock.

    Small differences are those of the measurement: with each of them all leases would seem new.
    """

    _SMALL_S: Final = 0.5

    def note(self, database: float, asked: float, answered: float) -> None:
        """What it said between two times of this machine, in Unix seconds."""
        ahead = database - (asked + answered) / 2
        if abs(ahead - self.ahead_s) > self._SMALL_S + (answered - asked):
            self.ahead_s = ahead


class Session:
    """Used by one thread at a time."""

    def __init__(self, options: ConnectionOptions, clock: DatabaseClock) -> None:
        self._options = options
        self._clock = clock
        self._connection: DriverConnection | None = None
        self._timeline: str | None = None

    def read(self, function: Callable[[Connection], T]) -> T:
        return self.use(lambda connection: function(NamedConnection(connection)))

    def use(self, function: Callable[[DriverConnection], T]) -> T:
        """Call `function`, again where the connection that was kept turns out to be lost."""
        is_kept, connection = self._connect()
        try:
            return function(connection)
        except psycopg.OperationalError:
            if not (is_kept and connection.closed):
                raise
        return function(self._connect()[1])

    def write(self, function: Callable[[Connection], T]) -> T:
        """Call `function` within a transaction."""
        connection = self._begin()
        try:
            named = NamedConnection(connection)
            result = function(named)
            number = named.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
        except BaseException:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError:
            if not (number and number[0] and self._is_committed(number[0])):
                raise
        return result

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def shut_down(self) -> None:
        """Wake the thread that waits for an answer; it finds the connection lost."""
        if self._connection is not None:
            shut_down(self._connection)

    def _connect(self) -> tuple[bool, DriverConnection]:
        """Whether the connection was there already, and the connection."""
        if self._connection is not None and not self._connection.closed:
            return True, self._connection
        connection = psycopg.connect(
            **self._options.parameters, autocommit=True, prepare_threshold=None
        )
        self._connection = connection
        set_json_dumps(dump_json, connection)
        connection.execute(self._options.session)
        self._timeline = _read_timeline(connection)
        return False, connection

    def _begin(self) -> DriverConnection:
        """A connection with a transaction begun, and the database's time noted."""
        is_kept, connection = self._connect()
        try:
            self._begin_on(connection)
        except psycopg.OperationalError:
            if not (is_kept and connection.closed):
                raise
            _, connection = self._connect()
            self._begin_on(connection)
        return connection

    def _begin_on(self, connection: DriverConnection) -> None:
        asked = time.time()
        cursor = connection.execute("BEGIN; SELECT extract(epoch FROM clock_timestamp())::float8")
        cursor.nextset()
        row = cursor.fetchone()
        if row:
            self._clock.note(row[0], asked, time.time())

    def _is_committed(self, number: str) -> bool:
        """Whether the transaction whose end was not heard of has been carried out.

        A server that took over may have given its number to another one, and is not believed.
        Raises psycopg.Error where the database does not say so in time.
        """
        end, timeline = time.monotonic() + self._options.answer_s, self._timeline
        while True:
            try:
                _, connection = self._connect()
                status = connection.execute(
                    "SELECT pg_xact_status(%s::text::xid8)", (number,)
                ).fetchone()
            except psycopg.OperationalError:
                if time.monotonic() >= end:
                    raise
            except psycopg.DataError:
                return False  # a server that took over before it had heard of it
            else:
                if not (status and status[0] == "in progress") or time.monotonic() >= end:
                    is_kept = bool(status and status[0] == "committed")
                    return is_kept and self._timeline == timeline
            time.sleep(_LOOK_S)


def _read_timeline(connection: DriverConnection) -> str | None:
    """The history of the server's transactions, a new one since it took over from another.

    None where it does not say, as some that others operate.
    """
    try:
        row = connection.execute(_TIMELINE).fetchone()
    except psycopg.Error:
        if connection.closed:
            raise
        return None
    return str(row[0]) if row else None


def shut_down(connection: DriverConnection | psycopg.AsyncConnection[Any]) -> None:
    """End a connection's socket, whoever waits for it."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=512)
def with_psycopg_names(sql: str) -> str:
    """A statement whose `:name` is `%(name)s`; `::` is a cast."""
    return _NAME.sub(r"%(\1)s", sql)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with text that PostgreSQL takes: without NUL and lone surrogates."""
    return {
        name: kept_text(value) if isinstance(value, str) else value
        for name, value in values.items()
    }
