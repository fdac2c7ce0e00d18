"""How a run comes to be driven: claimed, picked up after a loss, or called by a program."""

from typing import Final

from graph import Failure, Retry, RunRequest, RunResumed, RunStarted
from graph.errors import RunActive
from runs.model.attempts import CALL_AGAIN, Ending, Step, finish_attempt, last_seen
from runs.model.log_entry import Entry, entry
from runs.model.run import FREE_PICKUPS, LONGEST_PAUSE_S, PICK_UP, Lease, Run

_FIRST_PAUSE_S: Final = 10.0
MAX_IDLE_PICKUPS: Final = 16
"""Pick-ups without gain before a run is given up: with their pauses, more than six hours."""


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
    until = last_seen(lost, now)
    if run.cancelling:
        return finish_attempt(run, Ending(status="cancelled"), now, until)
    if run.called_from_python:
        what = "The program that called the graph ended before the run."
        return _give_up(run, now, until, what, CALL_AGAIN)
    if run.idle_pickups >= MAX_IDLE_PICKUPS:
        hint = "See the log of the process that drove the run, then resume it."
        what = f"The run's process was lost {run.idle_pickups + 1} times with nothing done between."
        return _give_up(run, now, until, what, hint)
    ended = finish_attempt(run, Ending(status="interrupted"), now, until)
    attempt = run.attempt + 1
    resumed = entry(RunResumed(attempt=attempt, reason="picked_up"))
    next_run = run.replace(attempt=attempt, idle_pickups=run.idle_pickups + bool(lost))
    entries = (*ended.entries, resumed)
    return _postpone(next_run, entries, now) if next_run.is_suspect else Step(next_run, entries)


def _give_up(run: Run, now: float, until: float, what: str, hint: str) -> Step:
    error = Failure(code="interrupted", message=what, hint=hint, node=run.node or "")
    return finish_attempt(run, Ending(status="interrupted", error=error), now, until)


def call(
    run: Run, *, lease: Lease, now: float, dead_services: frozenset[str], request: RunRequest
) -> Step:
    """Let a program that calls the graph begin its run, or go on with it.

    Raises RunActive where another process drives it, or none but the service may.
    """
    if run.is_held(now, dead_services) or not run.called_from_python:
        raise RunActive(f"Run {run.run_id} is another's to drive.")
    ended: tuple[Entry, ...] = ()
    if run.status in ("queued", "running"):
        ended = finish_attempt(
            run, Ending(status="interrupted"), now, last_seen(run.lease, now)
        ).entries
    attempt = run.attempt + (run.final or bool(ended))
    resumed = entry(RunResumed(attempt=attempt, reason="resumed"))
    called = run.replace(
        status="running",
        attempt=attempt,
        request=request,
        lease=lease,
        plan_id=None,
        cancelling=False,
        called_from_python=True,
        updated_at=now,
    )
    return Step(called, (*ended, resumed) if attempt > run.attempt else ended)


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
