"""Tells endpoints elsewhere what became of runs, without a run that waits for it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import httpx

from api.webhooks.notice import TOLD, Notice
from graph import RetryPolicy, name_variables, retry
from graph.errors import CodingAgentError
from runs.model import LoggedEvent, RunRecord

log = logging.getLogger(__name__)

_POLICY: Final = RetryPolicy(attempts=8, first_s=1.0, longest_s=60.0, total_s=300.0)
_TIMEOUT_S: Final = 10.0
_LEFT_S: Final = 10.0
"""For what is not told yet when the process ends."""
_MOST: Final = 1000
_PASSING: Final = frozenset((408, 425, 429))


class Endpoint(Protocol):
    """Where notices go; its address may hold a secret and is never logged."""

    @property
    def name(self) -> str: ...

    def request(self, notice: Notice) -> httpx.Request: ...


class NotTaken(Exception):
    """Raised when an endpoint did not take a notice; `passing` where it may take it later."""

    def __init__(self, why: str, *, passing: bool) -> None:
        super().__init__(why)
        self.passing = passing


class WebhookNotifier:
    """A queue for each endpoint: one that is away keeps no other waiting.

    `find` gives a run as it is now. What is not told when the process dies is not told later.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        find: Callable[[str], Awaitable[RunRecord | None]],
        *,
        retry_policy: RetryPolicy = _POLICY,
        left_s: float = _LEFT_S,
    ) -> None:
        self._queues = {each: asyncio.Queue[LoggedEvent](_MOST) for each in endpoints}
        self._find = find
        self._retry_policy = retry_policy
        self._left_s = left_s

    def on_event(self, event: LoggedEvent) -> None:
        """Take in an event that was logged; returns at once."""
        if event.type not in TOLD:
            return
        for endpoint, events in self._queues.items():
            try:
                events.put_nowait(event)
            except asyncio.QueueFull:
                log.warning(
                    "%s is not told of run %s: it is far behind", endpoint.name, event.run_id
                )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell while the block runs, and a moment longer what is left then."""
        with name_variables(CodingAgentError, httpx.InvalidURL):
            made = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
        async with made as client:
            works = [
                asyncio.create_task(self._work(client, endpoint, events))
                for endpoint, events in self._queues.items()
            ]
            try:
                yield
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._left_s):
                        await asyncio.gather(*(events.join() for events in self._queues.values()))
            finally:
                for work in works:
                    work.cancel()
                await asyncio.gather(*works, return_exceptions=True)

    async def _work(
        self, client: httpx.AsyncClient, endpoint: Endpoint, events: asyncio.Queue[LoggedEvent]
    ) -> None:
        while True:
            event = await events.get()
            try:
                await self._tell(client, endpoint, event)
            except (CodingAgentError, NotTaken) as error:
                log.warning("%s is not told of run %s: %s", endpoint.name, event.run_id, error)
            except Exception as error:  # noqa: BLE001 - the next one is to be told all the same
                # Its text and its traceback may hold the address.
                told = (endpoint.name, event.run_id, type(error).__name__)
                log.error("%s is not told of run %s: %s", *told)  # noqa: TRY400
            finally:
                events.task_done()

    async def _tell(
        self, client: httpx.AsyncClient, endpoint: Endpoint, event: LoggedEvent
    ) -> None:
        run = await self._find(event.run_id)
        notice = Notice.of(event, run) if run else None
        if notice is None:
            return
        told = notice

        async def send() -> None:
            await _send(client, endpoint.request(told))

        await retry(send, self._retry_policy, on=NotTaken, when=lambda error: error.passing)


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> None:
    """Send it once. Raises NotTaken."""
    try:
        answer = await client.send(request)
    except httpx.HTTPError as error:
        raise NotTaken(type(error).__name__, passing=True) from None
    if not answer.is_success:
        passing = answer.status_code >= 500 or answer.status_code in _PASSING
        raise NotTaken(f"it answered {answer.status_code}", passing=passing)
