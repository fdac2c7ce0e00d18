"""Reading a run's events: first what is logged, then live, until the run has ended."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final
from weakref import WeakValueDictionary

from runs.records import LoggedEvent
from runs.run import Run
from runs.store import Store

_PAGE: Final = 64
"""Events in memory for one reader: a slow one costs no more."""


class EventLog:
    """The logs of all runs of a store. Any number of readers; none keeps a writer waiting."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self._closed = False
        store.subscribe(self._wake)

    def close(self) -> None:
        """End all readers, also those whose runs go on."""
        self._closed = True
        self._wake(None)

    async def tail(self, run_id: str, after: int = 0) -> AsyncGenerator[LoggedEvent, None]:
        """The events after number `after`; ends with the run, its removal, or the log's close."""
        with self._store.watch(run_id):
            while not self._closed:
                change = self._change(run_id)  # before reading: what comes after it wakes
                events = await self._store.events(run_id, after, _PAGE)
                for event in events:
                    after = event.seq
                    yield event
                if events:
                    continue
                run = await self._store.get(run_id)
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
                run = await self._store.get(run_id)
                left = end - loop.time()
                if run is None or run.final or left <= 0 or self._closed:
                    return run
                try:
                    async with asyncio.timeout(left):
                        await change.wait()
                except TimeoutError:
                    continue

    def _change(self, run_id: str) -> asyncio.Event:
        """What the next change of a run sets; shared by all who wait for it."""
        change = self._changes.get(run_id)
        if change is None:
            change = self._changes[run_id] = asyncio.Event()
        return change

    def _wake(self, run_id: str | None) -> None:
        woken = list(self._changes) if run_id is None else [run_id]
        for each in woken:
            if change := self._changes.pop(each, None):
                change.set()
