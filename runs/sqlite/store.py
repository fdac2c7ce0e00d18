"""The store on SQLite: one file in WAL mode for all processes of a machine."""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Final, TypeVar

from graph import Status
from graph.errors import RunNotFound, StoreError
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.log_entry import Entry
from runs.model.removed_run import RemovedRun
from runs.model.repo_name import repo_name
from runs.model.run import LONGEST_PAUSE_S, Run
from runs.model.run_record import LoggedEvent, encode
from runs.sqlite.database import LOCKED_S, Connection, Database
from runs.sqlite.process_locks import ServiceLock
from runs.sqlite.run_rows import (
    data_version,
    find_by_key,
    hold_money_of_day,
    json_array,
    load_run,
    parse_run,
    read_queue_state,
    save_run,
)
from runs.sqlite.schema import MIGRATIONS
from runs.store.protocol import Decide, IdempotencyKey, Listener, Observer, QueueState, RunQuery
from runs.store.supervise import supervise

T = TypeVar("T")

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2
_FIND: Final = """
    SELECT doc, request FROM runs JOIN requests USING (run_id)
    WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR status = ?2)
    AND (?3 IS NULL OR repo = ?3) AND (?4 IS NULL OR order_id < ?4)
    ORDER BY order_id DESC LIMIT ?5
"""
_DUE: Final = """
    SELECT run_id FROM runs WHERE status IN ('queued', 'running')
    AND (lease_until IS NULL OR lease_until <= ?1
         OR lease_service IN (SELECT value FROM json_each(?2)))
    AND coalesce(json_extract(doc, '$.not_before'), 0) - ?1 NOT BETWEEN 1e-9 AND ?4
    ORDER BY queued_at, run_id LIMIT ?3
"""
_EVENTS: Final = """
    SELECT seq, time, type, data FROM events
    WHERE run_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3
"""
_EVENTS_OF_TYPES: Final = """
    SELECT seq, time, type, data FROM events
    WHERE run_id = ?1 AND seq > ?2 AND type IN (SELECT value FROM json_each(?4))
    ORDER BY seq LIMIT ?3
"""


class SqliteStore:
    """A Store. Writes and reads have a connection each, so that neither waits for the other."""

    def __init__(
        self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, timeout_s: float = LOCKED_S
    ) -> None:
        """`timeout_s`: how long one call waits where another process holds the store."""
        self._migrations = migrations
        self._writer = Database(path, timeout_s)
        self._reader = Database(path, timeout_s)
        self._lock = ServiceLock(path.parent / "services")
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []
        self._poller: asyncio.Task[None] | None = None
        self._known_version = 0

    @property
    def service(self) -> str:
        return self._lock.service

    async def open(self, *, picks_up: bool = False) -> None:
        try:
            await self._writer.open(self._migrations)
            await self._reader.open()
            await asyncio.to_thread(self._lock.acquire, picks_up=picks_up)
            version = await self._writer.read(data_version)
        except BaseException:
            await self.close()
            raise
        self._known_version = version
        self._poller = asyncio.create_task(supervise("the look at other processes", self._poll))

    async def close(self) -> None:
        if self._poller:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller
        await self._writer.close()
        await self._reader.close()
        self._lock.release()

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def watch(self, run_id: str) -> AbstractContextManager[None]:  # noqa: ARG002 - hears of all
        return nullcontext()

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def create(
        self,
        run: Run,
        key: IdempotencyKey | None,
        admit: Callable[[QueueState], Sequence[Entry]],
        day: DayLimits = NO_DAY_LIMITS,
    ) -> tuple[Run, bool]:
        added: list[LoggedEvent] = []

        def create(connection: Connection) -> tuple[Run, bool]:
            earlier = find_by_key(connection, key) if key else None
            if earlier:
                return earlier, False
            entries = tuple(admit(read_queue_state(connection)))
            held = hold_money_of_day(connection, run, day)
            if key:
                connection.execute(
                    "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
                    (key.owner, key.key, key.digest, run.run_id, run.created_at),
                )
            connection.execute(
                "INSERT INTO requests VALUES (?, ?)", (run.run_id, encode(held.request))
            )
            return save_run(connection, Step(held, entries), added), True

        return await self._write(run.run_id, create, added)

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        added: list[LoggedEvent] = []

        def transact(connection: Connection) -> Run | None:
            run = load_run(connection, run_id)
            if run is None:
                raise RunNotFound(f"There is no run {run_id!r}.")
            step = decide(run)
            if step is None:
                return None
            step = replace(step, run=hold_money_of_day(connection, step.run, day))
            if step.run.request is not run.request:
                connection.execute(
                    "UPDATE requests SET request = ? WHERE run_id = ?",
                    (encode(step.run.request), run_id),
                )
            return save_run(connection, step, added)

        return await self._write(run_id, transact, added)

    async def get(self, run_id: str) -> Run | None:
        return await self._reader.read(lambda connection: load_run(connection, run_id))

    async def find(self, query: RunQuery) -> list[Run]:
        repo = None if query.repo is None else repo_name(query.repo)

        def select(connection: Connection) -> list[Run]:
            rows = connection.execute(
                _FIND, (query.owner, query.status, repo, query.before, query.limit)
            )
            return [parse_run(*row) for row in rows]

        return await self._reader.read(select)

    async def delete(self, run_id: str) -> None:
        def delete(connection: Connection) -> None:
            if run := load_run(connection, run_id):
                connection.execute(
                    "INSERT INTO removed VALUES (?, ?, ?, ?)", astuple(RemovedRun.of(run))
                )
            connection.execute("DELETE FROM events WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM requests WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))

        await self._write(run_id, delete)

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        sql = _EVENTS_OF_TYPES if types else _EVENTS
        values = (run_id, after, limit, *([json_array(types)] if types else []))

        def select(connection: Connection) -> list[LoggedEvent]:
            return [
                LoggedEvent(run_id=run_id, seq=seq, time=at, type=kind, data=json.loads(data))
                for seq, at, kind, data in connection.execute(sql, values)
            ]

        return await self._reader.read(select)

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        return await self._ids(_DUE, (now, json_array(dead_services), limit, LONGEST_PAUSE_S))

    async def count_runs(self) -> dict[Status, int]:
        def count(connection: Connection) -> dict[Status, int]:
            return dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status"))

        return await self._reader.read(count)

    async def event_totals(self) -> None:
        """Each process counts what it logs."""

    async def queue_state(self) -> QueueState:
        return await self._reader.read(read_queue_state)

    async def cancelling(self) -> list[str]:
        return await self._ids(
            "SELECT run_id FROM runs WHERE status = 'running' AND cancelling AND lease_service = ?",
            (self.service,),
        )

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        return await self._ids(
            "SELECT run_id FROM runs"
            " WHERE status IN (SELECT value FROM json_each(?)) AND updated_at < ?",
            (json_array(statuses), before),
        )

    async def dead_services(self) -> frozenset[str]:
        holders = await self._ids(
            "SELECT DISTINCT lease_service FROM runs"
            " WHERE lease_service IS NOT NULL AND lease_service <> ?",
            (self.service,),
        )
        return frozenset(filter(self._lock.is_dead, holders))

    async def attended(self) -> bool:
        return await asyncio.to_thread(self._lock.someone_picks_up)

    async def probe(self) -> None:
        def rewrite(connection: Connection) -> None:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")

        await self._writer.write(rewrite, lambda: None)

    async def forget(self, before: float) -> None:
        def forget(connection: Connection) -> None:
            connection.execute("DELETE FROM idempotency WHERE created_at < ?", (before,))
            connection.execute("DELETE FROM removed WHERE created_at < ?", (before,))

        await self._writer.write(forget, lambda: None)

    async def _ids(self, sql: str, values: Sequence[object]) -> list[str]:
        return await self._reader.read(
            lambda connection: [row[0] for row in connection.execute(sql, values)]
        )

    async def _write(
        self,
        run_id: str,
        function: Callable[[Connection], T],
        added: Sequence[LoggedEvent] = (),
    ) -> T:
        loop = asyncio.get_running_loop()

        def done() -> None:
            loop.call_soon_threadsafe(self._notify, run_id, added)

        return await self._writer.write(function, done)

    def _notify(self, run_id: str | None, added: Sequence[LoggedEvent] = ()) -> None:
        for listener in self._listeners:
            listener(run_id)
        for observer in self._observers:
            for event in added:
                observer(event)

    async def _poll(self) -> None:
        """Tell of what other processes have changed."""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                version = await self._writer.read(data_version)
            except StoreError as error:
                log.warning("cannot look for changes of other processes: %s", error)
                continue
            if version != self._known_version:
                self._known_version = version
                self._notify(None)
