"""One SQLite file on a thread of its own. The only place that knows how SQLite fails."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from graph.errors import StoreDamaged, StoreError, StoreFull, StoreLocked, VersionChanged
from graph.files import map_full_disk
from runs.sql.connection import Connection

T = TypeVar("T")

LOCKED_S: Final = 5.0
_LEAST_S: Final = 0.1
"""Of waiting for others, however long a call has stood in line."""
_CACHE_KIB: Final = 512
"""Of pages in memory, for each connection; the system keeps the file's too."""
_WRITABLE: Final = "Check that CODING_AGENT_DATA_DIR is a folder this user can write."
_PRIMARY: Final = 0xFF
_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNWRITTEN: Final = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Map what SQLite raises to StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _map_error(error, path) from error


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Map what keeps a file or folder of the store from being made or opened to StoreError."""
    try:
        with map_full_disk():
            yield
    except OSError as error:
        raise StoreError(
            f"The store {path.name} cannot be opened: {error.strerror}.", _WRITABLE
        ) from error


def _map_error(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code & _PRIMARY in _LOCKED:
        return StoreLocked(
            f"The store {path.name} is locked by another process.",
            "End the program that holds it open, such as a database browser or a backup.",
        )
    if code in _UNWRITTEN:
        return StoreFull(f"The store {path.name} cannot be written: {error}.")
    if code & _PRIMARY in _DAMAGED:
        return StoreDamaged(f"The store {path.name} is damaged: {error}.")
    return StoreError(f"The store {path.name} failed: {error}.", _WRITABLE)


def private_file(path: Path) -> None:
    """Make `path`, or find it, readable and writable for this user alone; SQLite's own do as it.

    A file that is there is not opened: closing it would give up all locks that connections of this
    process have on it, and another process could then remove the log that they write to.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


class SqliteDatabase:
    """A Database of one connection."""

    def __init__(self, path: Path, timeout_s: float = LOCKED_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None

    async def open(self, migrations: Sequence[str] = ()) -> None:
        """Connect, and bring the tables up to date. Raises StoreError."""

        def connect() -> None:
            with store_errors(self._path):
                self._connection = self._connect()
                if migrations:
                    _migrate(self._connection, migrations, self._path)

        await self._on_thread(connect)

    async def close(self) -> None:
        def disconnect() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await self._on_thread(disconnect)
        self._thread.shutdown(wait=False)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Call `function` on the connection's thread."""

        def call() -> T:
            with store_errors(self._path):
                return function(self._open_connection())

        return await self._on_thread(call)

    async def write(self, function: Callable[[Connection], T], done: Callable[[], None]) -> T:
        """Call `function` within a transaction; `done` once it is durable.

        What others hold is not waited for anew by each of those that wait in line.
        """
        end = time.monotonic() + self._timeout_s

        def call() -> T:
            connection = self._open_connection()
            wait_s = min(self._timeout_s, max(_LEAST_S, end - time.monotonic()))
            with store_errors(self._path):
                connection.execute(f"PRAGMA busy_timeout = {wait_s * 1000:.0f}")
                with _transaction(connection):
                    result = function(connection)
            done()
            return result

        return await self._on_thread(call)

    async def _on_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"The store {self._path.name} is closed.")
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        with file_errors(self._path):
            private_file(self._path)
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(connection, self._timeout_s)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _write_ahead(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Set WAL mode. For this alone SQLite does not wait while another connection does the same."""
    end = time.monotonic() + timeout_s
    while not _set_write_ahead(connection, last_try=time.monotonic() >= end):
        time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _set_write_ahead(connection: sqlite3.Connection, *, last_try: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last_try or error.sqlite_errorcode & _PRIMARY not in _LOCKED:
            raise
        return False
    return True


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str], path: Path) -> None:
    with _transaction(connection):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(migrations):
            raise VersionChanged(
                f"The store {path.name} was made by a newer version ({version}).",
                "Install that version again, or use another CODING_AGENT_DATA_DIR.",
            )
        for script in migrations[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
