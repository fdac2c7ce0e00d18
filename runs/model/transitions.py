"""How a run changes, as pure functions: a run and a wish make the next run and its events.

The store calls one within a transaction; None means that nothing is to be changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from graph import (
    Approval,
    CancelRequested,
    LimitsRaised,
    MessageReceived,
    PlanAnswered,
    PlanWaiting,
    RunQueued,
    RunRequest,
    RunResumed,
)
from graph.errors import PlanChanged, RunActive, RunFinished, RunNotWaiting
from runs.model.attempts import (
    CALL_AGAIN,
    LEASE_S,
    Ending,
    LeaseLost,
    Step,
    finish_attempt,
    last_seen,
)
from runs.model.follow_up import call_that_follows
from runs.model.log_entry import Entry, entry, valid_text
from runs.model.run import (
    RESUMABLE,
    Answer,
    Lease,
    OpenNode,
    Run,
)

_KNOWN_CALLS: Final = 20


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


def extend(run: Run, *, token: str, now: float, node: OpenNode | None = None) -> Step:
    """Hold the lease for longer; `node` is the open node as its driver has it."""
    return Step(_with_node(_renewed(run, token, now), node))


def record(
    run: Run, *, token: str, now: float, entries: Sequence[Entry], node: OpenNode | None = None
) -> Step:
    """Add what a drive reports; the lease is held for longer, as by `extend`."""
    renewed = _with_node(_renewed(run, token, now), node)
    return Step(renewed.replace(updated_at=now), tuple(entries))


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
    return finish_attempt(_with_node(_renewed(run, token, now), node), ending, now)


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
    by: str,
) -> Step | None:
    """Ask a run's driver to stop; one that has none ends at once, `lease` held by the caller."""
    if run.cancelling and (run.status == "cancelled" or not run.final):
        return None
    if run.final:
        raise RunFinished(f"Run {run.run_id} has ended: {run.status}.")
    cancelling = run.replace(cancelling=True, updated_at=now)
    asked = entry(CancelRequested(by=by))
    if run.is_driven(now, dead_services):
        return Step(cancelling, (asked,))
    ended = finish_attempt(cancelling.replace(lease=lease), Ending(status="cancelled"), now)
    return replace(ended, entries=(asked, *ended.entries))


def expire(run: Run, *, lease: Lease, now: float, before: float) -> Step | None:
    """Cancel a run that has waited for an answer since `before`; `lease` is held by the caller."""
    if run.status != "waiting" or run.updated_at >= before:
        return None
    ending = Ending(status="cancelled", reason="plan_not_answered")
    return finish_attempt(run.replace(lease=lease), ending, now)


def answer(
    run: Run, *, approval: Approval, now: float, admission: Admission, by: str, call: str = ""
) -> Step | None:
    """Keep the answer to the waiting plan and let the run go on, unless `call` did so before."""
    if call in run.steered_by:
        return None
    if run.called_from_python:
        raise RunNotWaiting(
            f"A program waits for the answer to run {run.run_id}, not this service.", CALL_AGAIN
        )
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
        steered_by=_with_call(run, call),
    )
    told = PlanAnswered(
        plan_id=run.plan_id, decision=approval.decision, feedback=approval.feedback or None, by=by
    )
    return Step(answered, (entry(told), *admission.entries))


def resume(
    run: Run,
    *,
    request: RunRequest,
    now: float,
    dead_services: frozenset[str],
    admission: Admission,
    attended: bool,
    by: str,
    call: str = "",
) -> Step | None:
    """Begin another attempt of a run that has ended, under the limits of `request`.

    One that nobody drives ends first, in the same transaction. None where `call` began one before.
    """
    if call in run.steered_by:
        return None
    if run.called_from_python:
        raise RunFinished(f"Only a program carries run {run.run_id} on.", CALL_AGAIN)
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
        steered_by=_with_call(run, call),
    )
    event = entry(RunResumed(attempt=attempt, reason="resumed", by=by))
    return Step(resumed, (*ended, event, *_raised(run, request, by), *admission.entries))


def _raised(run: Run, request: RunRequest, by: str) -> tuple[Entry, ...]:
    """What says that the run has other limits from here on."""
    names = ("max_cost_usd", "max_fix_rounds", "timeout_s")
    given = {name: request.get(name) for name in names}
    changed = {name: value for name, value in given.items() if value != run.request.get(name)}
    return (entry(LimitsRaised.model_validate({**changed, "by": by})),) if changed else ()


def remove(
    run: Run, *, lease: Lease, now: float, dead_services: frozenset[str], attended: bool
) -> Step:
    """Hold a run that is about to be removed, so that nobody takes it up meanwhile."""
    ended = _end_abandoned(run, now, dead_services, attended=attended)
    if run.is_driven(now, dead_services):
        raise RunActive(f"Run {run.run_id} is being tidied up.")
    status = run.status if run.final else "interrupted"
    return Step(run.replace(lease=lease, status=status, updated_at=now), ended)


def add_message(
    run: Run, *, text: str, by: str, call: str = "", told: Sequence[Entry] = ()
) -> Step:
    """Number one more message to the run's roles, unless `call` has brought it before.

    `told` comes before it in the log.
    """
    if call in run.message_calls:
        return Step(run)
    if run.final:
        hint = call_that_follows(run.record)
        raise RunFinished(f"Run {run.run_id} has ended: {run.status}.", hint)
    number = run.messages + 1
    calls = {**run.message_calls, call: number} if call else run.message_calls
    newest = dict(list(calls.items())[-_KNOWN_CALLS:])
    said = MessageReceived(key=f"message:{number}", number=number, text=valid_text(text), by=by)
    return Step(run.replace(messages=number, message_calls=newest), (*told, entry(said)))


def raise_fence(run: Run, *, service: str) -> Step:
    """Number one more role call; only for the process that drives the run."""
    if run.lease is None or run.lease.service != service:
        raise LeaseLost(f"another process drives run {run.run_id}")
    return Step(run.replace(fence=run.fence + 1))


def _with_call(run: Run, call: str) -> tuple[str, ...]:
    """The newest calls that steered a run, and this one where it has a name."""
    return (*run.steered_by, call)[-_KNOWN_CALLS:] if call else run.steered_by


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
    return finish_attempt(run, Ending(status="interrupted"), now, last_seen(run.lease, now)).entries
