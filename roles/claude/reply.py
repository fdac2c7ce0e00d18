"""What one request brings: a reply, heard while it comes, or a failed attempt."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from graph import Usage
from graph.errors import ClaudeError

Block = dict[str, Any]
Kind = Literal["text", "thinking"]


class ReplyListener(Protocol):
    """Hears a reply while it comes."""

    def report(self, usage: Usage) -> None:
        """Hear what the reply has cost so far, however it ends."""
        ...

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
    """Raised when one request did not bring a whole reply."""

    def __init__(
        self,
        error: ClaudeError,
        *,
        repeatable: bool,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.repeatable = repeatable
        self.retry_after_s = retry_after_s
