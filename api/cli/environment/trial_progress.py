"""What is under way while a repository's environment is tried, told now and then."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from api.terminal.text.human_units import duration
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line
from graph.calls import end_tasks

EVERY_S: Final = 30.0
_MOST_NAMED: Final = 3


class TrialProgress:
    """Says what runs when it begins, and each `every_s` seconds that it still does."""

    def __init__(self, show: Callable[[list[Line]], None], *, every_s: float = EVERY_S) -> None:
        self._show = show
        self._every_s = every_s
        self._doing = ""
        self._begun = time.monotonic()
        self._checks: tuple[str, ...] = ()

    def know(self, checks: Iterable[str]) -> None:
        """The checks that run on the base once it is set up; set-up begins now."""
        self._checks = tuple(dict.fromkeys(checks))
        self._begin("set-up")

    def hear(self, event: str) -> None:
        """What has come to its end; the checks run after set-up."""
        if event == "environment.ready" and self._checks:
            more = len(self._checks) - _MOST_NAMED
            named = "; ".join(map(clean_line, self._checks[:_MOST_NAMED]))
            self._begin(f"{named}; {more} more" if more > 0 else named)
            self._show([Line(f"runs  {self._doing}", indent=2, tone="dim")])
        elif event == "baseline.finished":
            self._doing = ""

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Tells while the block runs."""
        telling = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            await end_tasks(telling)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            if self._doing:
                took = duration(time.monotonic() - self._begun)
                self._show([Line(f"still  {self._doing}", indent=2, tone="dim", right=took)])

    def _begin(self, doing: str) -> None:
        self._doing, self._begun = doing, time.monotonic()
