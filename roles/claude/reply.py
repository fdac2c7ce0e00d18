"""What one request brings: a reply, heard while it comes, or a failed attempt."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from graph import Usage
from graph.errors import ClaudeError

Block = dict[str, Any]
Kind = Literal["text", "thinking"]


class ReplyListener(Protocol):
    """Hears a reply while it comes."""

    def begin_block(self) -> None: ...

    def add(self, kind: Kind, text: str) -> None: ...


@dataclass(frozen=True)
class Reply:
    """One whole reply; `content` holds its blocks as they came, to be sent back unchanged."""

    content: list[Block]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None
    stop_details: Block | None = None


class AttemptFailed(Exception):
    """Raised when one request did not bring a whole reply.

    `usage` is what the API had reported of it by then, None where it had not begun.
    """

    def __init__(
        self,
        error: ClaudeError,
        *,
        repeatable: bool,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.repeatable = repeatable
        self.retry_after_s = retry_after_s
        self.usage = usage
