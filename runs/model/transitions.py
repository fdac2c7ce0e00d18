"""How a run changes, as pure functions: a run and a wish make the next run and its events.

The store calls one within a transaction; None means that nothing is to be changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from graph import (
    Approval,
    Failure,
    FinalStatus,
    PlanWaiting,
    Retry,
    RunQueued,
    RunRequest,
    RunResumed,
    RunStarted,
    Value,
)
from graph import RunFinished as RunFinishedEvent
from graph.errors import PlanChanged, RunActive, RunFinished, RunNotWaiting
from runs.model.log_entry import Entry, entry
from runs.model.run import (
    FREE_PICKUPS,
    LONGEST_PAUSE_S,
    PICK_UP,
    RESUMABLE,
    Answer,
    Lease,
    OpenNode,
    Run,
)

LEASE_S: Final = 20.0
_FIRST_PAUSE_S: Final = 10.0
MAX_IDLE_PICKUPS: Final = 16
"""Pick-ups without gain before a run is given up: with their pauses, more than six hours."""


class LeaseLost(Exception):
    """Raised when a drive writes to a run that is no longer its own."""


class Ending(Value):
    """How an attempt ended, beside what the run itself knows."""

    status: FinalStatus
    reason: str | None = None
    pr_url: str | None = None
    branch: str | None = None
    patch: str | None = None
    error: Failure | None = None


@dataclass(frozen=True)
class Step:
    """The run as it will be, before `entries` have been added to its log."""

    run: Run
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Admission:
    """How a run comes to be driven: by the process that asks (`lease`), or through the queue."""

    lease: Lease | None = None
    position: int | None = None

    @classmethod
    def queued(cls, lease: Lease | None, waiting: int) -> "Admission":
        """By this process, or behind the `waiting` runs that have no slot yet."""
        return cls(lease, None if lease else waiting + 1)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return () if self.position is None else (entry(RunQueued(position=self.position)),)


def claim(
    run: Run,
    *,
    lease: Lease,
    now: float,
    dead_services: frozenset[str],
    started: RunStarted,
    suspects: bool = True,
) -> Step | None:
    """Take a run to drive it: one that is due, or one whose process was lost.

    One whose process was lost again and again is left without a lease, for a pause that grows.
    Without `suspects` such runs are not taken.
    """
    if run.is_postponed(now) or (run.is_suspect and not suspects):
        return None
    asked_here = run.lease and run.lease.service == lease.service and not run.lease.token
    if run.status not in ("queued", "running") or (
        run.is_held(now, dead_services) and not asked_here
    ):
        return None
    taken = run.replace(lease=lease, status="running", updated_at=now)
    if run.status == "running":
        return _pick_up(taken, now, run.lease)
    if run.begun:
        return Step(taken)
    return Step(taken.replace(begun=True), (entry(started),))


def _pick_up(run: Run, now: float, lost: Lease | None) -> Step:
    """End the attempt before, and begin the next in the same transaction.

    `lost` is the lease of a process that did not give it back.
    """
    last_seen = _last_seen(lost, now)
    if run.cancelling:
        return _finish(run, Ending(status="cancelled"), now, last_seen)
    if run.idle_pickups >= MAX_IDLE_PICKUPS:
        hint = "See the log of the process that drove the run, then resume it."
        what = f"The run's process was lost {run.idle_pickups + 1} times with nothing done between."
        error = Failure(code="interrupted", message=what, hint=hint, node=run.node or "")
        return _finish(run, Ending(status="interrupted", error=error), now, last_seen)
    ended = _finish(run, Ending(status="interrupted"), now, last_seen)
    attempt = run.attempt + 1
    resumed = entry(RunResumed(attempt=attempt, reason="picked_up"))
    next_run = run.replace(attempt=attempt, idle_pickups=run.idle_pickups + bool(lost))
    entries = (*ended.entries, resumed)
    return _postpone(next_run, entries, now) if next_run.is_suspect else Step(next_run, entries)


def _postpone(run: Run, entries: tuple[Entry, ...], now: float) -> Step:
    """Let a run wait that may be what its processes were lost of, and tell for how long."""
    earlier = run.idle_pickups - FREE_PICKUPS - 1
    pause_s = min(LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**earlier)
    told = Retry(
        what=PICK_UP,
        attempt=run.attempt,
        wait_ms=round(pause_s * 1000),
        reason=f"the process was lost {run.idle_pickups} times with nothing done between",
    )
    waiting = run.replace(
        status="queued", lease=None, open_node=None, queued_at=now, not_before=now + pause_s
    )
    return Step(waiting, (*entries, entry(told)))


def extend(run: Run, *, token: str, now: float, node: OpenNode | None = None) -> Step:
    """Hold the lease for longer; `node` is the open node as its driver has it."""
    return Step(_with_node(_renewed(run, token, now), node))


def record(run: Run, *, token: str, now: float, entries: Sequence[Entry]) -> Step:
    """Add what a drive reports."""
    return Step(_renewed(run, token, now).replace(updated_at=now), tuple(entries))


def wait(
    run: Run, *, token: str, now: float, plan_id: str, plan: dict[str, Any] | None
) -> Step | None:
    """Let a run wait for the answer to its plan; not where that was given, nor a cancelled one."""
    mine = _renewed(run, token, now)
    if run.cancelling or (run.answer and run.answer.plan_id == plan_id):
        return None
    event = PlanWaiting.model_validate(
        {"key": f"plan.waiting:{plan_id}:{run.attempt}", "plan_id": plan_id, "plan": plan or {}}
    )
    node = run.open_node and run.open_node.model_copy(update={"worked_s": None})
    waiting = mine.replace(
        status="waiting", plan_id=plan_id, lease=None, updated_at=now, open_node=node
    )
    return Step(waiting, (entry(event),))


def finish(
    run: Run, *, token: str, now: float, ending: Ending, node: OpenNode | None = None
) -> Step:
    """End an attempt. The lease is held on, until nothing of the run is left on the machine."""
    return _finish(_with_node(_renewed(run, token, now), node), ending, now)


def release(run: Run, *, token: str) -> Step | None:
    """Give the lease back."""
    if run.lease is None or run.lease.token != token:
        return None
    return Step(run.replace(lease=None))


def cancel(
    run: Run,
    *,
    lease: Lease,
    now: float,
    dead_services: frozenset[str],
) -> Step | None:
    """Ask a run's driver to stop; one that has none ends at once, `lease` held by the caller."""
    if run.cancelling and (run.status == "cancelled" or not run.final):
        return None
    if run.final:
        raise RunFinished(f"Run {run.run_id} has ended: {run.status}.")
    cancelling = run.replace(cancelling=True, updated_at=now)
    if run.is_driven(now, dead_services):
        return Step(cancelling)
    return _finish(cancelling.replace(lease=lease), Ending(status="cancelled"), now)


def expire(run: Run, *, lease: Lease, now: float, before: float) -> Step | None:
    """Cancel a run that has waited for an answer since `before`; `lease` is held by the caller."""
    if run.status != "waiting" or run.updated_at >= before:
        return None
    ending = Ending(status="cancelled", reason="plan_not_answered")
    return _finish(run.replace(lease=lease), ending, now)


def answer(run: Run, *, approval: Approval, now: float, admission: Admission) -> Step:
    """Keep the answer to the waiting plan and let the run go on."""
    if run.status != "waiting" or run.plan_id is None:
        raise RunNotWaiting(f"Run {run.run_id} does not wait for an answer: {run.status}.")
    if approval.plan_id is not None and approval.plan_id != run.plan_id:
        raise PlanChanged(f"Plan {approval.plan_id!r} is not the one that waits: {run.plan_id!r}.")
    answered = run.replace(
        status="queued",
        queued_at=now,
        updated_at=now,
        plan_id=None,
        answer=Answer(plan_id=run.plan_id, approval=approval),
        lease=admission.lease,
    )
    return Step(answered, admission.entries)


def resume(
    run: Run,
    *,
    request: RunRequest,
    now: float,
    dead_services: frozenset[str],
    admission: Admission,
    attended: bool,
) -> Step:
    """Begin another attempt of a run that has ended, under the limits of `request`.

    One that nobody drives ends first, in the same transaction.
    """
    ended = _end_abandoned(run, now, dead_services, attended=attended)
    if run.final and run.status not in RESUMABLE:
        raise RunFinished(f"Run {run.run_id} has ended for good: {run.status}.")
    attempt = run.attempt + 1
    resumed = run.replace(
        status="queued",
        attempt=attempt,
        request=request,
        queued_at=now,
        updated_at=now,
        resumed_as=attempt,
        cancelling=False,
        idle_pickups=0,
        not_before=0.0,
        lease=run.lease if run.is_held(now, dead_services) else admission.lease,
    )
    event = entry(RunResumed(attempt=attempt, reason="resumed"))
    return Step(resumed, (*ended, event, *admission.entries))


def remove(
    run: Run, *, lease: Lease, now: float, dead_services: frozenset[str], attended: bool
) -> Step:
    """Hold a run that is about to be removed, so that nobody takes it up meanwhile."""
    ended = _end_abandoned(run, now, dead_services, attended=attended)
    if run.is_driven(now, dead_services):
        raise RunActive(f"Run {run.run_id} is being tidied up.")
    status = run.status if run.final else "interrupted"
    return Step(run.replace(lease=lease, status=status, updated_at=now), ended)


def number_message(run: Run) -> Step:
    """Count one more message to the run's roles."""
    if run.final:
        raise RunFinished(f"Run {run.run_id} has ended: {run.status}.")
    return Step(run.replace(messages=run.messages + 1))


def raise_fence(run: Run, *, service: str) -> Step:
    """Number one more role call; only for the process that drives the run."""
    if run.lease is None or run.lease.service != service:
        raise LeaseLost(f"another process drives run {run.run_id}")
    return Step(run.replace(fence=run.fence + 1))


def _with_node(run: Run, node: OpenNode | None) -> Run:
    """The run with its open node as its driver has it."""
    current = run.open_node
    if node is None or current is None or (node.node, node.visit) != (current.node, current.visit):
        return run
    return run.replace(open_node=node)


def _renewed(run: Run, token: str, now: float) -> Run:
    """The run with its lease drawn out, where it is `token`'s."""
    if run.lease is None or run.lease.token != token:
        raise LeaseLost(f"another process drives run {run.run_id}")
    return run.replace(lease=run.lease.model_copy(update={"until": now + LEASE_S}))


def _end_abandoned(
    run: Run, now: float, dead_services: frozenset[str], *, attended: bool
) -> tuple[Entry, ...]:
    """The end of a run that nobody drives; nothing of one that has ended. Raises RunActive."""
    if run.final:
        return ()
    if run.status == "waiting" or attended or run.is_held(now, dead_services):
        raise RunActive(f"Run {run.run_id} has not ended: {run.status}.")
    return _finish(run, Ending(status="interrupted"), now, _last_seen(run.lease, now)).entries


def _last_seen(lease: Lease | None, now: float) -> float:
    """When the process that held this lease was heard of last: what came after is no work."""
    return min(now, lease.until - LEASE_S) if lease else now


def _finish(run: Run, ending: Ending, now: float, worked_until: float | None = None) -> Step:
    entries = []
    if run.open_node:
        end = now if worked_until is None else worked_until
        entries.append(entry(run.open_node.finished("stopped", end)))
    finished = RunFinishedEvent(
        attempt=run.attempt,
        status=ending.status,
        reason=ending.reason,
        pr_url=ending.pr_url or run.pr_url,
        branch=ending.branch or run.branch,
        patch=ending.patch,
        usage=run.spend.usage,
        cost_usd=run.spend.cost_usd,
        error=ending.error,
    )
    entries.append(entry(finished))
    return Step(run.replace(status=ending.status, plan_id=None, updated_at=now), tuple(entries))
