"""Errors of a request that cannot be carried out as it stands."""

from typing import Any

from graph.errors.base import CodingAgentError


class RequestError(CodingAgentError):
    """Raised when a request cannot be carried out as it stands.

    `field` is the wrong field as callers write it (`repoUrl`); empty where no single one is wrong.
    """

    code = "invalid_request"
    field: str = ""

    def __init__(self, message: str, hint: str = "", *, field: str = "") -> None:
        super().__init__(message, hint)
        self.field = field or self.field

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"field": self.field})


class InvalidRequest(RequestError):
    """Raised when a field of a request is wrong."""

    code = "invalid_request"


class InvalidRepoUrl(RequestError):
    """Raised when `repoUrl` is not an address of a repository below the configured host."""

    code = "invalid_repo_url"
    field = "repoUrl"
    default_hint = (
        "Give OWNER/REPO below the configured address, such as https://github.com/octocat/hello."
    )


class RepositoryNotAllowed(RequestError):
    """Raised when a repository is outside CODING_AGENT_REPOS; told as a missing repository."""

    code = "repository_not_found"
    default_hint = "Check the name, and that CODING_AGENT_REPOS and the token cover it."


class EnvironmentNotFound(RequestError):
    """Raised when nothing is known of what set-up does on a repository."""

    code = "environment_not_found"
    default_hint = "A run, or `coding-agent environment OWNER/REPO`, makes it."


class ModelNotAllowed(RequestError):
    """Raised when a request names a model that CODING_AGENT_MODELS does not list."""

    code = "model_not_allowed"
    field = "model"
    default_hint = "Use a model that CODING_AGENT_MODELS lists, or leave it out."


class BranchNotAllowed(RequestError):
    """Raised when `branch` is none that the operator lets a request name."""

    code = "branch_not_allowed"
    field = "branch"
    default_hint = (
        "Give a name that begins with CODING_AGENT_BRANCH_PREFIX, or let the operator set"
        " CODING_AGENT_ANY_BRANCH=true."
    )


class LimitRaised(RequestError):
    """Raised when a request tries to raise a limit that the operator set."""

    code = "limit_raised"
    default_hint = "A request may lower an operator's limit, never raise it."


class IdempotencyMismatch(RequestError):
    """Raised when an Idempotency-Key comes again with another body."""

    code = "idempotency_mismatch"
    default_hint = "Use a new Idempotency-Key for a new request."


class RunRemoved(RequestError):
    """Raised when an Idempotency-Key comes again after the run that it started was removed."""

    code = "run_removed"
    default_hint = "Its work was done or given up. Use a new Idempotency-Key to start another run."


class DailyBudgetExhausted(RequestError):
    """Raised when the day's money is spent, or held by runs under way; `wait_s`: for how long."""

    code = "daily_budget_exhausted"

    def __init__(self, message: str, hint: str = "", *, wait_s: int = 60) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__()[:2], {"wait_s": self.wait_s})
