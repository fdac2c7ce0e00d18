"""What keeps deliveries. One that was added is worked off, by one at a time, until it is done."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from runs.model.clocks import CLOCKS_DIFFER_S

LEASE_S: Final = 120.0
"""Who claimed a delivery and says nothing for so long has died; another works it off."""
LONGEST_PAUSE_S: Final = 3600.0
"""None is postponed for longer, as a forge counts calls by the hour."""
FURTHEST_S: Final = LONGEST_PAUSE_S + CLOCKS_DIFFER_S
"""What waits for longer was postponed by a clock that was set back since."""
MOST_ATTEMPTS: Final = 8
"""What could not be worked off so often is given up."""
KEPT_S: Final = 7 * 24 * 3600.0
"""A delivery is known so long: a forge gives one again for three days."""

THREADS_KEPT_S: Final = 90 * 24 * 3600.0
"""What is known of a thread where nothing happens is forgotten after this time."""


@dataclass(frozen=True)
class Delivery:
    """`body` is plain data; `attempt` counts those who claimed it, from 1."""

    name: str
    body: dict[str, Any]
    attempt: int = 1


class Deliveries(Protocol):
    """Deliveries and threads (an issue or a pull request each). Every method may raise StoreError.

    Times are Unix seconds by the clock of this machine.
    """

    async def add(self, name: str, body: dict[str, Any], now: float) -> bool:
        """Keep a delivery; False where its name is known. It is durable when this returns."""
        ...

    async def claim(self, now: float) -> Delivery | None:
        """The oldest that nobody is at work on, for `LEASE_S`; None where there is none."""
        ...

    async def has_work(self, now: float) -> bool:
        """Whether a delivery waits, or a thread is to be looked after."""
        ...

    async def postpone(self, name: str, until: float) -> None:
        """Let a claimed delivery be claimed again from then on."""
        ...

    async def finish(self, name: str, now: float) -> None:
        """Let a delivery never be claimed again; its body is forgotten."""
        ...

    async def forget(self, now: float) -> None:
        """Remove what was finished `KEPT_S` ago, and threads untouched for `THREADS_KEPT_S`."""
        ...

    async def thread(self, name: str) -> dict[str, Any] | None:
        """What is known of a thread; None where nothing is."""
        ...

    async def keep_thread(
        self,
        name: str,
        thread: dict[str, Any],
        now: float,
        *,
        live: bool,
        before: dict[str, Any] | None = None,
    ) -> bool:
        """Keep what is known of a thread. `live`: it is to be looked after.

        `before` is what was known of it, None where nothing was. False, and nothing is kept, where
        that is something else by now: another process has worked on it meanwhile.
        """
        ...

    async def threads_of(self, prefix: str) -> list[dict[str, Any]]:
        """What is known of the threads whose names begin so, such as `owner/name#`."""
        ...

    async def live_threads(self) -> list[str]:
        """Names of the threads that are to be looked after."""
        ...
