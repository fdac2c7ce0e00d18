"""Errors of the Messages API."""

from graph.errors.base import CodingAgentError


class ClaudeError(CodingAgentError):
    """Raised when the Messages API refused or could not be reached."""

    code = "claude_error"


class ClaudeUnauthorized(ClaudeError):
    """Raised when the Messages API does not accept the key (401, 403), or there is none."""

    code = "claude_unauthorized"
    default_hint = "Set ANTHROPIC_API_KEY to a valid key."


class ClaudeBilling(ClaudeError):
    """Raised when the account's credit or spend limit is used up (402 and alike)."""

    code = "claude_billing"
    default_hint = "Check credit and spend limits of the account that owns the key."


class ClaudeRateLimited(ClaudeError):
    """Raised when a rate limit does not end within the run's time (429)."""

    code = "claude_rate_limited"
    default_hint = "Wait, or raise the account's limits, then resume the run."


class ClaudeUnavailable(ClaudeError):
    """Raised when the Messages API does not answer, or answers 5xx or 529, after all tries."""

    code = "claude_unavailable"
    default_hint = "See https://status.anthropic.com, then resume the run."


class ClaudeRejected(ClaudeError):
    """Raised when the Messages API answers 4xx to a request that repeating cannot fix."""

    code = "claude_rejected"
    default_hint = "See what the answer says; where a gateway is used, check it."


class ClaudeRefused(ClaudeError):
    """Raised when Claude ended its reply with a refusal."""

    code = "claude_refused"
    default_hint = "Word the request otherwise, or use another model."


class ContextExceeded(ClaudeError):
    """Raised when a role's conversation no longer fits the model's window."""

    code = "context_exceeded"
    default_hint = "Ask for less in one run, or use a model with a larger window."
