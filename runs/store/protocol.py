"""What keeps runs and their events. Decisions are made by the transitions; a store makes them last.

A change of a run and its events are one: readers see both or neither, and only what will last.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from graph import Status
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.log_entry import Entry
from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.model.totals.event_totals import EventTotals
from runs.store.act import Act, ActPlace
from runs.store.outcome import Outcome

Decide = Callable[[Run], Step | None]
Listener = Callable[[str | None], None]
"""Told the id of a run that this process has changed, or None where another process may have."""
Observer = Callable[[LoggedEvent], None]
"""Told of each event that this process has added to a log, once."""


@dataclass(frozen=True)
class IdempotencyKey:
    """One caller's key; `digest` is of the request it came with."""

    owner: str
    key: str
    digest: str


@dataclass(frozen=True)
class QueueState:
    """Runs that wait for a slot of any process, and slots that are known to be free elsewhere."""

    waiting: int
    free_slots: int = 0

    @classmethod
    def of(cls, busy: int, slots: int) -> "QueueState":
        """Where so many runs are queued or running, and so many may run."""
        return cls(max(0, busy - slots), max(0, slots - busy))


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list, newest first; None stands for any. `before` is the `order` of a run."""

    owner: str | None = None
    status: Status | None = None
    repo: str | None = None
    pr_url: str | None = None
    """That of the pull request which they opened, or added to."""
    before: str | None = None
    changed_since: float | None = None
    """Unix seconds; the runs then come by the time of their change, oldest first."""
    limit: int = 50


class Store(Protocol):
    """The runs of one data folder. Every method may raise StoreError."""

    @property
    def service(self) -> str:
        """The name under which this process holds leases."""
        ...

    async def open(self, *, picks_up: bool = False) -> None:
        """Make the store where there is none, and bring an older one up to date.

        `picks_up`: this process takes over runs that others leave.
        """
        ...

    async def close(self) -> None: ...

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` in the event loop after each change."""
        ...

    def watch(self, run_id: str) -> AbstractContextManager[None]:
        """While the block runs, listeners hear of this run's changes by other processes too."""
        ...

    def observe(self, observer: Observer) -> None:
        """Call `observer` in the event loop with each event, once it is durable."""
        ...

    async def create(
        self,
        run: Run,
        key: IdempotencyKey | None,
        admit: Callable[[QueueState], Sequence[Entry]],
        day: DayLimits = NO_DAY_LIMITS,
    ) -> tuple[Run, bool]:
        """Add a run, or find the one its key was used for (False).

        `admit` is given the queue and returns the first events, or raises. The run holds what it
        may cost of the day's money, whoever else starts one at the same moment.
        Raises IdempotencyMismatch, DailyBudgetExhausted, or RunRemoved where the run of its key is
        gone.
        """
        ...

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        """Let `decide` make the run's next state; None where it wants no change.

        An entry whose key is in the run's log already adds nothing. With limits of a `day` the
        next state holds what it may still cost, as a new run does. Raises RunNotFound, and what
        `decide` raises.
        """
        ...

    async def get(self, run_id: str) -> Run | None: ...

    async def find(self, query: RunQuery) -> list[Run]: ...

    async def outcomes(self, owner: str | None, since: float) -> list[Outcome]:
        """What the runs of one owner, or (None) of all, came to that were started since then.

        The newest first.
        """
        ...

    async def delete(self, run_id: str, by: str = "") -> None:
        """Remove a run and its events; nothing where there is none.

        Its key, and what it cost of its day's money, are known until they are forgotten; who
        removed it (empty: the service by itself) is an act.
        """
        ...

    async def acts(self, owner: str | None, before: ActPlace | None, limit: int) -> list[Act]:
        """The newest acts on the runs of one owner, or (None) of all, below a place.

        An act lasts as its event does, and stays when its run is removed.
        """
        ...

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        """Up to `limit` events after number `after`, in order; of `types`, where some are named."""
        ...

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        """Ids of queued and running runs that no living process holds, oldest wish first.

        Those whose pick-up is postponed are left out.
        """
        ...

    async def count_runs(self) -> dict[Status, int]:
        """How many runs there are of each status that any has."""
        ...

    async def event_totals(self) -> EventTotals | None:
        """What the events of all runs have added up to; None where it is not kept."""
        ...

    async def queue_state(self) -> QueueState: ...

    async def cancelling(self) -> list[str]:
        """Ids of the runs that this process holds and that are to be cancelled."""
        ...

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        """Ids of the runs of these statuses that were last changed before then."""
        ...

    async def dead_services(self) -> frozenset[str]:
        """Services that hold leases and are known to be dead."""
        ...

    async def attended(self) -> bool:
        """Whether a living process takes over runs that others leave."""
        ...

    async def probe(self) -> None:
        """Raise StoreError where nothing can be written."""
        ...

    async def refresh(self) -> list[str]:
        """Let what runs are found by say what their records say, where it is kept apart from them.

        Some of the ended runs whose last events `archive_tail` has yet to bring into files.
        """
        ...

    async def archive_tail(self, run_id: str) -> None:
        """Bring what others have added to a run that nobody drives to where its events are."""
        ...

    async def forget(self, before: float) -> None:
        """Remove idempotency keys and removed runs of before then, and acts of long before."""
        ...
