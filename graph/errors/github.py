"""Errors of GitHub's API."""

from graph.errors.base import CodingAgentError


class GitHubError(CodingAgentError):
    """Raised when GitHub's API refused or could not be reached."""

    code = "github_error"


class GitHubUnauthorized(GitHubError):
    """Raised when GitHub does not accept the token (401)."""

    code = "github_unauthorized"
    default_hint = "Renew GITHUB_TOKEN."


class GitHubForbidden(GitHubError):
    """Raised when the token lacks a right (403)."""

    code = "github_forbidden"
    default_hint = "Give the token Contents and Pull requests read/write on this repository."


class GitHubRateLimited(GitHubError):
    """Raised when a rate limit does not end within the run's time (403 or 429)."""

    code = "github_rate_limited"
    default_hint = "Wait until the limit ends, then resume the run."


class GitHubUnavailable(GitHubError):
    """Raised when GitHub does not answer, or answers 5xx, after all tries."""

    code = "github_unavailable"
    default_hint = "See https://www.githubstatus.com, then resume the run."


class GitHubRejected(GitHubError):
    """Raised when GitHub answers 4xx for a reason that has no code of its own."""

    code = "github_rejected"
    default_hint = "See the message; resume the run once that is mended."
