"""Works deliveries off, and keeps the comments of threads up to date."""

import asyncio
import logging
import math
import time
from contextlib import suppress
from typing import Final

from forge.triggers import SETTLED_S, Act
from graph.errors import CodingAgentError
from runs.deliveries import LONGEST_PAUSE_S, Deliveries, Delivery
from runs.model import LoggedEvent
from wiring.triggers.thread_acts import ThreadActs

log = logging.getLogger(__name__)

_LOOK_S: Final = 60.0
"""So often a comment shows what a run at work has cost so far."""
_REDELIVER_S: Final = 3600.0
_FIRST_PAUSE_S: Final = 5.0
_SHOWN: Final = frozenset(("plan.waiting", "run.finished"))
"""What the comment tells at once; all else can wait until it is looked after again."""


class TriggerWorker:
    """One at a time is enough: an act takes a few calls, and runs are driven by others."""

    def __init__(
        self, deliveries: Deliveries, acts: ThreadActs, *, look_s: float = _LOOK_S
    ) -> None:
        self._deliveries = deliveries
        self._acts = acts
        self._look_s = look_s
        self._wanted = asyncio.Event()
        """Another round is."""
        self._arrived = False
        """Whether a delivery may wait that nobody has asked for."""
        self._redelivered_at = -math.inf
        self._next = math.inf
        """When the first of those that were postponed is due."""

    def wake(self) -> None:
        """There is something to work off."""
        self._arrived = True
        self._wanted.set()

    def on_event(self, event: LoggedEvent) -> None:
        """Show what became of a run."""
        if event.type in _SHOWN:
            self._wanted.set()

    async def run(self) -> None:
        """Work for as long as the process lives."""
        while True:
            self._wanted.clear()
            await self._redeliver()
            await self.round()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._wanted.wait()

    async def drain(self, most_s: float) -> None:
        """Work until nothing is left that is due within so many seconds. Raises StoreError."""
        await self._redeliver()
        await self.round()
        while (pause_s := self._next - time.time()) < most_s:
            await asyncio.sleep(max(pause_s, 0))
            await self.round()

    async def round(self) -> None:
        """Work off what waits, then look after the threads. Raises StoreError."""
        self._next = math.inf
        await self._work_off_all()
        for name in await self._deliveries.live_threads():
            if self._arrived:  # somebody waits for eyes, and nobody for a comment
                await self._work_off_all()
            try:
                await self._acts.show(name)
            except CodingAgentError as error:
                log.warning("the comment of %s is not up to date: %s", name, error)
        await self._deliveries.forget(time.time())

    async def _work_off_all(self) -> None:
        self._arrived = False
        while delivery := await self._deliveries.claim(time.time()):
            await self._work_off(delivery)

    async def _redeliver(self) -> None:
        """At first and every hour, ask for what was delivered while nobody took it."""
        if time.monotonic() - self._redelivered_at < _REDELIVER_S:
            return
        self._redelivered_at = time.monotonic()
        try:
            if count := await self._acts.redeliver():
                log.info("%d deliveries are asked for again", count)
        except CodingAgentError as error:
            log.warning("what was not delivered is not known: %s", error)

    async def _work_off(self, delivery: Delivery) -> None:
        """What fails or waits comes again, ever later, for two and a half hours."""
        act = Act.model_validate(delivery.body)
        settled = act.at + SETTLED_S if act.kind == "review" else 0
        if delivery.attempt == 1 and (pause_s := settled - time.time()) > 0:
            await self._show_seen(act)
            await self._postpone(delivery, min(pause_s, SETTLED_S))
            return
        try:
            done = await self._acts.work_off(act)
        except CodingAgentError as error:
            log.warning(
                "the delivery %s for %s is not worked off: %s", delivery.name, act.repo, error
            )
            done = False
        if done:
            await self._deliveries.finish(delivery.name, time.time())
        else:
            pause_s = _FIRST_PAUSE_S * 4 ** (delivery.attempt - 1)
            await self._postpone(delivery, min(pause_s, LONGEST_PAUSE_S))

    async def _show_seen(self, act: Act) -> None:
        """Show it at once where the act itself is worked off later."""
        try:
            await self._acts.show_seen(act)
        except CodingAgentError as error:
            log.warning("%s does not show what was seen: %s", act.repo, error)

    async def _postpone(self, delivery: Delivery, pause_s: float) -> None:
        self._next = min(self._next, time.time() + pause_s)
        asyncio.get_running_loop().call_later(pause_s, self.wake)
        await self._deliveries.postpone(delivery.name, time.time() + pause_s)
