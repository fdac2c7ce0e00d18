"""Trying again what may go right the next time, told to whoever watches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from graph import Emit, Retry
from graph.errors import CodingAgentError

T = TypeVar("T")


class Transient(Exception):
    """Raised when a call may go right the next time; `error` is what it is when it does not.

    `wait_s` is what the other side asks for, None where it does not say.
    """

    def __init__(
        self, error: CodingAgentError, *, reason: str, wait_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason
        self.wait_s = wait_s


@dataclass(frozen=True)
class Patience:
    """How often a call is tried, and how many seconds may be spent waiting."""

    tries: int = 5
    total_s: float = 300
    first_s: float = 1

    def wait(self, attempt: int, asked_s: float | None) -> float:
        """Seconds to wait after the failed `attempt`, the first being 1."""
        return asked_s if asked_s is not None else self.first_s * 2.0 ** (attempt - 1)

    def until(self, deadline: float) -> "Patience":
        """Patience for the waits that still fit before `deadline`, in Unix seconds."""
        return replace(self, total_s=max(self.total_s, deadline - time.time()))


async def repeated(
    attempt: Callable[[], Awaitable[T]], *, what: str, emit: Emit, patience: Patience
) -> T:
    """The attempt's result, at the first or a later try. Raises the last Transient's error."""
    waited, number = 0.0, 1
    while True:
        try:
            return await attempt()
        except Transient as transient:
            wait = patience.wait(number, transient.wait_s)
            waited += wait
            if number >= patience.tries or waited > patience.total_s:
                raise transient.error from None
            emit(
                Retry(
                    what=what,
                    attempt=number + 1,
                    wait_ms=round(wait * 1000),
                    reason=transient.reason,
                )
            )
        await asyncio.sleep(wait)
        number += 1
