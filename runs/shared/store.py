"""A store that any number of processes on any number of machines share, each with its own copy.

The version chain decides on a change. Events are part of the version that adds them, and of those
that follow, until the process that drives the run writes them to a file of the run: once they are
many, and when it ends or waits. It commits the file, then adds the version, then informs readers by
the tail.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from graph import RetryPolicy, Status, retry
from graph.errors import RunNotFound, StoreError, StoreUnavailable
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.log_entry import Entry
from runs.model.removed_run import RemovedRun
from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.model.totals.event_totals import EventTotals
from runs.shared.act_table import ActTable
from runs.shared.admissions import Admissions
from runs.shared.backend import Mount, StorageBackend
from runs.shared.day_ledger import DayLedger
from runs.shared.event_files import SegmentReader, SegmentWriter
from runs.shared.idempotency_keys import IdempotencyKeys
from runs.shared.live_tail import LOOK_S, TailFollower, tail_items
from runs.shared.run_index import RunIndex, by_waiting_time
from runs.shared.run_version import KeptEvent, RunVersion
from runs.shared.version_chain import VersionChain, record_path
from runs.store.act import Act, ActPlace
from runs.store.outcome import Outcome
from runs.store.protocol import Decide, IdempotencyKey, Listener, Observer, QueueState, RunQuery

log = logging.getLogger(__name__)

_TRIES: Final = 20
_FOLLOWING_POLICY: Final = RetryPolicy(attempts=4, first_s=0.2)
_FRESH_S: Final = 0.3
_OWN_FRESH_S: Final = 15.0
_ALL: Final = 1_000_000
_HELD_S: Final = 1.0
_TAIL_BYTES: Final = 32 * 1024
"""Of events in a version, which is written whole each time: a commit takes longer than that."""


class SharedStore:
    """A Store. With `mount` this process keeps the files of the runs that it drives.

    `slots` runs are driven at once by all processes together. `index` makes what finds runs.
    """

    def __init__(
        self,
        backend: StorageBackend,
        *,
        service: str,
        slots: int,
        mount: Mount | None = None,
        index: Callable[[StorageBackend, VersionChain], RunIndex] = RunIndex,
        look_s: float = LOOK_S,
    ) -> None:
        self._backend = backend
        self._service, self._slots = service, slots
        self._mount = mount
        self._chain = VersionChain(backend)
        self._idempotency = IdempotencyKeys(backend, self._chain)
        self._index = index(backend, self._chain)
        self._ledger = DayLedger(backend, self._chain, self._index, self._idempotency)
        self._admissions = Admissions(backend.keys, self._index, self._chain)
        self._acts = ActTable(backend.acts)
        self._reader = SegmentReader(backend.archive)
        self._writer = SegmentWriter(service)
        self._following = TailFollower(backend.tail, self._notify, look_s=look_s)
        self._own: dict[str, tuple[float, RunVersion]] = {}
        self._keys: dict[str, set[str]] = {}
        self._work: set[asyncio.Task[Run | None]] = set()
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []

    @property
    def service(self) -> str:
        return self._service

    async def open(self, *, picks_up: bool = False) -> None:
        """Nothing is to be made: the tables are made when they are first used."""

    async def close(self) -> None:
        if self._work:
            await asyncio.wait(self._work)
        await asyncio.gather(self._following.close(), self._chain.close())

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def watch(self, run_id: str) -> AbstractContextManager[None]:
        return self._following.watch(run_id)

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def create(
        self, run: Run, key: IdempotencyKey | None, admit: Any, day: DayLimits = NO_DAY_LIMITS
    ) -> tuple[Run, bool]:
        if key:
            run, earlier = await self._idempotency.acquire(key, run)
            if earlier:
                return earlier, False
        try:
            entries: Sequence[Entry] = await self._admissions.admit(
                run.run_id, lambda busy: tuple(admit(QueueState.of(busy, self._slots)))
            )
            run = await self._ledger.hold(run, day)
        except BaseException:
            if key:
                await self._idempotency.release(key)
            raise
        first = RunVersion(number=0, run=run).after(Step(run, tuple(entries)), set())
        first = first.with_lag(first.tail)
        await self._index.record(first)
        added = await self._chain.add(first)
        if added is None:
            return await self._get_existing(run.run_id), False
        if self._holds(added.run):
            self._own[run.run_id] = (time.monotonic(), added)
        await self._notify_readers(added, list(added.tail))
        return added.run, True

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        """A change that was begun is carried through, whoever still waits for it."""
        work = asyncio.create_task(self._transact(run_id, decide, day))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return await asyncio.shield(work)

    async def _transact(self, run_id: str, decide: Decide, day: DayLimits) -> Run | None:
        for _ in range(_TRIES):
            version = await self._latest_known(run_id)
            if version is None:
                raise RunNotFound(f"There is no run {run_id!r}.")
            step = decide(version.run)
            if step is None:
                return None
            step = replace(step, run=await self._ledger.hold(step.run, day))
            if added := await self._add(version, step):
                return added.run
            self._own.pop(run_id, None)
        raise StoreUnavailable(f"Run {run_id} is changed by others all the time.")

    async def archive_tail(self, run_id: str) -> None:
        for _ in range(_TRIES):
            version = await self._newest(run_id)
            if version is None or not version.tail:
                return
            if version.run.is_held(time.time(), frozenset()):
                await asyncio.sleep(_HELD_S)
            elif await self._add(version, Step(version.run), archive=True):
                return

    async def get(self, run_id: str) -> Run | None:
        version = await self._newest_shared(run_id)
        return version.run if version else None

    async def find(self, query: RunQuery) -> list[Run]:
        return await self._index.find(query)

    async def outcomes(self, owner: str | None, since: float) -> list[Outcome]:
        return await self._index.outcomes(owner, since)

    async def delete(self, run_id: str, by: str = "") -> None:
        version = await self._chain.newest(run_id)
        if version is None:
            return
        if by:
            await self._acts.put(Act.removal(version.run, by, time.time()))
        await self._idempotency.remember_removed(RemovedRun.of(version.run))
        await self._index.remove(run_id)
        await self._chain.remove(version)
        await asyncio.gather(self._index.drop_live(run_id), self._backend.tail.clear(run_id))
        self._own.pop(run_id, None)
        self._notify(run_id)

    async def events(
        self, run_id: str, after: int, limit: int, types: Collection[str] = ()
    ) -> list[LoggedEvent]:
        followed = self._following.get(run_id)
        if followed and not types and (is_held := followed.after(after, limit)):
            return is_held
        version = await self._newest_shared(run_id)
        if version is None or version.run.last_seq <= after:
            return []
        kept = await self._reader.events(version, after, _ALL if types else limit)
        events = [each.event for each in kept]
        if types:
            return [event for event in events if event.type in types][:limit]
        return events

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        waiting = [each for each in await self._index.live() if each.status != "waiting"]
        versions = await asyncio.gather(
            *(self._chain.newest(row.run_id) for row in sorted(waiting, key=by_waiting_time))
        )
        runs = [each.run for each in versions if each and each.run.status in ("queued", "running")]
        free = [run for run in runs if not run.is_held(now, dead_services)]
        return [run.run_id for run in free if not run.is_postponed(now)][:limit]

    async def count_runs(self) -> dict[Status, int]:
        return await self._index.count()

    async def event_totals(self) -> EventTotals:
        return await self._index.totals()

    async def queue_state(self) -> QueueState:
        busy = sum(row.status != "waiting" for row in await self._index.live())
        return QueueState.of(busy, self._slots)

    async def cancelling(self) -> list[str]:
        own = [await self.get(run_id) for run_id in list(self._own)]
        return [each.run_id for each in own if each and each.cancelling and self._holds(each)]

    async def unchanged_since(self, statuses: Collection[Status], before: float) -> list[str]:
        rows = await self._index.of_status(statuses)
        return [row.run_id for row in rows if row.updated_at < before]

    async def dead_services(self) -> frozenset[str]:
        return frozenset()

    async def attended(self) -> bool:
        return True

    async def probe(self) -> None:
        await self._backend.keys.put("probe", {"at": time.time()})

    async def forget(self, before: float) -> None:
        await asyncio.gather(self._idempotency.forget(before), self._acts.forget(before))

    async def acts(self, owner: str | None, before: ActPlace | None, limit: int) -> list[Act]:
        return await self._acts.newest(owner, before, limit)

    async def refresh(self) -> list[str]:
        """Of the runs whose last events are in no file, some: within a day, all."""
        return await self._index.refresh(time.time())

    async def _latest_known(self, run_id: str) -> RunVersion | None:
        """What the next version follows: this process's own last one, while that is new."""
        return self._find_own(run_id) or await self._chain.newest(run_id)

    def _find_own(self, run_id: str) -> RunVersion | None:
        at, own = self._own.get(run_id, (0.0, None))
        return own if own and time.monotonic() - at < _OWN_FRESH_S else None

    async def _newest_shared(self, run_id: str) -> RunVersion | None:
        """The newest version; of a watched run, one that all its watchers share for a moment."""
        followed = self._following.get(run_id)
        if followed is None:
            return await self._newest(run_id)
        async with followed.lock:
            if time.monotonic() - followed.checked > _FRESH_S:
                followed.version = await self._chain.newest(run_id)
                followed.checked = time.monotonic()
            return followed.version

    async def _newest(self, run_id: str) -> RunVersion | None:
        own = self._find_own(run_id)
        return await (self._chain.newest_after(own) if own else self._chain.newest(run_id))

    async def _add(
        self, base: RunVersion, step: Step, *, archive: bool = False
    ) -> RunVersion | None:
        """Add what follows `base`; None where it is no longer the newest."""
        run_id, opened = base.run.run_id, None
        version = base.after(step, await self._known_keys(base, step))
        new = version.tail[len(base.tail) :]
        mount = self._mount if archive or self._holds(base.run, step.run) else None
        if mount and (archive or _is_to_be_filed(base, version)):
            version, files, opened = self._writer.archive(version)
            await mount.keep({**files, record_path(run_id, self._service): version.bytes()})
        added = await self._chain.add(version.with_lag(new))
        if added is None:
            return None
        self._writer.accept(run_id, opened)
        if self._holds(base.run, added.run):
            self._own[run_id] = (time.monotonic(), added)
        if run_id in self._keys:
            self._keys[run_id].update(kept.key for kept in new if kept.key)
        row = partial(self._index.record, added, base)
        acts = partial(self._acts.add, added.run, [kept.event for kept in new])
        for follow in (row, acts):  # again by itself where it fails: the change has been made
            await retry(follow, _FOLLOWING_POLICY, on=StoreError)
        await self._notify_readers(added, list(new))
        return added

    async def _known_keys(self, base: RunVersion, step: Step) -> set[str]:
        """The keys in a run's log, where they matter: read once by who begins to drive it."""
        run_id = base.run.run_id
        if not any(entry.key for entry in step.entries):
            return set()
        if run_id not in self._keys or run_id not in self._own:
            kept = await self._reader.events(base, 0, _ALL)
            self._keys[run_id] = {each.key for each in kept if each.key}
        return self._keys[run_id]

    async def _notify_readers(self, version: RunVersion, new: list[KeptEvent]) -> None:
        """Tell the readers: those elsewhere by the tail, those here at once."""
        run_id = version.run.run_id
        if followed := self._following.get(run_id):
            followed.add([kept.event for kept in new])
            followed.version, followed.checked = version, time.monotonic()
        try:
            for item in tail_items(new):
                await self._backend.tail.put(run_id, item)
        except StoreError as error:  # readers look at the record where the tail says nothing
            log.warning("the tail of run %s is late: %s", run_id, error)
        self._notify(run_id)
        for observer in self._observers:
            for kept in new:
                observer(kept.event)

    def _holds(self, *runs: Run) -> bool:
        """Whether this process holds one of these states of a run."""
        return any(run.lease is not None and run.lease.service == self._service for run in runs)

    def _notify(self, run_id: str) -> None:
        for listener in self._listeners:
            listener(run_id)

    async def _get_existing(self, run_id: str) -> Run:
        version = await self._chain.newest(run_id)
        if version is None:
            raise RunNotFound(f"There is no run {run_id!r}.")
        return version.run


def _is_to_be_filed(base: RunVersion, version: RunVersion) -> bool:
    """Whether a version's events, and the record, come into files."""
    if version.run.status == "running":
        return version.tail_bytes > _TAIL_BYTES
    return bool(version.tail) or version.run.status != base.run.status
