"""The pieces that changes of a run are made of: its next state with its events, and an end."""

import secrets
import time
from dataclasses import dataclass
from typing import Final

from graph import Failure, FinalStatus, Value
from graph import RunFinished as RunFinishedEvent
from runs.model.log_entry import Entry, entry
from runs.model.run import Lease, Run

LEASE_S: Final = 20.0
CALL_AGAIN: Final = "Call the graph again with the run's id as thread_id, as docs/python.md says."


class LeaseLost(Exception):
    """Raised when a drive writes to a run that is no longer its own."""


class Ending(Value):
    """How an attempt ended, beside what the run itself knows."""

    status: FinalStatus
    reason: str | None = None
    explanation: str | None = None
    pr_url: str | None = None
    branch: str | None = None
    patch: str | None = None
    pushable: bool | None = None
    includes_uncommitted: bool | None = None
    error: Failure | None = None


@dataclass(frozen=True)
class Step:
    """The run as it will be, before `entries` have been added to its log."""

    run: Run
    entries: tuple[Entry, ...] = ()


def new_lease(service: str, token: str | None = None) -> Lease:
    """A lease from now on; without a token one that no other has."""
    token = secrets.token_hex(8) if token is None else token
    return Lease(service=service, token=token, until=time.time() + LEASE_S)


def last_seen(lease: Lease | None, now: float) -> float:
    """When the process that held this lease was heard of last: what came after is no work."""
    return min(now, lease.until - LEASE_S) if lease else now


def finish_attempt(run: Run, ending: Ending, now: float, worked_until: float | None = None) -> Step:
    entries = []
    if run.open_node:
        end = now if worked_until is None else worked_until
        entries.append(entry(run.open_node.finished("stopped", end)))
    finished = RunFinishedEvent(
        attempt=run.attempt,
        status=ending.status,
        reason=ending.reason,
        explanation=ending.explanation,
        pr_url=ending.pr_url or run.pr_url,
        branch=ending.branch or run.branch,
        patch=ending.patch,
        pushable=ending.pushable,
        includes_uncommitted=ending.includes_uncommitted,
        usage=run.spend.usage,
        cost_usd=run.spend.cost_usd,
        pr=run.pr,
        error=ending.error,
    )
    entries.append(entry(finished))
    return Step(run.replace(status=ending.status, plan_id=None, updated_at=now), tuple(entries))
