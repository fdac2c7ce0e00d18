"""Takes deliveries in: what may begin something is kept, and somebody is told to work it off."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from forge.triggers import read_acts
from runs.deliveries import Deliveries
from wiring.setting_groups.triggers import Autofix

_OF_AUTOFIX: Final[Mapping[str, Autofix]] = {
    "checks": "ci",
    "status": "ci",
    "pushed": "conflicts",
}
"""What is not kept where nobody wants it: a repository has many of these."""


class TriggerInbox:
    """Holds no token: it reads, keeps and wakes."""

    def __init__(
        self,
        deliveries: Deliveries,
        *,
        label: str,
        wake: Callable[[], Awaitable[None]],
        autofix: Collection[Autofix] = (),
    ) -> None:
        """`autofix`: what the service goes on with by itself."""
        self._deliveries = deliveries
        self._label = label
        self._wake = wake
        self._autofix = autofix

    async def take(self, event: str, delivery: str, body: bytes) -> None:
        """Durable when it returns; an act is kept once, however many deliveries tell of it.

        Raises InvalidRequest or StoreError.
        """
        acts = await asyncio.to_thread(read_acts, event, delivery, body, label=self._label)
        wanted = [act for act in acts if _OF_AUTOFIX.get(act.kind) in (None, *self._autofix)]
        added = [
            await self._deliveries.add(act.delivery_key, act.model_dump(mode="json"), time.time())
            for act in wanted
        ]
        if any(added):
            await self._wake()
