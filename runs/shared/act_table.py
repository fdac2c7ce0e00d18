"""Acts in a table that all processes share."""

from collections.abc import Iterable
from dataclasses import asdict

from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.shared.backend import Table
from runs.store.act import ACTS_KEPT_S, Act, ActPlace


class ActTable:
    """An entry for each act. A listing reads them all."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def add(self, run: Run, events: Iterable[LoggedEvent]) -> None:
        """Keep what these events tell of."""
        for event in events:
            if act := Act.of(run, event):
                await self.put(act)

    async def put(self, act: Act) -> None:
        await self._table.put(f"{act.run_id}/{act.seq}", asdict(act))

    async def newest(self, owner: str | None, before: ActPlace | None, limit: int) -> list[Act]:
        """The newest acts on one owner's runs, or on all, below a place."""
        acts = [Act(**kept) async for _, kept in self._table.items()]
        wanted = [
            act
            for act in acts
            if owner in (None, act.owner) and (before is None or act.place < before)
        ]
        return sorted(wanted, key=lambda act: act.place, reverse=True)[:limit]

    async def forget(self, before: float) -> None:
        """Remove what was done so long before that."""
        oldest = before - ACTS_KEPT_S
        old = [key async for key, kept in self._table.items() if kept["time"] < oldest]
        for key in old:
            await self._table.pop(key)
