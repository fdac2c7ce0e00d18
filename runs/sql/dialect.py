"""How one database differs from another, for the statements that all share."""

from collections.abc import Sequence

from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.sql.connection import Connection
from runs.store.protocol import QueueState


class Clock:
    """The clock that leases are kept by, as seconds that it is ahead of this machine's.

    One machine has one clock: nothing is ahead.
    """

    ahead_s = 0.0

    def to_database(self, seconds: float) -> float:
        """A time of this machine by the database's clock."""
        return seconds + self.ahead_s

    def keep(self, run: Run) -> Run:
        """The run as it is kept: its lease ends by the database's clock."""
        return _shift_lease(run, self.ahead_s)

    def load(self, run: Run) -> Run:
        """The run as it is worked with: its lease ends by this machine's clock."""
        return _shift_lease(run, -self.ahead_s)


class Dialect:
    """A database in which a transaction that writes is alone from its begin, as in SQLite."""

    for_update = ""
    """What follows a SELECT whose row this transaction will write."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def lock_starts(self, connection: Connection) -> None:
        """Let no other transaction count runs or money until this one has ended."""

    def read_queue(self, connection: Connection) -> QueueState:
        """The runs that no process has a slot for."""
        return QueueState(
            waiting=count_rows(connection, "status = 'queued' AND lease_service IS NULL")
        )

    def count(self, connection: Connection, run_id: str, events: Sequence[LoggedEvent]) -> None:
        """Add to the totals of all events, where they are kept."""

    def announce(self, connection: Connection, run_id: str) -> None:
        """Have this transaction tell other processes which run it changes, where it can."""


def count_rows(connection: Connection, condition: str) -> int:
    """How many runs there are of this condition."""
    row = connection.execute(f"SELECT count(*) FROM runs WHERE {condition}").fetchone()  # noqa: S608
    return int(row[0])


def _shift_lease(run: Run, seconds: float) -> Run:
    if run.lease is None or not seconds:
        return run
    return run.replace(lease=run.lease.model_copy(update={"until": run.lease.until + seconds}))
