"""Which error an answer of the Messages API is: by its status, its type and its words."""

import email.utils
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graph import name_proxy_variables
from graph.errors import (
    ClaudeBilling,
    ClaudeError,
    ClaudeRateLimited,
    ClaudeRefused,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
    ContextExceeded,
)
from roles.claude.reply import AttemptFailed

REPEATABLE: Final = (ClaudeRateLimited, ClaudeUnavailable)
NOT_THE_API: Final = "This is no answer of the Messages API. Check ANTHROPIC_BASE_URL."
_STREAM: Final = "text/event-stream"
_STATUS: Final = "coding_agent_status"
_MAX_SAID: Final = 200
_STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 408,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
}
_BY_STATUS: Final[Mapping[int, type[ClaudeError]]] = {
    401: ClaudeUnauthorized,
    402: ClaudeBilling,
    403: ClaudeUnauthorized,
    408: ClaudeUnavailable,
    409: ClaudeUnavailable,
    413: ContextExceeded,
    429: ClaudeRateLimited,
    499: ClaudeUnavailable,
}
_BY_WORDS: Final[Sequence[tuple[str, type[ClaudeError], str]]] = (
    ("credit balance", ClaudeBilling, ""),
    ("spend limit", ClaudeBilling, ""),
    ("usage limit", ClaudeBilling, ""),
    ("prompt is too long", ContextExceeded, ""),
    ("exceed context limit", ContextExceeded, ""),
    ("context window", ContextExceeded, ""),
    ("content filtering", ClaudeRefused, "A filter blocked the reply. Word the request otherwise."),
    (
        "organization has been disabled",
        ClaudeUnauthorized,
        "The organization of the key is disabled. Use the key of another one.",
    ),
)
"""What has no status and type of its own, by the answer's words, and its hint."""


def classify(
    status: int, kind: str | None, code: str, message: str
) -> tuple[type[ClaudeError], str]:
    """The class of an answer, and a hint where the class has no better one.

    The status decides; `kind`, the body's `error.type`, where the status says nothing: 400, and 200
    of a stream. `code` is the body's `error.details.error_code`.
    """
    text = message.lower()
    if "spend_limit" in code:
        return ClaudeBilling, ""
    if status in (200, 400):
        status = _STATUS_OF_TYPE.get(kind or "", 500 if status == 200 else 400)
    if status in (400, 403):
        for words, found, hint in _BY_WORDS:
            if words in text:
                return found, hint
    found = _BY_STATUS.get(status, ClaudeUnavailable if status >= 500 else ClaudeRejected)
    if status == 403:
        return found, "The key may not do this. Use another key, or a model that it may use."
    if found is ClaudeRejected and kind is None:
        return found, NOT_THE_API
    return found, "Check CODING_AGENT_MODEL." if found is ClaudeRejected and "model" in text else ""


def refused_by_proxy(said: str) -> AttemptFailed:
    """What a proxy answered in place of the Messages API: `said` begins with its status."""
    names = name_proxy_variables()
    error = ClaudeUnavailable(
        f"The proxy that the environment names ({names}) does not let the Messages API be reached:"
        f" {said[:_MAX_SAID]}",
        f"Set {names} to a proxy that does, with its user and password where it asks for them.",
    )
    return AttemptFailed(error, repeatable=said.startswith("5"))


async def note_status(response: Any) -> None:
    """Let an error of reading the answer's body still tell its status."""
    response.request.extensions[_STATUS] = response.status_code


def noted_status(error: BaseException) -> int:
    """The status of the answer whose body could not be read; 0 where there was none."""
    requests = (getattr(each, "_request", None) for each in (error, error.__cause__))
    return next((int(each.extensions.get(_STATUS, 0)) for each in requests if each), 0)


def fail_by_status(status: int, why: str) -> AttemptFailed:
    """What an answer means whose body could not be read."""
    kind, hint = classify(status, None, "", "")
    text = f"The Messages API answered {status}, and the rest could not be read ({why})."
    return AttemptFailed(kind(text, hint), repeatable=kind in REPEATABLE)


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raise AttemptFailed for a success that is something else than a stream, such as a page."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type != _STREAM:
        text = f"Instead of a stream {media_type[:_MAX_SAID]} came."
        raise AttemptFailed(ClaudeRejected(text, NOT_THE_API), repeatable=False)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the API asks: milliseconds, seconds or a date.

    A date is held against the answer's own: this machine's clock may be wrong.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    until, now = (_read_date(headers.get(name, "")) for name in ("retry-after", "date"))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _read_date(text: str) -> float | None:
    """Unix seconds; None where it is no date."""
    try:
        found = email.utils.parsedate_tz(text)
        return email.utils.mktime_tz(found) if found else None
    except (ValueError, OverflowError):  # of a year that there is not
        return None
