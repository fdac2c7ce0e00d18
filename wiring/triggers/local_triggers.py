"""Triggers of a service on this machine: it takes deliveries in and works them off itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from forge.core import Forge
from graph.errors import StoreUnavailable
from runs import RunService
from runs.deliveries import Deliveries
from runs.model import DayLimits
from runs.store import supervise
from wiring.triggers.inbox import TriggerInbox
from wiring.triggers.rules import TriggerRules
from wiring.triggers.thread import merged_of
from wiring.triggers.thread_acts import ThreadActs
from wiring.triggers.worker import TriggerWorker


class LocalTriggers:
    """An inbox that is open while `running` is."""

    def __init__(self, rules: TriggerRules, day: DayLimits, forge: Callable[[], Forge]) -> None:
        self._rules = rules
        self._day = day
        self._forge = forge
        self._inbox: TriggerInbox | None = None
        self._deliveries: Deliveries | None = None

    async def take(self, event: str, delivery: str, body: bytes) -> None:
        """Keep a delivery. Raises InvalidRequest, StoreError."""
        if self._inbox is None:
            raise StoreUnavailable("The service is stopping.")
        await self._inbox.take(event, delivery, body)

    async def merged(self, repo: str) -> frozenset[int]:
        """Numbers of the pull requests of OWNER/NAME that deliveries told to be merged."""
        return await merged_of(self._deliveries, repo) if self._deliveries else frozenset()

    @asynccontextmanager
    async def running(self, deliveries: Deliveries, runs: RunService) -> AsyncIterator[None]:
        """Work deliveries off while the block runs; what is left is worked off the next time."""
        acts = ThreadActs(deliveries, self._forge(), runs, self._rules, self._day)
        worker = TriggerWorker(deliveries, acts)
        runs.observe(worker.on_event)

        async def wake() -> None:
            worker.wake()

        rules, self._deliveries = self._rules, deliveries
        self._inbox = TriggerInbox(deliveries, label=rules.label, wake=wake, autofix=rules.autofix)
        work = asyncio.create_task(supervise("the worker of deliveries", worker.run))
        try:
            yield
        finally:
            self._inbox = self._deliveries = None
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
