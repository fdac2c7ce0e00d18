"""A store that any number of processes on any number of machines share, each with its own copy.

A change is decided by the ledger. The process that drives a run first brings the events into a file
of the run and commits it, then adds the edition, then tells readers by the tail; what other
processes add (a run's start, an answer, a cancellation) is part of the edition until the next who
drives the run brings it into a file.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

from graph import Status
from graph.errors import RunNotFound, StoreUnavailable
from runs.model.event_totals import Tally
from runs.model.log_entry import Entry
from runs.model.removed_run import Removed
from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.model.transitions import Step, raise_fence
from runs.shared.backend import Mount, Places
from runs.shared.event_files import SegmentReader, SegmentWriter
from runs.shared.idempotency_keys import UsedKeys
from runs.shared.live_tail import Following, items_of
from runs.shared.run_index import RunIndex, line_order
from runs.shared.run_version import Edition, KeptEvent
from runs.shared.version_chain import Ledger, record_path
from runs.store.protocol import Decide, IdempotencyKey, Listener, Observer, RunQuery

_TRIES: Final = 20
_FRESH_S: Final = 0.3
_OWN_FRESH_S: Final = 15.0
_ALL: Final = 1_000_000
_HELD_S: Final = 1.0


class SharedStore:
    """A Store. With `mount` this process keeps the files of the runs that it drives.

    `slots` runs are driven at once by all processes together. `index` makes what finds runs.
    """

    def __init__(
        self,
        places: Places,
        *,
        service: str,
        slots: int,
        mount: Mount | None = None,
        index: Callable[[Places, Ledger], RunIndex] = RunIndex,
    ) -> None:
        self._places = places
        self._service = service
        self._slots = slots
        self._mount = mount
        self._ledger = Ledger(places)
        self._used = UsedKeys(places, self._ledger)
        self._index = index(places, self._ledger)
        self._reader = SegmentReader(places.archive)
        self._writer = SegmentWriter(service)
        self._following = Following(places.tail, self._tell)
        self._own: dict[str, tuple[float, Edition]] = {}
        self._keys: dict[str, set[str]] = {}
        self._work: set[asyncio.Task[Run | None]] = set()
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []

    @property
    def service(self) -> str:
        return self._service

    async def open(self, *, picks_up: bool = False) -> None:
        """Nothing is to be made: the places are made when they are first used."""

    async def close(self) -> None:
        if self._work:
            await asyncio.wait(self._work)
        await self._following.close()

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def watch(self, run_id: str) -> AbstractContextManager[None]:
        return self._following.watch(run_id)

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def create(self, run: Run, key: IdempotencyKey | None, enter: Any) -> tuple[Run, bool]:
        if key:
            run, earlier = await self._used.take(key, run)
            if earlier:
                return earlier, False
        try:
            entries: Sequence[Entry] = tuple(enter(await self.count_queued()))
        except BaseException:
            if key:
                await self._used.give_back(key)
            raise
        first = Edition(version=0, run=run).after(Step(run, tuple(entries)), set())
        first = first.told(first.tail)
        await self._index.note(first)
        added = await self._ledger.add(first)
        if added is None:
            return await self._found(run.run_id), False
        if self._holds(added.run):
            self._own[run.run_id] = (time.monotonic(), added)
        await self._told(added, list(added.tail))
        return added.run, True

    async def transact(self, run_id: str, decide: Decide) -> Run | None:
        """A change that was begun is carried through, whoever still waits for it."""
        work = asyncio.create_task(self._transact(run_id, decide))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return await asyncio.shield(work)

    async def _transact(self, run_id: str, decide: Decide) -> Run | None:
        for _ in range(_TRIES):
            edition = await self._base(run_id)
            if edition is None:
                raise RunNotFound(f"There is no run {run_id!r}.")
            step = decide(edition.run)
            if step is None:
                return None
            if added := await self._add(edition, step):
                return added.run
            self._own.pop(run_id, None)
        raise StoreUnavailable(f"Run {run_id} is changed by others all the time.")

    async def settle(self, run_id: str) -> None:
        """Bring into files what other processes have added to a run that nobody drives."""
        for _ in range(_TRIES):
            edition = await self._ledger.newest(run_id)
            if edition is None or not edition.tail:
                return
            if edition.run.held(time.time(), frozenset()):
                await asyncio.sleep(_HELD_S)
            elif await self._add(edition, Step(edition.run), archive=True):
                return

    async def raise_fence(self, run_id: str) -> int:
        """Number one more role call of a run that this process drives. Raises LeaseLost."""
        run = await self.transact(run_id, partial(raise_fence, service=self._service))
        return run.fence if run else 0

    async def is_anothers(self, run_id: str) -> bool:
        """Whether another process drives this run now."""
        run = await self.get(run_id)
        return run is not None and not self._holds(run) and run.driven(time.time(), frozenset())

    async def get(self, run_id: str) -> Run | None:
        edition = await self._newest(run_id)
        return edition.run if edition else None

    async def find(self, query: RunQuery) -> list[Run]:
        return await self._index.find(query)

    async def delete(self, run_id: str) -> None:
        edition = await self._ledger.newest(run_id)
        if edition is None:
            return
        await self._used.keep(Removed.of(edition.run))
        await self._index.remove(run_id)
        await self._ledger.remove(edition)
        await self._places.tail.clear(run_id)
        self._own.pop(run_id, None)
        self._tell(run_id)

    async def removed_cost(self, owner: str, since: float) -> float:
        return await self._used.removed_cost(owner, since)

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        followed = self._following.get(run_id)
        if followed and not types and (held := followed.after(after, limit)):
            return held
        edition = await self._newest(run_id)
        if edition is None or edition.run.last_seq <= after:
            return []
        kept = await self._reader.events(edition, after, _ALL if types else limit)
        events = [each.event for each in kept]
        if types:
            return [event for event in events if event.type in types][:limit]
        return events

    async def due(self, now: float, gone: frozenset[str], limit: int) -> list[str]:
        waiting = [each for each in await self._index.live() if each.status != "waiting"]
        editions = await asyncio.gather(
            *(self._ledger.newest(line.run_id) for line in sorted(waiting, key=line_order))
        )
        runs = [each.run for each in editions if each and each.run.status in ("queued", "running")]
        return [run.run_id for run in runs if not run.held(now, gone)][:limit]

    async def count_runs(self) -> dict[Status, int]:
        return await self._index.count()

    async def tally(self) -> Tally:
        return await self._index.tally()

    async def count_queued(self) -> int:
        busy = [line for line in await self._index.live() if line.status != "waiting"]
        return len(busy) - self._slots

    async def cancelling(self) -> list[str]:
        own = [await self.get(run_id) for run_id in list(self._own)]
        return [each.run_id for each in own if each and each.cancelling and self._holds(each)]

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        lines = await self._index.of_status(statuses)
        return [line.run_id for line in lines if line.updated_at < before]

    async def gone(self) -> frozenset[str]:
        return frozenset()

    async def attended(self) -> bool:
        return True

    async def probe(self) -> None:
        await self._places.keys.put("probe", {"at": time.time()})

    async def forget(self, before: float) -> None:
        await self._used.forget(before)

    async def live(self) -> frozenset[str]:
        """The runs that have not ended."""
        return frozenset(line.run_id for line in await self._index.live())

    async def known(self) -> frozenset[str]:
        """All runs that have a record."""
        return frozenset(line.run_id for line in await self._index.all())

    async def refresh(self) -> None:
        """Let what runs are found by say what their records say."""
        await self._index.refresh(time.time())

    async def _base(self, run_id: str) -> Edition | None:
        """What the next edition follows: this process's own last one, while that is new."""
        at, own = self._own.get(run_id, (0.0, None))
        if own and time.monotonic() - at < _OWN_FRESH_S:
            return own
        return await self._ledger.newest(run_id)

    async def _newest(self, run_id: str) -> Edition | None:
        """The newest edition; of a watched run, one that all its watchers share for a moment."""
        followed = self._following.get(run_id)
        if followed is None:
            return await self._ledger.newest(run_id)
        async with followed.lock:
            if time.monotonic() - followed.checked > _FRESH_S:
                followed.edition = await self._ledger.newest(run_id)
                followed.checked = time.monotonic()
            return followed.edition

    async def _add(self, base: Edition, step: Step, *, archive: bool = False) -> Edition | None:
        """Add what follows `base`; None where it is no longer the newest."""
        run_id, opened = base.run.run_id, None
        edition = base.after(step, await self._known(base, step))
        new = edition.tail[len(base.tail) :]
        mount = self._mount if archive or self._holds(base.run, step.run) else None
        if mount and (edition.tail or edition.run.status != base.run.status):
            edition, files, opened = self._writer.archived(edition)
            await mount.keep({**files, record_path(run_id, self._service): edition.bytes()})
        added = await self._ledger.add(edition.told(new))
        if added is None:
            return None
        self._writer.settle(run_id, opened)
        if self._holds(added.run):
            self._own[run_id] = (time.monotonic(), added)
        self._keys.setdefault(run_id, set()).update(kept.key for kept in new if kept.key)
        await self._index.note(added, base)
        await self._told(added, list(new))
        return added

    async def _known(self, base: Edition, step: Step) -> set[str]:
        """The keys in a run's log, where they matter."""
        run_id = base.run.run_id
        if not any(entry.key for entry in step.entries):
            return set()
        if run_id not in self._keys or run_id not in self._own:
            kept = await self._reader.events(base, 0, _ALL)
            self._keys[run_id] = {each.key for each in kept if each.key}
        return self._keys[run_id]

    async def _told(self, edition: Edition, new: list[KeptEvent]) -> None:
        """Tell the readers: those elsewhere by the tail, those here at once."""
        run_id = edition.run.run_id
        if followed := self._following.get(run_id):
            followed.add([kept.event for kept in new])
            followed.edition, followed.checked = edition, time.monotonic()
        for item in items_of(new):
            await self._places.tail.put(run_id, item)
        self._tell(run_id)
        for observer in self._observers:
            for kept in new:
                observer(kept.event)

    def _holds(self, *runs: Run) -> bool:
        """Whether this process holds one of these states of a run."""
        return any(run.lease is not None and run.lease.service == self._service for run in runs)

    def _tell(self, run_id: str) -> None:
        for listener in self._listeners:
            listener(run_id)

    async def _found(self, run_id: str) -> Run:
        edition = await self._ledger.newest(run_id)
        if edition is None:
            raise RunNotFound(f"There is no run {run_id!r}.")
        return edition.run
