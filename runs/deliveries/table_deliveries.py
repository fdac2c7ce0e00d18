"""Deliveries in a table that all functions of a deployment share; one of them works them off."""

from typing import Any, Final

from runs.deliveries.protocol import (
    FURTHEST_S,
    KEPT_S,
    LEASE_S,
    MOST_ATTEMPTS,
    THREADS_KEPT_S,
    Deliveries,
    Delivery,
)
from runs.shared import Table

_DELIVERY: Final = "delivery/"
_THREAD: Final = "thread/"


class TableDeliveries(Deliveries):
    """Entries by name. Only one process may claim: the table has no transactions."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def add(self, name: str, body: dict[str, Any], now: float) -> bool:
        entry = {"body": body, "at": now, "until": 0.0, "attempts": 0, "done": None}
        return await self._table.add(f"{_DELIVERY}{name}", entry)

    async def claim(self, now: float) -> Delivery | None:
        waiting = [
            (entry["at"], key, entry)
            async for key, entry in self._table.items()
            if key.startswith(_DELIVERY) and _waits(entry, now)
        ]
        if not waiting:
            return None
        _, key, entry = min(waiting, key=lambda each: each[:2])
        attempt = entry["attempts"] + 1
        await self._table.put(key, entry | {"until": now + LEASE_S, "attempts": attempt})
        return Delivery(key.removeprefix(_DELIVERY), entry["body"], attempt)

    async def has_work(self, now: float) -> bool:
        async for key, entry in self._table.items():
            if entry["live"] if key.startswith(_THREAD) else _waits(entry, now):
                return True
        return False

    async def postpone(self, name: str, until: float) -> None:
        await self._change(name, {"until": until})

    async def finish(self, name: str, now: float) -> None:
        await self._change(name, {"done": now, "body": {}})

    async def forget(self, now: float) -> None:
        old = [key async for key, entry in self._table.items() if _is_old(key, entry, now)]
        for key in old:
            await self._table.pop(key)

    async def thread(self, name: str) -> dict[str, Any] | None:
        entry = await self._table.get(f"{_THREAD}{name}")
        return entry["data"] if entry else None

    async def keep_thread(
        self,
        name: str,
        thread: dict[str, Any],
        now: float,
        *,
        live: bool,
        before: dict[str, Any] | None = None,
    ) -> bool:
        if await self.thread(name) != before:
            return False
        entry = {"data": thread, "live": live, "at": now}
        await self._table.put(f"{_THREAD}{name}", entry)
        return True

    async def threads_of(self, prefix: str) -> list[dict[str, Any]]:
        begin = f"{_THREAD}{prefix}"
        found = [(k, each["data"]) async for k, each in self._table.items() if k.startswith(begin)]
        return [data for _, data in sorted(found, key=lambda pair: pair[0])]

    async def live_threads(self) -> list[str]:
        names = [
            key.removeprefix(_THREAD)
            async for key, entry in self._table.items()
            if key.startswith(_THREAD) and entry["live"]
        ]
        return sorted(names)

    async def _change(self, name: str, changed: dict[str, Any]) -> None:
        if entry := await self._table.get(f"{_DELIVERY}{name}"):
            await self._table.put(f"{_DELIVERY}{name}", entry | changed)


def _is_old(key: str, entry: dict[str, Any], now: float) -> bool:
    if key.startswith(_DELIVERY):
        return bool((entry["done"] or entry["at"]) < now - KEPT_S)
    return not entry["live"] and bool(entry.get("at", 0.0) < now - THREADS_KEPT_S)


def _waits(entry: dict[str, Any], now: float) -> bool:
    postponed = 0 < entry["until"] - now <= FURTHEST_S
    return entry["done"] is None and not postponed and entry["attempts"] < MOST_ATTEMPTS
