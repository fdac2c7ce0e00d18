"""Calls that got no answer of GitHub's API, as errors of ours."""

import json

from forge.core.retry import TransientError
from forge.github.connection.network_settings import explain_unsent
from graph.errors import ForgeRejected, ForgeUnavailable


def map_silence(what: str, error: Exception) -> Exception:
    """No answer, or half of one. What could not even be sent will not go right later."""
    if unsent := explain_unsent(what, error):
        return unsent
    if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
        return map_misfit(what, error)
    name = type(error).__name__
    ours = ForgeUnavailable(
        f"GitHub gave no whole answer when asked for {what} ({name}).",
        "Check that this machine reaches the address of GITHUB_API_URL, then resume the run.",
    )
    return TransientError(ours, reason=name)


def map_misfit(what: str, error: Exception) -> ForgeRejected:
    """What was asked or answered is not GitHub's API; the error's own text may hold the token."""
    return ForgeRejected(
        f"The call for {what} does not fit GitHub's API ({type(error).__name__}).",
        "Check GITHUB_API_URL and GITHUB_TOKEN.",
    )
