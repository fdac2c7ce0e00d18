"""The runs of a store as they change and are removed, for any number of readers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from graph.calls import end_tasks
from runs.model.run import Run
from runs.model.run_record import Caller, RunRecord
from runs.store.act import REMOVED, Act
from runs.store.patience import when_available
from runs.store.protocol import RunQuery, Store
from runs.store.supervision import supervise

PAUSE_S: Final = 1.0
"""Between two looks: a reader hears of a run no more often."""
_LOOK_S: Final = 5.0
"""Until the store is asked anew where nothing was heard from it, as other machines may write."""
_OVERLAP_S: Final = 30.0
"""A change becomes visible so much later than its time at most, clocks of machines included."""
_PAGE: Final = 200
_MOST_PAGES: Final = 50
"""Of acts that are looked through for removals."""


@dataclass(frozen=True)
class RemovedRow:
    """A run that somebody removed; `updated_at` is when, in Unix seconds."""

    run_id: str
    updated_at: float


FeedItem = RunRecord | RemovedRow


class FeedReader:
    """What one reader has not been given yet: the newest of each run, however slow it is."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._items: dict[str, FeedItem] = {}
        self._changed = asyncio.Event()

    def offer(self, item: FeedItem, owner: str, repo_url: str) -> None:
        """Take an item of a run that is `owner`'s, where the reader may see it."""
        if self._caller.reads(owner, repo_url):
            self._items[item.run_id] = item
            self._changed.set()

    def close(self) -> None:
        self._changed.set()

    async def take(self) -> list[FeedItem]:
        """What has changed, in order; empty when the feed is closed."""
        await self._changed.wait()
        self._changed.clear()
        items, self._items = self._items, {}
        return sorted(items.values(), key=lambda item: item.updated_at)


class RunFeed:
    """Looks at the store once for all readers, while there are any.

    `pause_s` and `look_s` are seconds: between looks, and without a word from the store.
    """

    def __init__(self, store: Store, *, pause_s: float = PAUSE_S, look_s: float = _LOOK_S) -> None:
        self._store = store
        self._pause_s = pause_s
        self._look_s = look_s
        self._readers: set[FeedReader] = set()
        self._told: dict[str, FeedItem] = {}
        self._heard: set[str | None] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        store.subscribe(self._on_change)

    async def close(self) -> None:
        """End all readers."""
        self._closed = True
        for reader in self._readers:
            reader.close()
        await self._stop()

    async def follow(
        self, caller: Caller, since: float | None = None
    ) -> AsyncGenerator[FeedItem, None]:
        """Runs that a caller may read: those changed or removed since then, then live ones.

        One that changed a moment before `since` (Unix seconds) may come again.
        """
        with self._reading(FeedReader(caller)) as reader:
            if since is not None:
                async for run in self._changed_since(since - _OVERLAP_S):
                    if caller.reads(run.owner, run.request["repo_url"]):
                        yield run.record
                for act in await self._removals_since(since - _OVERLAP_S):
                    if caller.reads(act.owner, act.repo_url):
                        yield _removed_row(act)
            while not self._closed and (items := await reader.take()):
                for item in items:
                    yield item

    @contextmanager
    def _reading(self, reader: FeedReader) -> Iterator[FeedReader]:
        if not self._readers and not self._closed:
            self._told.clear()
            self._woken.set()
            self._task = asyncio.create_task(supervise("the feed of runs", self._look_on))
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self._task:
                self._task.cancel()

    async def _stop(self) -> None:
        if self._task:
            await end_tasks(self._task)

    def _on_change(self, run_id: str | None) -> None:
        if self._readers:
            self._heard.add(run_id)
            self._woken.set()

    async def _look_on(self) -> None:
        """Tell readers what has changed, the first time what has a moment ago."""
        looked = time.time()
        self._heard.add(None)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._woken.wait()
            self._woken.clear()
            heard, self._heard = self._heard or {None}, set()
            begun, since, someone_removes = time.time(), looked - _OVERLAP_S, None in heard
            if None in heard:
                async for run in self._changed_since(since):
                    self._offer(run.record, run)
                looked = begun
            for run_id in filter(None, heard):
                if found := await self._get(run_id):
                    self._offer(found.record, found)
                else:
                    someone_removes = True
            for act in await self._removals_since(since) if someone_removes else ():
                self._offer(_removed_row(act), act)
            self._forget(begun - 2 * _OVERLAP_S)
            await asyncio.sleep(self._pause_s)

    def _offer(self, item: FeedItem, of: Run | Act) -> None:
        known = self._told.get(item.run_id)
        if known != item and not isinstance(known, RemovedRow):
            self._told[item.run_id] = item
            repo_url = of.repo_url if isinstance(of, Act) else of.request["repo_url"]
            for reader in self._readers:
                reader.offer(item, of.owner, repo_url)

    def _forget(self, before: float) -> None:
        """What is too old to be found again need not be known."""
        told = self._told.items()
        self._told = {run_id: item for run_id, item in told if item.updated_at >= before}

    async def _changed_since(self, since: float) -> AsyncGenerator[Run, None]:
        """The runs that were changed since then, oldest change first; some may come twice."""
        query = RunQuery(changed_since=since, limit=_PAGE)
        while True:
            find = partial(self._store.find, query)
            runs = await when_available(find, what="the feed of runs")
            for run in runs:
                yield run
            if len(runs) < query.limit:
                return
            last = runs[-1].updated_at
            limit = query.limit * (1 if last > since else 2)
            query, since = RunQuery(changed_since=last, limit=limit), last

    async def _removals_since(self, since: float) -> list[Act]:
        """Who removed which runs since then, oldest first; of very many the newest."""
        found: list[Act] = []
        before = None
        for _ in range(_MOST_PAGES):
            read = partial(self._store.acts, None, before, _PAGE)
            acts = await when_available(read, what="the feed of runs")
            recent = [act for act in acts if act.time >= since]
            found += [act for act in recent if act.kind == REMOVED]
            if len(recent) < _PAGE:
                break
            before = acts[-1].place
        return found[::-1]

    async def _get(self, run_id: str) -> Run | None:
        return await when_available(partial(self._store.get, run_id), what="the feed of runs")


def _removed_row(act: Act) -> RemovedRow:
    return RemovedRow(act.run_id, act.time)
