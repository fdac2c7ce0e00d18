"""What the commands need of runs, on this machine or on a server."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, ClassVar, Final, Protocol

from graph import Approval, RunRequest
from runs.model import RaisedLimits

View = dict[str, Any]
"""A run as `GET /runs/{id}` answers it."""


REMOVED: Final = "removed"
"""Stands for the status in the row of a run that is no more."""


class Runs(Protocol):
    """Runs, asked by run id. Each call raises CodingAgentError or ServerError.

    `driven_here`: a run that is started or answered here lives in this process.
    """

    driven_here: ClassVar[bool]

    async def start(self, request: RunRequest) -> str:
        """Start a run; its id."""
        ...

    def events(self, run_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """All events from the first, live until the run's end."""
        ...

    async def view(self, run_id: str) -> View: ...

    async def list(
        self, *, status: str | None, repo: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[View], str | None]:
        """Runs, newest first, and where the next page begins."""
        ...

    def changes(
        self, opened: Callable[[], Awaitable[None]], notice: Callable[[str], None]
    ) -> AsyncGenerator[View, None]:
        """Rows of runs as they change, without an end; `opened` is called once they are heard.

        `notice` is told what a person should know meanwhile.
        """
        ...

    async def diff(self, run_id: str) -> bytes | None: ...

    async def cancel(self, run_id: str) -> None: ...

    async def answer_plan(self, run_id: str, answer: Approval) -> None: ...

    async def resume(self, run_id: str, limits: RaisedLimits) -> None: ...

    async def message(self, run_id: str, text: str) -> None: ...

    async def delete(self, run_id: str) -> None: ...
