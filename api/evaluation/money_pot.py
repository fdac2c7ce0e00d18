"""The money of a whole evaluation, shared by runs that are at work at once."""

import asyncio


class MoneyPot:
    """US dollars that runs take out before they begin, and put the rest of back.

    `limit_usd` None: no limit. `per_run_usd` is the most that one run may spend, 0: no limit.
    """

    def __init__(
        self, *, limit_usd: float | None, per_run_usd: float, spent_usd: float = 0.0
    ) -> None:
        self._limit = limit_usd
        self._per_run = per_run_usd
        self._spent = spent_usd
        self._held = 0.0
        self._settled = asyncio.Condition()

    async def take(self) -> float | None:
        """What a run may spend, 0: no limit. None where all is spent.

        Where others hold the rest, it waits for what they put back.
        """
        if self._limit is None:
            return self._per_run
        async with self._settled:
            while (left := self._limit - self._spent - self._held) <= 0:
                if self._held <= 0:
                    return None
                await self._settled.wait()
            share = min(left, self._per_run) if self._per_run else left
            self._held += share
            return share

    async def settle(self, share: float, cost: float | None) -> None:
        """Put back what is left of a share; a run of unknown cost has spent it all."""
        if self._limit is None:
            return
        async with self._settled:
            self._held = max(0.0, self._held - share)
            self._spent += share if cost is None else cost
            self._settled.notify_all()
