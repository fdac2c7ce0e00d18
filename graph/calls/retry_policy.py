"""Trying again: how often, and the growing pauses between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


@dataclass(frozen=True)
class RetryPolicy:
    """How often something is tried. Pauses double from `first_s` to `longest_s` seconds, each up to
    a quarter shorter by chance, and are at most `total_s` together."""

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    total_s: float = 300.0

    def pauses(self) -> "Pauses":
        return Pauses(self)


class Pauses:
    """The pauses of one row of attempts."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.reset()

    def reset(self) -> None:
        """Begin again, after progress."""
        self.failures = 0
        self._waited_s = 0.0

    def next(self, asked_s: float | None = None) -> float | None:
        """Seconds to wait after one more failure; None where no attempt is left, or no time.

        `asked_s` is what the other side asks for: no pause is shorter.
        """
        policy = self._policy
        grown = min(policy.longest_s, policy.first_s * 2.0 ** min(self.failures, 64))
        pause = max(grown * random.uniform(0.75, 1.0), asked_s or 0.0)  # noqa: S311 - no secret
        self.failures += 1
        self._waited_s += pause
        if self.failures >= policy.attempts or self._waited_s > policy.total_s:
            return None
        return pause


async def retry(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    on: type[E],
    when: Callable[[E], bool] = lambda _: True,
    asked_s: Callable[[E], float | None] = lambda _: None,
    tell: Callable[[E, int, float], None] = lambda *_: None,
) -> T:
    """The call's result, at the first or a later attempt. Raises the last error.

    `on` is the kind of error after which a call may go right, `when` tells which of the kind are;
    `asked_s` reads from it what the other side asks for; `tell` is called before each wait, with
    the error, the number of the failed attempt (from 1), and the seconds.
    """
    pauses = policy.pauses()
    while True:
        try:
            return await call()
        except on as error:
            wait = pauses.next(asked_s(error)) if when(error) else None
            if wait is None:
                raise
            tell(error, pauses.failures, wait)
        await asyncio.sleep(wait)
