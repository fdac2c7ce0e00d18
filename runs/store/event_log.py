"""Reading a run's events: first what is logged, then live, until the run has ended."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.store.patience import when_available
from runs.store.protocol import Store

_PAGE: Final = 64
"""Events in memory for one reader: a slow one costs no more."""
_LAST: Final = "run.finished"
_LOOK_AGAIN_S: Final = 0.1
"""Who waits for a run's end does not look at each of its events."""


class RecentEvents:
    """The newest events of a run that somebody reads, so that its readers need not ask the store.

    The store tells of a change before it tells of the change's events: a change without any, or
    of another process, leaves `sure` False until the next event has come.
    """

    def __init__(self) -> None:
        self._events: deque[LoggedEvent] = deque(maxlen=_PAGE)
        self.is_current = False

    def add(self, event: LoggedEvent) -> None:
        """Add the next event; one of a change that is told after a later one is left out."""
        if self._events and event.seq <= self._events[-1].seq:
            return
        if self._events and event.seq != self._events[-1].seq + 1:
            self._events.clear()
        self._events.append(event)
        self.is_current = True

    def after(self, seq: int) -> list[LoggedEvent] | None:
        """All events after number `seq`; None where only the store can tell."""
        events = self._events
        if not self.is_current or not events[0].seq - 1 <= seq <= events[-1].seq:
            return None
        if seq == events[-1].seq:
            return None if events[-1].type == _LAST else []
        return [event for event in events if event.seq > seq]


class EventLog:
    """The logs of all runs of a store. Any number of readers; none keeps a writer waiting."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self._newest: WeakValueDictionary[str, RecentEvents] = WeakValueDictionary()
        self._closed = False
        store.subscribe(self._on_change)
        store.observe(self._on_event)

    def close(self) -> None:
        """End all readers, also those whose runs go on."""
        self._closed = True
        self._on_change(None)

    async def tail(self, run_id: str, after: int = 0) -> AsyncGenerator[LoggedEvent, None]:
        """The events after number `after`; ends with the run, its removal, or the log's close."""
        newest = self._newest.setdefault(run_id, RecentEvents())
        with self._store.watch(run_id):
            while not self._closed:
                change = self._change(run_id)  # before reading: what comes after it wakes
                known = newest.after(after)
                events = await self._read(run_id, after) if known is None else known
                for event in events:
                    after = event.seq
                    yield event
                if events and (len(events) >= _PAGE or events[-1].type == _LAST):
                    continue
                if events or known is not None:  # what comes later changes the run
                    await change.wait()
                    continue
                run = await self._get(run_id)
                if run is None or (run.final and after >= run.last_seq):
                    return
                if after >= run.last_seq:
                    await change.wait()

    async def wait(self, run_id: str, timeout_s: float) -> Run | None:
        """The run once it has ended or the time is over; None where there is none."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        with self._store.watch(run_id):
            while True:
                change = self._change(run_id)
                run = await self._get(run_id)
                left = end - loop.time()
                if run is None or run.final or left <= 0 or self._closed:
                    return run
                try:
                    async with asyncio.timeout(left):
                        await change.wait()
                        await asyncio.sleep(_LOOK_AGAIN_S)
                except TimeoutError:
                    continue

    async def _read(self, run_id: str, after: int) -> list[LoggedEvent]:
        read = partial(self._store.events, run_id, after, _PAGE)
        return await when_available(read, what=f"a reader of run {run_id}")

    async def _get(self, run_id: str) -> Run | None:
        return await when_available(
            partial(self._store.get, run_id), what=f"a reader of run {run_id}"
        )

    def _change(self, run_id: str) -> asyncio.Event:
        """What the next change of a run sets; shared by all who wait for it."""
        change = self._changes.get(run_id)
        if change is None:
            change = self._changes[run_id] = asyncio.Event()
        return change

    def _on_event(self, event: LoggedEvent) -> None:
        if newest := self._newest.get(event.run_id):
            newest.add(event)

    def _on_change(self, run_id: str | None) -> None:
        """Of one run, or of any, as other processes may have changed it."""
        for each in list(self._newest) if run_id is None else [run_id]:
            if newest := self._newest.get(each):
                newest.is_current = False
        for each in list(self._changes) if run_id is None else [run_id]:
            if change := self._changes.pop(each, None):
                change.set()
