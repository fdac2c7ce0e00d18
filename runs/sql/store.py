"""The store in SQL. What one database does in its own way, its own store adds."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, TypeVar

from graph import Status
from graph.errors import RunNotFound
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.log_entry import Entry
from runs.model.run import FURTHEST_S, Run
from runs.model.run_record import LoggedEvent
from runs.model.totals.event_totals import EventTotals
from runs.sql.act_rows import parse_act, select_acts
from runs.sql.connection import Connection, Database, one_of
from runs.sql.dialect import Dialect
from runs.sql.outcome_rows import select_outcomes
from runs.sql.queries import COUNT_RUNS, select_events, select_runs
from runs.sql.run_rows import RunRows
from runs.store.act import ACTS_KEPT_S, Act, ActPlace
from runs.store.outcome import Outcome
from runs.store.protocol import Decide, IdempotencyKey, Listener, Observer, QueueState, RunQuery

T = TypeVar("T")

_DUE: Final = """
    SELECT run_id FROM runs WHERE status IN ('queued', 'running')
    AND (lease_until IS NULL OR lease_until <= :lease_now OR {dead})
    AND not_before - :now NOT BETWEEN 1e-9 AND :furthest
    ORDER BY queued_at, run_id LIMIT :limit
"""


class SqlStore(ABC):
    """A Store. `writer` and `reader` may be one database."""

    def __init__(self, writer: Database, reader: Database, dialect: Dialect) -> None:
        self._writer = writer
        self._reader = reader
        self._dialect = dialect
        self._rows = RunRows(dialect)
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []

    @property
    def writer(self) -> Database:
        """What it writes to, for what is kept beside the runs; open while the store is."""
        return self._writer

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @property
    @abstractmethod
    def service(self) -> str: ...

    @abstractmethod
    async def open(self, *, picks_up: bool = False) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def watch(self, run_id: str) -> AbstractContextManager[None]: ...

    @abstractmethod
    async def dead_services(self) -> frozenset[str]: ...

    @abstractmethod
    async def attended(self) -> bool: ...

    @abstractmethod
    async def probe(self) -> None: ...

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

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
            self._dialect.lock_starts(connection)
            earlier = self._rows.find_by_key(connection, key) if key else None
            if earlier:
                return earlier, False
            entries = tuple(admit(self._dialect.read_queue(connection)))
            held = self._rows.hold_money(connection, run, day)
            if key:
                self._rows.add_key(connection, key, run)
            self._rows.add_request(connection, held)
            return self._rows.save(connection, Step(held, entries), added), True

        return await self._write(run.run_id, create, added)

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        added: list[LoggedEvent] = []

        def transact(connection: Connection) -> Run | None:
            if day:
                self._dialect.lock_starts(connection)
            run = self._rows.load(connection, run_id, to_write=True)
            if run is None:
                raise RunNotFound(f"There is no run {run_id!r}.")
            step = decide(run)
            if step is None:
                return None
            step = replace(step, run=self._rows.hold_money(connection, step.run, day))
            if step.run.request is not run.request:
                self._rows.change_request(connection, step.run)
            return self._rows.save(connection, step, added)

        return await self._write(run_id, transact, added)

    async def get(self, run_id: str) -> Run | None:
        return await self._reader.read(lambda connection: self._rows.load(connection, run_id))

    async def find(self, query: RunQuery) -> list[Run]:
        sql, values = select_runs(query)
        return await self._reader.read(
            lambda connection: [self._rows.parse(*row) for row in connection.execute(sql, values)]
        )

    async def outcomes(self, owner: str | None, since: float) -> list[Outcome]:
        sql, values = select_outcomes(owner, since)
        return await self._reader.read(
            lambda connection: list(map(Outcome._make, connection.execute(sql, values)))
        )

    async def delete(self, run_id: str, by: str = "") -> None:
        await self._write(run_id, lambda connection: self._rows.remove(connection, run_id, by))

    async def acts(self, owner: str | None, before: ActPlace | None, limit: int) -> list[Act]:
        sql, values = select_acts(owner, before, limit)
        return await self._reader.read(
            lambda connection: [parse_act(row) for row in connection.execute(sql, values)]
        )

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        sql, values = select_events(run_id, after, limit, types)

        def select(connection: Connection) -> list[LoggedEvent]:
            return [
                LoggedEvent(run_id=run_id, seq=seq, time=at, type=kind, data=json.loads(data))
                for seq, at, kind, data in connection.execute(sql, values)
            ]

        return await self._reader.read(select)

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        dead, named = one_of("lease_service", dead_services)
        values = {
            "now": now,
            "lease_now": self._dialect.clock.to_database(now),
            "furthest": FURTHEST_S,
            "limit": limit,
        }
        return await self._first_column(_DUE.format(dead=dead), {**values, **named})

    async def count_runs(self) -> dict[Status, int]:
        def count(connection: Connection) -> dict[Status, int]:
            rows = connection.execute(COUNT_RUNS)
            return {status: number for status, number in rows}  # noqa: C416 - rows are no pairs

        return await self._reader.read(count)

    async def event_totals(self) -> EventTotals | None:
        """None: each process counts what it logs."""
        return None

    async def queue_state(self) -> QueueState:
        return await self._reader.read(self._dialect.read_queue)

    async def refresh(self) -> list[str]:
        """Records and what they are found by are one."""
        return []

    async def archive_tail(self, run_id: str) -> None:  # noqa: B027 - nothing is to be done
        """All events are in one place."""

    async def cancelling(self) -> list[str]:
        return await self._first_column(
            "SELECT run_id FROM runs"
            " WHERE status = 'running' AND cancelling AND lease_service = :service",
            {"service": self.service},
        )

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        condition, named = one_of("status", statuses)
        sql = f"SELECT run_id FROM runs WHERE {condition} AND updated_at < :before"  # noqa: S608
        return await self._first_column(sql, {"before": before, **named})

    async def forget(self, before: float) -> None:
        def forget(connection: Connection) -> None:
            for table in ("idempotency", "removed"):
                sql = f"DELETE FROM {table} WHERE created_at < :before"  # noqa: S608
                connection.execute(sql, {"before": before})
            old = {"before": before - ACTS_KEPT_S}
            connection.execute("DELETE FROM acts WHERE time < :before", old)

        await self._writer.write(forget, lambda: None)

    async def _first_column(self, sql: str, values: Mapping[str, Any]) -> list[str]:
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
