"""Containers of roles that are started before the role is called, so that nobody waits for them."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from graph import RoleName
from graph.calls import end_tasks
from runs.remote_roles import Play
from sandbox.tree import PLAN_TREES

log = logging.getLogger(__name__)

_BEGUN_WITHIN_S: Final = 30.0
"""What was begun for a run is used or gone by then: the run may have been tried before."""
NO_TASK: Final[dict[str, object]] = {}
"""Of a call that does nothing: it ends once its container is up."""


class RoleStarts:
    """The starts that one run began. One that fails is made when the role is called."""

    def __init__(
        self, play: Callable[[RoleName], Play], begun_elsewhere: Collection[RoleName] = ()
    ) -> None:
        self._play = play
        self._begun_elsewhere = begun_elsewhere
        self._begun = set[asyncio.Task[None]]()

    def begin(self, role: RoleName) -> None:
        """Start a container in the background, where none is up."""
        if role in self._begun_elsewhere:
            return
        starting = asyncio.create_task(self._start(role))
        self._begun.add(starting)
        starting.add_done_callback(self._begun.discard)

    async def close(self) -> None:
        """Wait for none any more."""
        await end_tasks(*self._begun)

    async def _start(self, role: RoleName) -> None:
        try:
            async for _ in self._play(role)({**NO_TASK}):
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the role's own call meets it
            log.info("no container of the %s is started ahead: %r", role, error)


def begun_with(begun_at: float) -> tuple[tuple[str, ...], tuple[RoleName, ...]]:
    """The trees and the roles that who entered a run has begun just now."""
    is_new = abs(time.time() - begun_at) < _BEGUN_WITHIN_S
    return (PLAN_TREES, ("planner",)) if is_new else ((), ())
