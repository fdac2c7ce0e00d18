"""Has runs driven elsewhere: each by a function of its own that is called when there is work."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from graph import RetryPolicy, retry
from graph.errors import StoreError
from runs.model.attempts import new_lease
from runs.model.run import Lease

log = logging.getLogger(__name__)

_RETRY_POLICY: Final = RetryPolicy(attempts=3, first_s=0.7)


def _nothing(_: str) -> None:
    """Where nothing is made ready for a run."""


async def _unknown(_: str) -> bool:
    return False


class RemoteDispatcher:
    """A Dispatch that drives nothing here. `spawn` starts what looks after one run and returns.

    For a run that plans at once `begin_plan` makes ready in the background what that needs;
    `spawn` is told so. `is_started` says whether that was done for a run.
    """

    own_runs: frozenset[str] = frozenset()
    driven = 0

    def __init__(
        self,
        service: str,
        spawn: Callable[[str, bool], Awaitable[None]],
        begin_plan: Callable[[str], None] = _nothing,
        is_started: Callable[[str], Awaitable[bool]] = _unknown,
    ) -> None:
        self._service = service
        self._spawn = spawn
        self._begin_plan = begin_plan
        self._is_started = is_started

    def reserve(self, run_id: str) -> Lease | None:  # noqa: ARG002 - no slot is here
        return None

    def release(self, run_id: str) -> None:
        """Nothing is reserved here."""

    def new_lease(self) -> Lease:
        return new_lease(self._service)

    async def is_begun(self, run_id: str) -> bool:
        return await self._is_started(run_id)

    async def begin(self, run_id: str, *, plans_at_once: bool = False) -> None:
        """Start what drives the run. A run that cannot be started now waits in the store."""
        if plans_at_once:
            self._begin_plan(run_id)
        try:
            await retry(partial(self._spawn, run_id, plans_at_once), _RETRY_POLICY, on=StoreError)
        except StoreError as error:
            log.warning("run %s cannot be started now: %s", run_id, error)

    def cancel(self, run_id: str) -> None:
        """Who drives the run sees it in its record."""

    async def wait_settled(self, run_id: str) -> None:
        """Nothing of this process works on a run."""

    async def run(self) -> None:
        """Nothing is to be looked after here."""

    async def drain(self, within_s: float) -> None:
        """Nothing is driven here."""
