"""Who is let in: one start after the other, however many processes start runs."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from graph.errors import StoreUnavailable
from runs.shared.backend import Table
from runs.shared.run_index import RunIndex
from runs.shared.version_chain import VersionChain

T = TypeVar("T")
_KEY: Final = "admission"
_TRIES: Final = 50
_RECENT_S: Final = 60.0
"""By then the row of who was let in is there."""
_KEPT: Final = 100


class Admissions:
    """A numbered entry for each start; of all who would add the next, one does.

    It names those who were let in and may have no row yet. So who adds one has counted all who were
    let in before, though their rows come a moment later.
    """

    def __init__(self, table: Table, index: RunIndex, chain: VersionChain) -> None:
        self._table = table
        self._index = index
        self._chain = chain
        self._newest: dict[str, Any] = {"number": 0, "recent": []}
        self._lock = asyncio.Lock()

    async def admit(self, run_id: str, decide: Callable[[int], T]) -> T:
        """Let a run in; `decide` is told how many there are, and may raise instead."""
        async with self._lock:
            for _ in range(_TRIES):
                latest, now = await self._latest(), time.time()
                rows = await self._index.read_live()
                entering = await self._entering(latest["recent"], {row.run_id for row in rows}, now)
                busy = sum(row.status != "waiting" for row in rows)
                decided = decide(busy + len(entering))
                number = latest["number"] + 1
                added = {"number": number, "recent": [*entering, [run_id, now]], "at": now}
                if await self._table.add(f"{_KEY}/{number}", added):
                    self._newest = added
                    await self._table.put(_KEY, added)
                    await self._table.pop(f"{_KEY}/{number - _KEPT}")
                    return decided
        raise StoreUnavailable("Others start runs all the time.")

    async def _latest(self) -> dict[str, Any]:
        kept = await self._table.get(_KEY)
        latest = max(self._newest, kept or self._newest, key=lambda each: int(each["number"]))
        while following := await self._table.get(f"{_KEY}/{latest['number'] + 1}"):
            latest = following
        return latest

    async def _entering(
        self, recent: list[list[Any]], known: set[str], now: float
    ) -> list[list[Any]]:
        """Those of `recent` that have no row yet: not those that have left it already."""
        missing = [each for each in recent if each[0] not in known and each[1] > now - _RECENT_S]
        versions = await asyncio.gather(*(self._chain.newest(run_id) for run_id, _ in missing))
        return [each for each, version in zip(missing, versions, strict=True) if version is None]
