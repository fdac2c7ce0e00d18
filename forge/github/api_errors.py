"""What GitHub answered, or failed to answer, as one of our errors. Decided by structure."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

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
_MAX_MESSAGE = 300


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
        errors = body.get("errors")
        fields = tuple(
            str(error.get("field"))
            for error in (errors if isinstance(errors, list) else [])
            if isinstance(error, dict) and error.get("field")
        )
        lower = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        return cls(status, _one_line(body.get("message")), fields, lower, limited)

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
        if self.status == 422 and "base" in self.fields:
            return BranchNotFound(f"The base branch is no longer there; GitHub refused {what}.")
        if self.status == 403 and "archived" in self.message.lower():
            return RepositoryArchived(text)
        if self.status >= 500:
            return ForgeUnavailable(f"GitHub did not carry out {what}: HTTP {self.status}.")
        kinds: dict[int, type[CodingAgentError]] = {
            401: ForgeUnauthorized,
            403: ForgeForbidden,
            404: RepositoryNotFound,
        }
        return kinds.get(self.status, ForgeRejected)(text)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:_MAX_MESSAGE] if text else ""
