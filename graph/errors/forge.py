"""Errors of the forge's API. Codes are stable: they say `github` for any forge."""

from graph.errors.base import CodingAgentError


class ForgeError(CodingAgentError):
    """Raised when the forge's API refused or could not be reached."""

    code = "github_error"


class ForgeUnauthorized(ForgeError):
    """Raised when the forge does not accept the token (401)."""

    code = "github_unauthorized"
    default_hint = "Renew GITHUB_TOKEN."


class ForgeForbidden(ForgeError):
    """Raised when the token lacks a right (403)."""

    code = "github_forbidden"
    default_hint = "Give the token Contents and Pull requests read/write on this repository."


class AppNotInstalled(ForgeForbidden):
    """Raised when the GitHub App is not installed on a repository."""

    code = "github_app_not_installed"
    default_hint = (
        "Install the App on the repository (its page on GitHub, Install), then try again."
    )


class AppSuspended(ForgeForbidden):
    """Raised when the GitHub App's installation is suspended."""

    code = "github_app_suspended"
    default_hint = "Unsuspend the App in the owner's settings (Installed GitHub Apps)."


class ForgeRateLimited(ForgeError):
    """Raised when a rate limit does not end within the run's time (403 or 429)."""

    code = "github_rate_limited"
    default_hint = "Wait until the limit ends, then resume the run."


class ForgeUnavailable(ForgeError):
    """Raised when the forge does not answer, or answers 5xx, after all attempts."""

    code = "github_unavailable"
    default_hint = (
        "See the forge's status page (https://www.githubstatus.com), then resume the run."
    )


class ForgeRejected(ForgeError):
    """Raised when the forge answers 4xx for a reason that has no code of its own."""

    code = "github_rejected"
    default_hint = "See the message; resume the run once that is fixed."
