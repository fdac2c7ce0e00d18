"""The store on SQLite: one file in WAL mode for all processes of a machine."""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Final, TypeVar

from graph import Status
from graph.errors import RunNotFound, StoreError
from runs.model.log_entry import Entry
from runs.model.removed_run import RemovedRun, mismatch_error, removed_error
from runs.model.repo_name import repo_name
from runs.model.run import Run
from runs.model.run_record import LoggedEvent, encode
from runs.model.transitions import Step
from runs.sqlite.database import Connection, Database
from runs.sqlite.process_locks import ServiceLock
from runs.sqlite.schema import MIGRATIONS
from runs.store.protocol import Decide, IdempotencyKey, Listener, Observer, RunQuery

T = TypeVar("T")

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2
_RUN: Final = "SELECT doc, request FROM runs JOIN requests USING (run_id) WHERE run_id = ?"
_FIND: Final = """
    SELECT doc, request FROM runs JOIN requests USING (run_id)
    WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR status = ?2)
    AND (?3 IS NULL OR repo = ?3) AND (?4 IS NULL OR run_id < ?4)
    ORDER BY run_id DESC LIMIT ?5
"""
_DUE: Final = """
    SELECT run_id FROM runs WHERE status IN ('queued', 'running')
    AND (lease_until IS NULL OR lease_until <= ?
         OR lease_service IN (SELECT value FROM json_each(?)))
    ORDER BY queued_at, run_id LIMIT ?
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

    def __init__(self, path: Path, *, migrations: Sequence[str] = MIGRATIONS) -> None:
        self._migrations = migrations
        self._writer = Database(path)
        self._reader = Database(path)
        self._lock = ServiceLock(path.parent / "services")
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []
        self._poller: asyncio.Task[None] | None = None

    @property
    def service(self) -> str:
        return self._lock.service

    async def open(self, *, picks_up: bool = False) -> None:
        try:
            await self._writer.open(self._migrations)
            await self._reader.open()
            await asyncio.to_thread(self._lock.acquire, picks_up=picks_up)
            version = await self._writer.read(_version)
        except BaseException:
            await self.close()
            raise
        self._poller = asyncio.create_task(self._poll(version))

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
        self, run: Run, key: IdempotencyKey | None, enter: Callable[[int], Sequence[Entry]]
    ) -> tuple[Run, bool]:
        added: list[LoggedEvent] = []

        def create(connection: Connection) -> tuple[Run, bool]:
            earlier = _find_by_key(connection, key) if key else None
            if earlier:
                return earlier, False
            entries = tuple(enter(_count_queued(connection)))
            if key:
                connection.execute(
                    "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
                    (key.owner, key.key, key.digest, run.run_id, run.created_at),
                )
            connection.execute(
                "INSERT INTO requests VALUES (?, ?)", (run.run_id, encode(run.request))
            )
            return _save(connection, Step(run, entries), added), True

        return await self._write(run.run_id, create, added)

    async def transact(self, run_id: str, decide: Decide) -> Run | None:
        added: list[LoggedEvent] = []

        def transact(connection: Connection) -> Run | None:
            run = _run(connection, run_id)
            if run is None:
                raise RunNotFound(f"There is no run {run_id!r}.")
            step = decide(run)
            if step is None:
                return None
            if step.run.request is not run.request:
                connection.execute(
                    "UPDATE requests SET request = ? WHERE run_id = ?",
                    (encode(step.run.request), run_id),
                )
            return _save(connection, step, added)

        return await self._write(run_id, transact, added)

    async def get(self, run_id: str) -> Run | None:
        return await self._reader.read(lambda connection: _run(connection, run_id))

    async def find(self, query: RunQuery) -> list[Run]:
        repo = None if query.repo is None else repo_name(query.repo)

        def select(connection: Connection) -> list[Run]:
            rows = connection.execute(
                _FIND, (query.owner, query.status, repo, query.before, query.limit)
            )
            return [_load(*row) for row in rows]

        return await self._reader.read(select)

    async def delete(self, run_id: str) -> None:
        def delete(connection: Connection) -> None:
            if run := _run(connection, run_id):
                connection.execute(
                    "INSERT INTO removed VALUES (?, ?, ?, ?)", astuple(RemovedRun.of(run))
                )
            connection.execute("DELETE FROM events WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM requests WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))

        await self._write(run_id, delete)

    async def removed_cost(self, owner: str, since: float) -> float:
        sql = "SELECT total(cost_usd) FROM removed WHERE owner = ? AND created_at >= ?"
        return await self._reader.read(
            lambda connection: float(connection.execute(sql, (owner, since)).fetchone()[0])
        )

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        sql = _EVENTS_OF_TYPES if types else _EVENTS
        values = (run_id, after, limit, *([_array(types)] if types else []))

        def select(connection: Connection) -> list[LoggedEvent]:
            return [
                LoggedEvent(run_id=run_id, seq=seq, time=at, type=kind, data=json.loads(data))
                for seq, at, kind, data in connection.execute(sql, values)
            ]

        return await self._reader.read(select)

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        return await self._ids(_DUE, (now, _array(dead_services), limit))

    async def count_runs(self) -> dict[Status, int]:
        def count(connection: Connection) -> dict[Status, int]:
            return dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status"))

        return await self._reader.read(count)

    async def event_totals(self) -> None:
        """Each process counts what it logs."""

    async def count_queued(self) -> int:
        return await self._reader.read(_count_queued)

    async def cancelling(self) -> list[str]:
        return await self._ids(
            "SELECT run_id FROM runs WHERE status = 'running' AND cancelling AND lease_service = ?",
            (self.service,),
        )

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        return await self._ids(
            "SELECT run_id FROM runs"
            " WHERE status IN (SELECT value FROM json_each(?)) AND updated_at < ?",
            (_array(statuses), before),
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

    async def _poll(self, known: int) -> None:
        """Tell of what other processes have changed."""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                version = await self._writer.read(_version)
            except StoreError as error:
                log.warning("cannot look for changes of other processes: %s", error)
                continue
            if version != known:
                known = version
                self._notify(None)


def _save(connection: Connection, step: Step, added: list[LoggedEvent]) -> Run:
    """Add the entries whose keys are new, then the run as it is after them."""
    run, seq = step.run, step.run.last_seq
    for entry in step.entries:
        inserted = connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (run_id, key) WHERE key IS NOT NULL DO NOTHING",
            (run.run_id, seq + 1, entry.time, entry.type, entry.key or None, entry.text),
        )
        if inserted.rowcount:
            seq += 1
            run = run.after(entry.data, entry.time)
            added.append(LoggedEvent(run.run_id, seq, entry.time, entry.type, entry.data))
    run = run.replace(last_seq=seq)
    lease = run.lease
    connection.execute(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.run_id,
            run.owner,
            run.status,
            repo_name(run.request["repo_url"]),
            run.queued_at,
            run.updated_at,
            lease.service if lease else None,
            lease.until if lease else None,
            run.cancelling,
            run.model_dump_json(exclude={"request"}),
        ),
    )
    return run


def _find_by_key(connection: Connection, key: IdempotencyKey) -> Run | None:
    """The run that `key` was used for."""
    row = connection.execute(
        "SELECT digest, run_id FROM idempotency WHERE owner = ? AND key = ?", (key.owner, key.key)
    ).fetchone()
    if row is None:
        return None
    run = _run(connection, row[1])
    if row[0] != key.digest:
        raise mismatch_error(row[1])
    if run is None:
        raise removed_error(row[1])
    return run


def _run(connection: Connection, run_id: str) -> Run | None:
    row = connection.execute(_RUN, (run_id,)).fetchone()
    return _load(*row) if row else None


def _load(doc: str, request: str) -> Run:
    return Run.model_validate({**json.loads(doc), "request": json.loads(request)})


def _count_queued(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM runs WHERE status = 'queued' AND lease_service IS NULL"
    ).fetchone()
    return int(row[0])


def _version(connection: Connection) -> int:
    """A number that changes with each commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _array(values: Collection[str]) -> str:
    return json.dumps(list(values))
