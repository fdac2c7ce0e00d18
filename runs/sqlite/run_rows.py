"""The rows of one run: read, and written in the transaction of the caller."""

import json
import time
from collections.abc import Collection
from typing import Final

from runs.model.attempts import Step
from runs.model.day_budget import DayCost, DayLimits, day_began, hold_money
from runs.model.removed_run import RemovedRun, mismatch_error, removed_error
from runs.model.repo_name import repo_name
from runs.model.run import Run
from runs.model.run_id import first_id_at
from runs.model.run_record import LoggedEvent
from runs.sqlite.database import Connection
from runs.store.protocol import IdempotencyKey, QueueState

_RUN: Final = "SELECT doc, request FROM runs JOIN requests USING (run_id) WHERE run_id = ?"

_OF_DAY: Final = """
    SELECT run_id, owner, json_extract(doc, '$.spend.cost_usd'),
        CASE WHEN status IN ('queued', 'running')
            THEN nullif(json_extract(request, '$.max_cost_usd'), 0) ELSE 0 END,
        json_extract(doc, '$.created_at') >= ?1
    FROM runs JOIN requests USING (run_id)
    WHERE status IN ('queued', 'running') OR order_id >= ?2
"""


def save_run(connection: Connection, step: Step, added: list[LoggedEvent]) -> Run:
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
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            run.order,
        ),
    )
    return run


def find_by_key(connection: Connection, key: IdempotencyKey) -> Run | None:
    """The run that `key` was used for."""
    row = connection.execute(
        "SELECT digest, run_id FROM idempotency WHERE owner = ? AND key = ?", (key.owner, key.key)
    ).fetchone()
    if row is None:
        return None
    run = load_run(connection, row[1])
    if row[0] != key.digest:
        raise mismatch_error(row[1])
    if run is None:
        raise removed_error(row[1])
    return run


def hold_money_of_day(connection: Connection, run: Run, day: DayLimits) -> Run:
    """The run, with no higher limit than the day has left. Raises DailyBudgetExhausted."""
    if not day:
        return run
    now = time.time()
    since = day_began(now)
    rows = connection.execute(_OF_DAY, (since, first_id_at(since)))
    costs = [DayCost.made_of(*row[:-1], today=bool(row[-1])) for row in rows]
    removed = connection.execute("SELECT * FROM removed WHERE created_at >= ?", (since,))
    costs += [DayCost.of_removed(RemovedRun(*row)) for row in removed]
    return hold_money(run, costs, day, now)


def load_run(connection: Connection, run_id: str) -> Run | None:
    row = connection.execute(_RUN, (run_id,)).fetchone()
    return parse_run(*row) if row else None


def parse_run(doc: str, request: str) -> Run:
    return Run.model_validate({**json.loads(doc), "request": json.loads(request)})


def read_queue_state(connection: Connection) -> QueueState:
    row = connection.execute(
        "SELECT count(*) FROM runs WHERE status = 'queued' AND lease_service IS NULL"
    ).fetchone()
    return QueueState(waiting=int(row[0]))


def data_version(connection: Connection) -> int:
    """A number that changes with each commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def json_array(values: Collection[str]) -> str:
    return json.dumps(list(values))
