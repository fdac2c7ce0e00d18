"""Takes deliveries in: what may begin something is kept, and somebody is told to work it off."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from forge.triggers import read_act
from runs.deliveries import Deliveries


class TriggerInbox:
    """Holds no token: it reads, keeps and wakes."""

    def __init__(
        self,
        deliveries: Deliveries,
        *,
        label: str,
        wake: Callable[[], Awaitable[None]],
        pushes: bool = False,
    ) -> None:
        """`pushes`: whether what a push may lead to is wanted."""
        self._deliveries = deliveries
        self._label = label
        self._wake = wake
        self._pushes = pushes

    async def take(self, event: str, delivery: str, body: bytes) -> None:
        """Durable when it returns; an act is kept once, however many deliveries tell of it.

        Raises InvalidRequest or StoreError.
        """
        act = await asyncio.to_thread(read_act, event, delivery, body, label=self._label)
        if act and act.kind == "pushed" and not self._pushes:
            return
        if act and await self._deliveries.add(act.key, act.model_dump(mode="json"), time.time()):
            await self._wake()
