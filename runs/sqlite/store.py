"""The store on SQLite: one file in WAL mode for all processes of a machine."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from graph.calls import end_tasks, to_the_end, uninterrupted
from graph.errors import StoreError
from runs.sql.connection import Connection
from runs.sql.dialect import Clock, Dialect
from runs.sql.store import SqlStore
from runs.sqlite.database import LOCKED_S, SqliteDatabase, file_errors
from runs.sqlite.process_locks import ServiceLock
from runs.sqlite.schema import MIGRATIONS
from runs.store.supervision import supervise

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2


class SqliteStore(SqlStore):
    """A Store. Writes and reads have a connection each, so that neither waits for the other."""

    def __init__(
        self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, timeout_s: float = LOCKED_S
    ) -> None:
        """`timeout_s`: how long one call waits where another process holds the store."""
        writer, reader = (SqliteDatabase(path, timeout_s) for _ in range(2))
        super().__init__(writer, reader, Dialect(Clock()))
        self._migrations = migrations
        self._services = path.parent / "services"
        self._lock = ServiceLock(self._services)
        self._poller: asyncio.Task[None] | None = None
        self._known_version = 0

    @property
    def service(self) -> str:
        return self._lock.service

    async def open(self, *, picks_up: bool = False) -> None:
        try:
            await self._writer.open(self._migrations)
            await self._reader.open()
            with file_errors(self._services):
                await to_the_end(asyncio.to_thread(self._lock.acquire, picks_up=picks_up))
            version = await self._writer.read(_data_version)
        except BaseException:
            await self.close()
            raise
        self._known_version = version
        self._poller = asyncio.create_task(supervise("the look at other processes", self._poll))

    @uninterrupted
    async def close(self) -> None:
        if self._poller:
            await end_tasks(self._poller)
        await self._writer.close()
        await self._reader.close()
        self._lock.release()

    def watch(self, run_id: str) -> AbstractContextManager[None]:  # noqa: ARG002 - hears of all
        return nullcontext()

    async def dead_services(self) -> frozenset[str]:
        holders = await self._first_column(
            "SELECT DISTINCT lease_service FROM runs"
            " WHERE lease_service IS NOT NULL AND lease_service <> :service",
            {"service": self.service},
        )
        return frozenset(filter(self._lock.is_dead, holders))

    async def attended(self) -> bool:
        return await asyncio.to_thread(self._lock.someone_picks_up)

    async def probe(self) -> None:
        def rewrite(connection: Connection) -> None:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")

        await self._writer.write(rewrite, lambda: None)

    async def _poll(self) -> None:
        """Tell of what other processes have changed."""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                version = await self._writer.read(_data_version)
            except StoreError as error:
                log.warning("cannot look for changes of other processes: %s", error)
                continue
            if version != self._known_version:
                self._known_version = version
                self._notify(None)


def _data_version(connection: Connection) -> int:
    """A number that changes with each commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
