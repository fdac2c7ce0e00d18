"""The rows of one run: read, and written in the transaction of the caller."""

import json
import time
from dataclasses import astuple, fields
from typing import Any, Final

from graph import repo_name
from runs.model.attempts import Step
from runs.model.day_budget import DayCost, DayLimits, day_began, hold_money
from runs.model.log_entry import Entry
from runs.model.removed_run import RemovedRun, mismatch_error, removed_error
from runs.model.run import Run
from runs.model.run_id import first_id_at
from runs.model.run_record import LoggedEvent, encode
from runs.sql.act_rows import add_act, add_acts
from runs.sql.connection import Connection, one_of
from runs.sql.dialect import Dialect
from runs.store.act import Act
from runs.store.protocol import IdempotencyKey

_COLUMNS: Final = (
    *("run_id", "order_id", "owner", "status", "repo", "pr_url", "created_at", "queued_at"),
    *("updated_at", "not_before", "lease_service", "lease_until", "cancelling", "cost_usd"),
    *("max_cost_usd", "repo_url", "published_at", "pr_number", "pr_draft", "reason", "doc"),
)
_SAVE: Final = (
    f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{c}' for c in _COLUMNS)})"  # noqa: S608
    " ON CONFLICT (run_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
)
_ADD_EVENT: Final = (
    "INSERT INTO events (run_id, seq, time, type, key, data)"
    " VALUES (:run_id, :seq, :time, :type, :key, :data)"
)
_REMOVED: Final = tuple(field.name for field in fields(RemovedRun))
_OF_DAY: Final = """
    SELECT run_id, owner, cost_usd,
        CASE WHEN status IN ('queued', 'running') THEN max_cost_usd ELSE 0 END,
        created_at >= :since
    FROM runs WHERE status IN ('queued', 'running') OR order_id >= :first
"""


class RunRows:
    """Reads and writes of one run, in a database's own way."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._clock = dialect.clock

    def load(self, connection: Connection, run_id: str, *, to_write: bool = False) -> Run | None:
        """A run; with `to_write` no other transaction changes it until this one has ended."""
        sql = "SELECT doc, request FROM runs JOIN requests USING (run_id) WHERE run_id = :run_id"
        lock = self._dialect.for_update if to_write else ""
        row = connection.execute(sql + lock, {"run_id": run_id}).fetchone()
        return self.parse(*row) if row else None

    def parse(self, doc: str, request: str) -> Run:
        run = Run.model_validate({**json.loads(doc), "request": json.loads(request)})
        return self._clock.load(run)

    def save(self, connection: Connection, step: Step, added: list[LoggedEvent]) -> Run:
        """Add the entries whose keys are new, then the run as it is after them."""
        run, new = step.run, _add_entries(connection, step)
        for seq, entry in enumerate(new, run.last_seq + 1):
            run = run.after(entry.data, entry.time)
            added.append(LoggedEvent(run.run_id, seq, entry.time, entry.type, entry.data))
        run = run.replace(last_seq=run.last_seq + len(new))
        logged = added[len(added) - len(new) :]
        add_acts(connection, run, logged)
        connection.executemany(_SAVE, [_row_of(self._clock.keep(run))])
        self._dialect.count(connection, run.run_id, logged)
        self._dialect.announce(connection, run.run_id)
        return run

    def add_request(self, connection: Connection, run: Run) -> None:
        connection.execute(
            "INSERT INTO requests (run_id, request) VALUES (:run_id, :request)",
            {"run_id": run.run_id, "request": encode(run.request)},
        )

    def change_request(self, connection: Connection, run: Run) -> None:
        connection.execute(
            "UPDATE requests SET request = :request WHERE run_id = :run_id",
            {"run_id": run.run_id, "request": encode(run.request)},
        )

    def add_key(self, connection: Connection, key: IdempotencyKey, run: Run) -> None:
        connection.execute(
            "INSERT INTO idempotency (owner, key, digest, run_id, created_at)"
            " VALUES (:owner, :key, :digest, :run_id, :created_at)",
            {
                "owner": key.owner,
                "key": key.key,
                "digest": key.digest,
                "run_id": run.run_id,
                "created_at": run.created_at,
            },
        )

    def find_by_key(self, connection: Connection, key: IdempotencyKey) -> Run | None:
        """The run that `key` was used for."""
        row = connection.execute(
            "SELECT digest, run_id FROM idempotency WHERE owner = :owner AND key = :key",
            {"owner": key.owner, "key": key.key},
        ).fetchone()
        if row is None:
            return None
        run = self.load(connection, row[1])
        if row[0] != key.digest:
            raise mismatch_error(row[1])
        if run is None:
            raise removed_error(row[1])
        return run

    def remove(self, connection: Connection, run_id: str, by: str) -> None:
        """Remove a run; what it cost is known on, and who removed it (empty: the service)."""
        if run := self.load(connection, run_id, to_write=True):
            names = ", ".join(f":{name}" for name in _REMOVED)
            connection.execute(
                f"INSERT INTO removed ({', '.join(_REMOVED)}) VALUES ({names})",  # noqa: S608
                dict(zip(_REMOVED, astuple(RemovedRun.of(run)), strict=True)),
            )
            if by:
                add_act(connection, Act.removal(run, by, time.time()))
        for table in ("events", "requests", "runs"):
            sql = f"DELETE FROM {table} WHERE run_id = :run_id"  # noqa: S608
            connection.execute(sql, {"run_id": run_id})
        self._dialect.announce(connection, run_id)

    def hold_money(self, connection: Connection, run: Run, day: DayLimits) -> Run:
        """The run, with no higher limit than the day has left. Raises DailyBudgetExhausted."""
        if not day:
            return run
        now = time.time()
        since = day_began(now)
        rows = connection.execute(_OF_DAY, {"since": since, "first": first_id_at(since)})
        costs = [DayCost.made_of(*row[:-1], today=bool(row[-1])) for row in rows]
        removed = connection.execute(
            f"SELECT {', '.join(_REMOVED)} FROM removed WHERE created_at >= :since",  # noqa: S608
            {"since": since},
        )
        costs += [DayCost.of_removed(RemovedRun(*row)) for row in removed]
        return hold_money(run, costs, day, now)


def _add_entries(connection: Connection, step: Step) -> list[Entry]:
    """Add the entries whose keys are not in the run's log yet, and give them."""
    run, new = step.run, []
    known = _known_keys(connection, step)
    for entry in step.entries:
        if entry.key not in known:
            new.append(entry)
        if entry.key:
            known.add(entry.key)
    if new:
        numbered = enumerate(new, run.last_seq + 1)
        connection.executemany(
            _ADD_EVENT, [_event_row(run.run_id, seq, entry) for seq, entry in numbered]
        )
    return new


def _known_keys(connection: Connection, step: Step) -> set[str]:
    """The keys of these entries that are in the run's log."""
    keys = {entry.key for entry in step.entries if entry.key}
    if not keys:
        return set()
    condition, values = one_of("key", keys)
    sql = f"SELECT key FROM events WHERE run_id = :run_id AND {condition}"  # noqa: S608
    return {row[0] for row in connection.execute(sql, {"run_id": step.run.run_id, **values})}


def _event_row(run_id: str, seq: int, entry: Entry) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "seq": seq,
        "time": entry.time,
        "type": entry.type,
        "key": entry.key or None,
        "data": entry.text,
    }


def _row_of(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "order_id": run.order,
        "owner": run.owner,
        "status": run.status,
        "repo": repo_name(run.request["repo_url"]),
        "pr_url": run.pr_url,
        "created_at": run.created_at,
        "queued_at": run.queued_at,
        "updated_at": run.updated_at,
        "not_before": run.not_before,
        "lease_service": run.lease and run.lease.service,
        "lease_until": run.lease and run.lease.until,
        "cancelling": run.cancelling,
        "cost_usd": run.spend.cost_usd,
        "max_cost_usd": run.request.get("max_cost_usd") or None,
        "repo_url": run.request["repo_url"],
        "published_at": run.published_at,
        "pr_number": run.changed_pull,
        "pr_draft": run.pr_draft,
        "reason": run.reason,
        "doc": run.model_dump_json(exclude={"request"}),
    }
