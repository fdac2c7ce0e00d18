"""What runs hold of a day's money, where many processes start them at the same moment.

Each hold has the next number of its day, which only one can add: who was slower looks again.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from graph.errors import StoreUnavailable
from runs.model.day_budget import DayCost, DayLimits, day_began, hold_money
from runs.model.run import Run
from runs.shared.backend import StorageBackend
from runs.shared.idempotency_keys import IdempotencyKeys
from runs.shared.run_index import RunIndex
from runs.shared.version_chain import VersionChain

_TRIES: Final = 50
_ENTERING_S: Final = 60.0
"""So long a hold counts by itself: its run is being entered, and may not be found yet."""


class DayLedger:
    """The holds of all days; those of before are forgotten with the idempotency keys."""

    def __init__(
        self,
        backend: StorageBackend,
        chain: VersionChain,
        index: RunIndex,
        idempotency: IdempotencyKeys,
    ) -> None:
        self._table = backend.keys
        self._chain = chain
        self._index = index
        self._idempotency = idempotency

    async def hold(self, run: Run, day: DayLimits) -> Run:
        """The run, with no higher limit than the day has left. Raises DailyBudgetExhausted."""
        if not day:
            return run
        for _ in range(_TRIES):
            now = time.time()
            since = day_began(now)
            number = await self._newest(since)
            held = hold_money(run, await self._costs(since, number, now), day, now)
            cost = DayCost.of(held, since)
            entry: dict[str, Any] = {
                "run_id": run.run_id,
                "owner": run.owner,
                "updated_at": run.updated_at,
                "held": cost.held,
                "at": now,
            }
            with suppress(StoreUnavailable):  # what was added all the same is its own, and harmless
                if await self._table.add(_name(since, number + 1), entry):
                    return held
        raise StoreUnavailable("Too many runs are started at once to say what they may spend.")

    async def _newest(self, since: float) -> int:
        """The greatest number of the day that is taken, in steps that double and then halve."""
        number, step, growing = 0, 1, True
        while step:
            if await self._table.get(_name(since, number + step)):
                number += step
            else:
                growing = False
            step = step * 2 if growing else step // 2
        return number

    async def _costs(self, since: float, number: int, now: float) -> list[DayCost]:
        rows = await self._index.started_since(since)
        ids = {row.run_id for row in (*rows, *await self._index.live())}
        entering = await self._entering(since, number, now)
        versions = await asyncio.gather(*map(self._chain.newest, sorted(ids | set(entering))))
        runs = {version.run.run_id: version.run for version in versions if version}
        known = {
            run_id: run
            for run_id, run in runs.items()
            if run_id not in entering or run.updated_at >= entering[run_id]["updated_at"]
        }
        costs = [DayCost.of(run, since) for run in known.values()]
        for run_id, entry in entering.items():
            if run_id not in known:
                spent = DayCost.of(runs[run_id], since).spent if run_id in runs else 0.0
                costs.append(DayCost(run_id, entry["owner"], spent, entry["held"]))
        removed = await self._idempotency.removed_since(since)
        return costs + [DayCost.of_removed(run) for run in removed if run.run_id not in runs]

    async def _entering(self, since: float, number: int, now: float) -> dict[str, Any]:
        """The newest holds by their runs' ids."""
        entries: dict[str, Any] = {}
        while number:
            entry = await self._table.get(_name(since, number))
            if entry is None or entry["at"] < now - _ENTERING_S:
                break
            entries.setdefault(entry["run_id"], entry)
            number -= 1
        return entries


def _name(since: float, number: int) -> str:
    return f"day/{datetime.fromtimestamp(since, UTC):%Y-%m-%d}/{number}"
