"""Errors of what was asked of a run and does not fit its state."""

from graph.errors.base import CodingAgentError


class RunError(CodingAgentError):
    """Raised when what is asked of a run does not fit its state."""

    code = "run_error"


class RunNotFound(RunError):
    """Raised when there is no such run for this caller."""

    code = "run_not_found"
    default_hint = "List the runs to see their ids."


class RunNotYours(RunError):
    """Raised when a run may be read by this caller, and not be steered."""

    code = "run_not_yours"
    default_hint = "Ask its owner or an operator, or start a run of your own."


class RunActive(RunError):
    """Raised when a run must have ended for what is asked, and has not."""

    code = "run_active"
    default_hint = "Cancel the run, or wait for its end."


class RunFinished(RunError):
    """Raised when a run must not have ended for what is asked, and has."""

    code = "run_finished"
    default_hint = "Start a new run."


class RunNotWaiting(RunError):
    """Raised when a plan is answered while the run does not wait for an answer."""

    code = "run_not_waiting"
    default_hint = "Look at the run: its plan is answered already, or not made yet."


class RunAbandoned(RunError):
    """Raised when a run is waited for that no process drives or will pick up."""

    code = "run_abandoned"
    default_hint = "Resume the run, cancel it, or start a server, which picks it up."


class PlanChanged(RunError):
    """Raised when the answered plan is no longer the one that waits."""

    code = "plan_changed"
    default_hint = "Read the newest plan and answer that one."


class TooManyRuns(RunError):
    """Raised when the queue of runs is full."""

    code = "too_many_runs"
    default_hint = "Try again later, or raise CODING_AGENT_MAX_QUEUED_RUNS."


class TooManyReaders(RunError):
    """Raised when too many readers watch runs."""

    code = "too_many_readers"
    default_hint = "Try again later, or raise CODING_AGENT_MAX_READERS."
