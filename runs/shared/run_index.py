"""Which runs there are, found and counted without reading their records.

A run that goes on has a row, and so has each end of an attempt. A listing reads all rows.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from zlib import crc32

from graph import FINAL_STATUSES, Status
from runs.model.run import Run
from runs.model.run_id import RUN_ID, first_id_at, made_at
from runs.model.totals.event_totals import EventTotals
from runs.shared.backend import StorageBackend
from runs.shared.index_row import IndexRow, removal_key, removed_run_of
from runs.shared.run_version import RunVersion
from runs.shared.version_chain import VersionChain
from runs.store.outcome import Outcome
from runs.store.protocol import RunQuery

_FRESH_S: Final = 1.0
_ARCHIVE_FRESH_S: Final = 60.0
_ENTERED_S: Final = 60.0
"""A run's row comes a moment before its record."""
_AT_ONCE: Final = 50
_ROUND_S: Final = 600.0
_ROUNDS: Final = 144
"""As many as a day has."""
_NEWEST: Final = "newest"
_KEPT: Final = 3


@dataclass(frozen=True)
class RemovedTotals:
    """What the events of removed runs added up to. `keys` were counted last and may still be there.

    Of those who would write the next version one does, as of the versions of a run.
    """

    version: int = 0
    totals: EventTotals = field(default_factory=EventTotals)
    keys: frozenset[str] = frozenset()

    def dump(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "totals": self.totals.dump(),
            "keys": sorted(self.keys),
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "RemovedTotals":
        return cls(kept["version"], EventTotals.load(kept["totals"]), frozenset(kept["keys"]))


@dataclass(frozen=True)
class _EndedRuns:
    """Ends by key, the ids of removed runs, and what those added up to that are counted already."""

    ends: dict[str, IndexRow] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    removed: RemovedTotals = field(default_factory=RemovedTotals)

    @property
    def not_counted(self) -> dict[str, IndexRow]:
        return {key: row for key, row in self.ends.items() if key not in self.removed.keys}


class RunIndex:
    """The rows of runs that go on, and of those that have ended.

    A row follows its record: between the two it may say what was true a moment ago. What was read
    is answered again for `fresh_s` seconds.
    """

    def __init__(
        self, backend: StorageBackend, chain: VersionChain, *, fresh_s: float = _FRESH_S
    ) -> None:
        self._fresh_s = fresh_s
        self._backend = backend
        self._chain = chain
        self._live: tuple[float, list[IndexRow]] = (0.0, [])
        self._ended: tuple[float, _EndedRuns] = (0.0, _EndedRuns())
        self._archived_at = 0.0

    async def record(self, version: RunVersion, before: RunVersion | None = None) -> None:
        """Let the row say what the record says, where it matters."""
        row = IndexRow.of(version)
        if before and _finds_the_same(row, IndexRow.of(before)):
            return
        if row.final:
            await self._backend.ended.put(row.key, row.dump())
            await self._backend.live.pop(row.run_id)
        else:
            await self._backend.live.put(row.run_id, row.dump())
        self._forget_read()

    async def remove(self, run_id: str) -> None:
        """Its ends stay, until what they add up to is counted among removed runs."""
        await self._backend.ended.put(removal_key(run_id), {})
        await self.drop_live(run_id)

    async def drop_live(self, run_id: str) -> None:
        """Once more when the record is gone: who read that before may have put the row back."""
        await self._backend.live.pop(run_id)
        self._forget_read()

    async def live(self) -> list[IndexRow]:
        """The runs that have not ended."""
        read_at, rows = self._live
        return rows if time.monotonic() - read_at <= self._fresh_s else await self.read_live()

    async def read_live(self) -> list[IndexRow]:
        """The same as they are now."""
        rows = [IndexRow.load(value) async for _, value in self._backend.live.items()]
        self._live = (time.monotonic(), rows)
        return rows

    async def all(self) -> list[IndexRow]:
        """The row of each run, newest first."""
        live = await self.live()
        ended = await self._read_ended()
        if not ended.ends and await self._restore():
            live, ended = await self.live(), await self._read_ended()
        rows = _newest_rows((*live, *ended.not_counted.values()))
        return [rows[run_id] for run_id in sorted(rows, reverse=True) if run_id not in ended.gone]

    async def find(self, query: RunQuery) -> list[Run]:
        """The runs that a query asks for, in order."""
        if query.changed_since is not None:
            return await self._find_changed(query, query.changed_since)
        rows = (row.run_id for row in await self.all() if row.matches(query))
        found: list[Run] = []
        while some := list(islice(rows, query.limit - len(found))):
            versions = await asyncio.gather(*map(self._chain.newest, some))
            runs = [version.run for version in versions if version]
            found += [
                run
                for run in runs
                if query.status in (None, run.status) and query.pr_url in (None, run.pr_url)
            ]
        return found

    async def _find_changed(self, query: RunQuery, since: float) -> list[Run]:
        """A row of a run that goes on does not tell when that was changed; its record does."""
        rows = [row for row in await self.all() if row.matches(query)]
        versions = await asyncio.gather(*(self._chain.newest(row.run_id) for row in rows))
        runs = [version.run for version in versions if version and version.run.updated_at >= since]
        return sorted(runs, key=lambda run: run.updated_at)[: query.limit]

    async def started_since(self, since: float) -> list[IndexRow]:
        """The rows of runs that were started since then (Unix seconds)."""
        first = first_id_at(since)
        return [row for row in await self.all() if row.run_id >= first]

    async def outcomes(self, owner: str | None, since: float) -> list[Outcome]:
        """Read of the records, some at a time."""
        rows = await self.started_since(since)
        left = (row.run_id for row in rows if owner in (None, row.owner))
        found: list[Outcome] = []
        while some := list(islice(left, _AT_ONCE)):
            versions = await asyncio.gather(*map(self._chain.newest, some))
            runs = [version.run for version in versions if version]
            found += [Outcome.of(run) for run in runs if run.created_at >= since]
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    async def of_status(self, statuses: Collection[Status]) -> list[IndexRow]:
        rows = await (self.all() if FINAL_STATUSES & set(statuses) else self.live())
        return [row for row in rows if row.status in statuses]

    async def count(self) -> dict[Status, int]:
        """How many runs there are of each status."""
        return dict(Counter(row.status for row in await self.all()))

    async def totals(self) -> EventTotals:
        """What the events of all runs have added up to, of removed ones too."""
        live = await self.live()
        versions = await asyncio.gather(*(self._chain.newest(row.run_id) for row in live))
        ended = await self._read_ended()
        total = ended.removed.totals.copy()
        for row in ended.not_counted.values():
            total.add(row.totals)
        counted = {*ended.ends, *ended.removed.keys}
        for version in versions:
            if version and not (version.run.final and IndexRow.of(version).key in counted):
                total.add(version.totals)
        return total

    async def refresh(self, now: float) -> list[str]:
        """Let rows say what the records say, keep both from expiring, and count removed runs.

        Rows of runs that go on each time, each of the others once a day. Those that have ended
        with events that are in no file yet.
        """
        unfiled = []
        await self._restore()
        for row in await self.live():
            await self._renew(row)
        share = int(now / _ROUND_S) % _ROUNDS
        for row in await self.all():
            if row.final and crc32(row.run_id.encode()) % _ROUNDS == share:
                version = await self._renew(row)
                if version and version.run.final and version.tail:
                    unfiled.append(row.run_id)
        await self._count_removed()
        return unfiled

    async def _renew(self, row: IndexRow) -> RunVersion | None:
        """Correct a row that says other than its record, which is given."""
        version = await self._chain.restore(row.run_id)
        if version is None:
            if made_at(row.run_id) < time.time() - _ENTERED_S:
                await self.remove(row.run_id)
        elif (true := IndexRow.of(version)) != row:
            if true.final and true.key in (await self._read_ended()).ends:
                await self._backend.live.pop(row.run_id)
            else:
                await self.record(version)
                if await self._chain.newest(row.run_id) is None:
                    await self._drop(true)
        return version

    async def _drop(self, row: IndexRow) -> None:
        """Take back a row of a run that was removed meanwhile."""
        if row.final:
            await self._backend.ended.pop(row.key)
        await self.drop_live(row.run_id)

    async def _count_removed(self) -> None:
        """Put what removed runs added up to into one entry, and remove theirs."""
        self._forget_read()
        ended = await self._read_ended()
        gone = {each for each in ended.gone if await self._chain.newest(each) is None}
        keys = {key for key, row in ended.ends.items() if row.run_id in gone}
        keys |= {removal_key(run_id) for run_id in gone}
        if keys - ended.removed.keys:
            totals = ended.removed.totals.copy()
            for key in keys & ended.not_counted.keys():
                totals.add(ended.ends[key].totals)
            following = RemovedTotals(ended.removed.version + 1, totals, frozenset(keys))
            if not await self._backend.totals.add(_entry(following.version), following.dump()):
                return
            await self._backend.totals.put(_NEWEST, following.dump())
            await self._backend.totals.pop(_entry(following.version - _KEPT))
        await self._pop(keys)
        self._forget_read()

    async def _pop(self, keys: Collection[str]) -> None:
        """Some at a time: there may be thousands."""
        left = iter(keys)
        while some := list(islice(left, _AT_ONCE)):
            await asyncio.gather(*map(self._backend.ended.pop, some))

    async def _read_ended(self) -> _EndedRuns:
        """Read after what goes on, so that a run which ends meanwhile is seen once at least."""
        read_at, ended = self._ended
        if read_at < self._live[0] or time.monotonic() - read_at > self._fresh_s:
            read_at, ends, gone = time.monotonic(), dict[str, IndexRow](), set[str]()
            async for key, value in self._backend.ended.items():
                if run_id := removed_run_of(key):
                    gone.add(run_id)
                else:
                    ends[key] = IndexRow.load(value)
            ended = _EndedRuns(ends, frozenset(gone), await self._removed_totals())
            self._ended = (read_at, ended)
        return ended

    async def _removed_totals(self) -> RemovedTotals:
        kept = await self._backend.totals.get(_NEWEST)
        while kept and (following := await self._backend.totals.get(_entry(kept["version"] + 1))):
            kept = following
        return RemovedTotals.load(kept) if kept else RemovedTotals()

    async def _restore(self) -> bool:
        """Note the runs that only the archive knows; whether there were any."""
        if time.monotonic() - self._archived_at < _ARCHIVE_FRESH_S:
            return False
        self._archived_at = time.monotonic()
        live, ended = await self.live(), await self._read_ended()
        known = {row.run_id for row in (*live, *ended.ends.values())} | ended.gone
        found = False
        for run_id in await self._backend.archive.names("runs"):
            if not RUN_ID.fullmatch(run_id) or run_id in known:
                continue
            if version := await self._chain.restore(run_id):
                await self.record(version)
                found = True
        return found

    def _forget_read(self) -> None:
        self._live, self._ended = (0.0, []), (0.0, _EndedRuns())


def by_waiting_time(row: IndexRow) -> tuple[float, str]:
    """Runs that have waited longest come first."""
    return row.queued_at, row.run_id


def _newest_rows(rows: Iterable[IndexRow]) -> dict[str, IndexRow]:
    """The row of each run that counts."""
    found: dict[str, IndexRow] = {}
    for row in rows:
        if row.run_id not in found or row.precedence > found[row.run_id].precedence:
            found[row.run_id] = row
    return found


def _finds_the_same(one: IndexRow, other: IndexRow) -> bool:
    """Whether nothing has changed that runs are chosen by; when one stopped to wait is."""
    if one.final:
        return other.final and one.attempt == other.attempt
    moved = one.status == "waiting" or one.queued_at != other.queued_at
    return one.status == other.status and not moved


def _entry(version: int) -> str:
    return f"{_NEWEST}/{version}"
