"""What GitHub answered, or failed to answer, as one of our errors. Decided by structure."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from graph.errors import (
    BranchNotFound,
    CodingAgentError,
    ForgeForbidden,
    ForgeRateLimited,
    ForgeRejected,
    ForgeUnauthorized,
    ForgeUnavailable,
    RepositoryArchived,
    RepositoryNotFound,
)

SECONDARY_WAIT_S = 60.0
"""A secondary limit that names no time lasts at least this long."""
SSO_HINT: Final = "Authorize the token for the organization at {}, then resume the run."
_PULL_RIGHT: Final = "Give GITHUB_TOKEN the right Pull requests: read and write there"
_MAX_MESSAGE: Final = 300
_MAX_ERRORS: Final = 10
_SSO: Final = re.compile(
    r"https://[A-Za-z0-9.-]{1,200}/(?:orgs|enterprises)/[A-Za-z0-9._-]{1,100}/sso[^\s\"'<>]{0,300}"
)
_HINTS: Final = (
    (
        "not permitted to create or approve pull requests",
        (
            "Allow GitHub Actions to create pull requests in the repository's settings (Actions,"
            " General), or set GITHUB_TOKEN to a token of an account or of an App."
        ),
    ),
    ("ip allow list", "Add this machine's address to the organization's list of allowed ones."),
    (
        "oauth app access restrictions",
        "Let an owner of the organization approve the OAuth App, or use another kind of token.",
    ),
    ("suspended", "Set GITHUB_TOKEN to a token of an account that is not suspended."),
)
"""By words of the message in lower case."""


@dataclass(frozen=True)
class ApiError:
    """An answer of 4xx or 5xx. `headers` are lower-case; `limited`: it says so of a rate limit."""

    status: int
    message: str = ""
    fields: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    limited: bool = False

    @classmethod
    def read(
        cls, status: int, data: Any, headers: Mapping[str, str] | None, *, limited: bool
    ) -> "ApiError":
        """Take apart what the API sent; it may be anything."""
        body = data if isinstance(data, dict) else {}
        told = body.get("errors")
        errors = (told if isinstance(told, list) else [told])[:_MAX_ERRORS]
        fields = tuple(
            str(error.get("field"))
            for error in errors
            if isinstance(error, dict) and error.get("field")
        )
        message = ": ".join(filter(None, (_one_line(body.get("message")), _reasons(errors))))
        lower = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        return cls(status, message[:_MAX_MESSAGE], fields, lower, limited)

    @property
    def wait_s(self) -> float | None:
        """Seconds until a rate limit ends; None where this is no rate limit."""
        asked = self.headers.get("retry-after", "")
        if self.status not in (403, 429):
            return None
        if asked.isdigit():
            return float(asked)
        reset = self.headers.get("x-ratelimit-reset", "")
        if self.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return max(float(reset) - time.time(), 0) + 1
        return SECONDARY_WAIT_S if self.limited or self.status == 429 else None

    @property
    def transient(self) -> bool:
        """Whether the same call may go right later."""
        return self.wait_s is not None or self.status >= 500

    @property
    def reason(self) -> str:
        """A few words for a `retry` event."""
        return "rate limit" if self.wait_s is not None else f"HTTP {self.status}"

    def error(self, what: str) -> CodingAgentError:
        """The error that ends the run where the call is given up."""
        said = f": {self.message}" if self.message else ""
        text = f"GitHub refused {what} ({self.status}){said}"
        if self.wait_s is not None:
            until = datetime.fromtimestamp(time.time() + self.wait_s, UTC)
            return ForgeRateLimited(
                f"GitHub's rate limit lasts until {until:%H:%M:%S} UTC.", "Resume the run then."
            )
        if self.status == 422 and "base is invalid" in self.message:
            return BranchNotFound(
                f"The base branch is no longer there; GitHub refused {what}.",
                "Restore the branch, then resume the run, or start a new run on another.",
            )
        if self.status == 403 and "archived" in self.message.lower():
            return RepositoryArchived(text)
        if self.status >= 500:
            return ForgeUnavailable(f"GitHub did not carry out {what}: HTTP {self.status}.")
        kinds: dict[int, type[CodingAgentError]] = {
            401: ForgeUnauthorized,
            403: ForgeForbidden,
            404: RepositoryNotFound,
        }
        return kinds.get(self.status, ForgeRejected)(text, self._hint())

    def _hint(self) -> str:
        """What fixes this very answer; empty where only its kind is known."""
        if address := sso_address(self.headers.get("x-github-sso", "")):
            return SSO_HINT.format(address)
        if self.status != 403:
            return ""
        if hint := next((hint for said, hint in _HINTS if said in self.message.lower()), ""):
            return hint
        if rights := _one_line(self.headers.get("x-accepted-github-permissions")):
            return f"Give the token these permissions on the repository: {rights}."
        scopes = self.headers.get("x-accepted-oauth-scopes", "")
        if "x-oauth-scopes" in self.headers and (wanted := _one_line(scopes)):
            return f"Give the token one of these scopes: {wanted}."
        return ""


def explain_no_pull(full_name: str, refused: CodingAgentError) -> ForgeForbidden:
    """Why a token that may read a repository may open no pull request there."""
    hint = refused.hint if refused.hint != type(refused).default_hint else _PULL_RIGHT
    text = f"The token may open no pull request in {full_name}. {refused.message}"
    return ForgeForbidden(text, f"{hint.removesuffix('.')}, then run again.")


def sso_address(text: str) -> str:
    """Where a token is authorized for an organization with single sign-on; empty: not named."""
    found = _SSO.search(text)
    return found[0].rstrip(".,") if found else ""


def _reasons(errors: list[Any]) -> str:
    """What is wrong, as GitHub words it, or by field and code."""
    reasons = []
    for error in errors:
        if isinstance(error, str):
            reasons.append(_one_line(error))
        elif isinstance(error, dict) and error.get("message"):
            reasons.append(_one_line(error["message"]))
        elif isinstance(error, dict) and error.get("field"):
            reasons.append(_one_line(f"{error['field']} is {error.get('code') or 'wrong'}"))
    return "; ".join(filter(None, reasons))


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:_MAX_MESSAGE] if text else ""
