"""Keeps what is in the prompt cache alive while commands run for longer than it lives."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from graph import RoleTask, Usage
from graph.errors import CodingAgentError
from roles.claude.client import Claude
from roles.claude.prices import find_model
from roles.claude.reply import AttemptFailed
from roles.transcript.transcript import AssistantMessage, Transcript
from roles.turns.model_request import RequestBuilder
from roles.turns.reply_budget import FRESH_S, CachedPrompt
from roles.turns.spend_meter import SpendMeter

log = logging.getLogger(__name__)

T = TypeVar("T")

_WAIT_S: Final = 30.0
"""Of the answer to a request that asks for no reply."""


@dataclass(kw_only=True)
class CacheKeeper:
    """Asks once more for the last prompt, and for no reply, before the cache forgets it.

    That costs one reading of the prompt; without it the next request writes all of it again. It is
    done while it is cheaper: as often as readings cost less than one writing. `after_s` is how long
    after its last use a prompt is asked for. An endpoint that refuses is not asked again.
    """

    claude: Claude
    requests: RequestBuilder
    transcript: Transcript
    task: RoleTask
    meter: SpendMeter
    cached: CachedPrompt
    after_s: float = FRESH_S
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: bool = False

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work, at which the cache is as warm as at its beginning."""
        self._done.clear()
        keeping = asyncio.create_task(self._keep())
        try:
            result = await work
        except BaseException:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            raise
        self._done.set()
        await keeping
        return result

    def report(self, reply: AssistantMessage, key: str) -> None:
        """Say what was asked while the calls of a reply ran."""
        for number, usage in enumerate(reply.warmed, start=1):
            self.meter.report(f"{key}.warm{number}", self.requests.model, usage, replies=0)

    async def _keep(self) -> None:
        reply = self.transcript.messages[-1]
        assert isinstance(reply, AssistantMessage)
        key = f"{self.task.step}.{self.transcript.turn - 1}.{reply.attempt}"
        for number in range(1, self._most() + 1):
            wait_s = self.after_s - (self.cached.clock() - self.cached.used_at)
            if await self._is_done(max(wait_s, 0.0)) or not self._can_pay():
                return
            asked_at, reply.asked_at = self.cached.clock(), time.time()
            usage = await self._ask()
            if usage is None:
                return
            self.cached.used_at = asked_at
            reply.warmed.append(usage)
            self.meter.report(f"{key}.warm{number}", self.requests.model, usage, replies=0)
            await self._record()

    def _most(self) -> int:
        """How often readings cost less together than one writing."""
        model = find_model(self.requests.model)
        if self._refused or model is None or not self.cached.size:
            return 0
        rates = model.rates(self.cached.size)
        return int((rates.write_5m - rates.read) / rates.read)

    def _can_pay(self) -> bool:
        """Whether one more reading stays within the run's limits."""
        budget, spent, size = self.task.budget, self.meter.run_spend, self.cached.size
        model = find_model(self.requests.model)
        if budget.max_tokens is not None and spent.usage.tokens + size > budget.max_tokens:
            return False
        if budget.max_cost_usd is None or model is None or spent.cost_usd is None:
            return True
        return spent.cost_usd + size * model.rates(size).read / 1e6 < budget.max_cost_usd

    async def _is_done(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._done.wait()
        except TimeoutError:
            return False
        return True

    async def _ask(self) -> Usage | None:
        """What the request has cost; None where the endpoint does not take it."""
        request = self.requests.build(self.transcript.conversation[:-1], 0)
        try:
            async with asyncio.timeout(_WAIT_S):
                return await self.claude.warm_cache(request.body, request.betas)
        except (AttemptFailed, TimeoutError) as failed:
            log.info("the prompt cache is not kept: %s", failed)
            self._refused = True
            return None

    async def _record(self) -> None:
        """Keep what it cost with the reply whose calls run; where that fails, the work goes on."""
        try:
            await self.transcript.save_changed()
        except CodingAgentError as error:
            log.warning("what keeping the prompt cache has cost is not kept: %s", error)
