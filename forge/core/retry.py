"""Errors that a caller may go on from, and trying again after them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from graph import Emit, Retry, RetryPolicy, retry
from graph.errors import CodingAgentError

T = TypeVar("T")


class TransientError(Exception):
    """Raised when a call may go right the next time; `error` is what it is when it does not.

    `asked_s` is the pause that the other side asks for, in seconds; None where it does not say.
    """

    def __init__(
        self, error: CodingAgentError, *, reason: str, asked_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason
        self.asked_s = asked_s


class Unprocessable(Exception):
    """Raised when what was sent does not fit what is there (422); `fields` are those named."""

    def __init__(self, error: CodingAgentError, fields: tuple[str, ...]) -> None:
        super().__init__(error.message)
        self.error = error
        self.fields = fields


async def retry_transient(
    call: Callable[[], Awaitable[T]], *, what: str, emit: Emit, policy: RetryPolicy
) -> T:
    """The call's result, at the first or a later attempt. Raises the last failure's `error`."""

    def tell(failed: TransientError, attempt: int, wait_s: float) -> None:
        wait_ms = round(wait_s * 1000)
        emit(Retry(what=what, attempt=attempt + 1, wait_ms=wait_ms, reason=failed.reason))

    try:
        return await retry(
            call, policy, on=TransientError, asked_s=lambda failed: failed.asked_s, tell=tell
        )
    except (TransientError, Unprocessable) as failed:
        raise failed.error from None
