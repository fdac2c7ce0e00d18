"""The runs that somebody in this process watches: what the live tail says of them, kept for all."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from graph.calls import end_tasks
from graph.errors import StoreError
from runs.model.run_record import LoggedEvent
from runs.shared.backend import Tail
from runs.shared.run_version import KeptEvent, RunVersion
from runs.store.supervision import is_cancelled, supervise

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
_FOLLOW_S: Final = 600.0
"""Of silence; then the tail is read from its beginning, in case that it was emptied."""
_RING: Final = 2_000
_ITEM: Final = 128 * 1024
"""Characters, and as many more as one event has; an item takes 1 MiB."""


@dataclass
class FollowedRun:
    """One run: its newest events without gaps, how many watch it, and who reads the tail."""

    watchers: int = 0
    reader: "asyncio.Task[None] | None" = None
    ring: deque[LoggedEvent] = field(default_factory=lambda: deque(maxlen=_RING))
    version: RunVersion | None = None
    checked: float = 0.0
    told: float = field(default_factory=time.monotonic)
    """When the watchers were told last."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, events: list[LoggedEvent]) -> None:
        for event in events:
            last = self.ring[-1].seq if self.ring else None
            if last is not None and event.seq > last + 1:
                self.ring.clear()
            if last is None or event.seq > last:
                self.ring.append(event)

    def after(self, after: int, limit: int) -> list[LoggedEvent]:
        """The events after number `after`, where they are all here; else none."""
        if not self.ring or not self.ring[0].seq <= after + 1 <= self.ring[-1].seq:
            return []
        start = after + 1 - self.ring[0].seq
        return [self.ring[index] for index in range(start, min(len(self.ring), start + limit))]


class TailFollower:
    """Reads the tail of each watched run once, and tells of what comes."""

    def __init__(
        self, tail: Tail, notify: Callable[[str], None], *, look_s: float = LOOK_S
    ) -> None:
        self._tail = tail
        self._look_s = look_s
        self._notify = notify
        self._runs: dict[str, FollowedRun] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def get(self, run_id: str) -> FollowedRun | None:
        return self._runs.get(run_id)

    @contextmanager
    def watch(self, run_id: str) -> Iterator[None]:
        followed = self._runs.setdefault(run_id, FollowedRun())
        followed.watchers += 1
        if followed.reader is None:
            follow = partial(self._follow, run_id, followed)
            reader = asyncio.create_task(supervise(f"the tail of run {run_id}", follow))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
            followed.reader = reader
        try:
            yield
        finally:
            followed.watchers -= 1
            if not followed.watchers:
                followed.reader.cancel()
                self._runs.pop(run_id, None)

    async def close(self) -> None:
        await end_tasks(*self._readers)

    async def _follow(self, run_id: str, followed: FollowedRun) -> None:
        """Read the tail; where it says nothing, let the watchers look at the record."""
        looking = asyncio.create_task(self._look_in_silence(run_id, followed))
        try:
            while True:
                try:
                    async with aclosing(self._tail.follow(run_id, _FOLLOW_S)) as items:
                        async for item in items:
                            followed.add(load_item(run_id, item))
                            self._let_look(run_id, followed)
                except StoreError as error:
                    if is_cancelled():  # the way to the tail ends by an error then
                        raise asyncio.CancelledError from error
                    log.warning("the tail of run %s cannot be read: %s", run_id, error)
                    await asyncio.sleep(self._look_s)
        finally:
            await end_tasks(looking)

    async def _look_in_silence(self, run_id: str, followed: FollowedRun) -> None:
        while True:
            wait = followed.told + self._look_s - time.monotonic()
            if wait <= 0:
                self._let_look(run_id, followed)
            await asyncio.sleep(max(wait, 0.0))

    def _let_look(self, run_id: str, followed: FollowedRun) -> None:
        """Have the watchers look at events and record anew."""
        followed.checked, followed.told = 0.0, time.monotonic()
        self._notify(run_id)


def tail_items(events: list[KeptEvent]) -> list[list[dict[str, Any]]]:
    """Events as items of the tail, none too large for it."""
    items: list[list[dict[str, Any]]] = []
    size = _ITEM
    for kept in events:
        if size >= _ITEM:
            items.append([])
            size = 0
        items[-1].append(kept.dump())
        size += len(str(kept.event.data))
    return items


def load_item(run_id: str, item: list[dict[str, Any]]) -> list[LoggedEvent]:
    return [KeptEvent.load(run_id, kept).event for kept in item]
