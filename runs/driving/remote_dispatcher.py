"""Has runs driven elsewhere: each by a function of its own that is called when there is work."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from graph.errors import StoreError
from runs.model.run import Lease
from runs.model.transitions import LEASE_S

log = logging.getLogger(__name__)

_PAUSES_S: Final = (0.5, 2.0)


class RemoteDispatcher:
    """A Dispatch that drives nothing here. `spawn` starts what looks after one run and returns."""

    own_runs: frozenset[str] = frozenset()
    driven = 0

    def __init__(self, service: str, spawn: Callable[[str], Awaitable[None]]) -> None:
        self._service = service
        self._spawn = spawn

    def reserve(self, run_id: str) -> Lease | None:  # noqa: ARG002 - no slot is here
        return None

    def release(self, run_id: str) -> None:
        """Nothing is reserved here."""

    def new_lease(self) -> Lease:
        until = time.time() + LEASE_S
        return Lease(service=self._service, token=secrets.token_hex(8), until=until)

    async def begin(self, run_id: str) -> None:
        """Start what drives the run. A run that cannot be started now waits in the store."""
        for pause in (*_PAUSES_S, None):
            try:
                return await self._spawn(run_id)
            except StoreError as error:
                log.warning("run %s cannot be started now: %s", run_id, error)
                if pause is not None:
                    await asyncio.sleep(pause)
        return None

    def cancel(self, run_id: str) -> None:
        """Who drives the run sees it in its record."""

    async def wait_settled(self, run_id: str) -> None:
        """Nothing of this process works on a run."""

    async def run(self) -> None:
        """Nothing is to be looked after here."""

    async def drain(self, within_s: float) -> None:
        """Nothing is driven here."""
