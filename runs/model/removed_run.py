"""What is still known of a run that was removed, for as long as somebody may count on it."""

from dataclasses import dataclass

from graph.errors import IdempotencyMismatch, RunRemoved
from runs.model.run import Run

KEPT_S = 2 * 86_400.0
"""From a run's start: repeats of its request come within a day, and so does its day's bill."""


@dataclass(frozen=True)
class RemovedRun:
    """Whose it was, when it was started, and what it had cost (None: unknown)."""

    run_id: str
    owner: str
    created_at: float
    cost_usd: float | None

    @classmethod
    def of(cls, run: Run) -> "RemovedRun":
        return cls(run.run_id, run.owner, run.created_at, run.spend.cost_usd)


def mismatch_error(run_id: str) -> IdempotencyMismatch:
    """Another body came with the key of this run, which may be removed."""
    return IdempotencyMismatch(f"This Idempotency-Key was used for another request (run {run_id}).")


def removed_error(run_id: str) -> RunRemoved:
    """The same request came again after its run was removed."""
    return RunRemoved(f"Run {run_id}, which this Idempotency-Key started, was removed.")
