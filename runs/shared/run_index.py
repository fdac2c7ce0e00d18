"""Which runs there are, found and counted without reading their records.

What goes on has a row of its own, and so has each end of an attempt until the janitor compacts it
into a page. Reading goes from live rows over ends to pages, the way that a row takes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final
from zlib import crc32

from graph import FINAL_STATUSES, Status
from runs.model.event_totals import EventTotals
from runs.model.run import Run
from runs.model.run_id import RUN_ID, first_id_at, made_at
from runs.shared.backend import StorageBackend
from runs.shared.index_pages import PAGE_ROWS, Contents, Page, Pages
from runs.shared.index_row import IndexRow, removal_key, removed_run_of
from runs.shared.run_version import RunVersion
from runs.shared.version_chain import VersionChain
from runs.store.protocol import RunQuery

_FRESH_S: Final = 1.0
_ARCHIVE_FRESH_S: Final = 60.0
_ENTERED_S: Final = 60.0
"""A run's row comes a moment before its record."""
_AT_ONCE: Final = 50
_ROUND_S: Final = 600.0
_ROUNDS: Final = 144
"""As many as a day has."""


@dataclass(frozen=True)
class _EndedRuns:
    """What was read of ended runs: ends by key, and the pages. Rows of `runs` count, or `gone`."""

    ends: dict[str, IndexRow] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    contents: Contents | None = None

    @property
    def not_compacted(self) -> dict[str, IndexRow]:
        compacted = self.contents.compacted if self.contents else frozenset[str]()
        return {key: row for key, row in self.ends.items() if key not in compacted}


class RunIndex:
    """The rows of runs that go on, and of those that have ended.

    A row follows its record: between the two it may say what was true a moment ago. What was read
    is told again for `fresh_s`.
    """

    def __init__(
        self,
        backend: StorageBackend,
        chain: VersionChain,
        *,
        page_rows: int = PAGE_ROWS,
        fresh_s: float = _FRESH_S,
    ) -> None:
        self._fresh_s = fresh_s
        self._backend = backend
        self._chain = chain
        self._pages = Pages(backend.pages, page_rows)
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
        """Its end stays, until what it adds up to is compacted."""
        await self._backend.ended.put(removal_key(run_id), {})
        await self._backend.live.pop(run_id)
        self._forget_read()

    async def live(self) -> list[IndexRow]:
        """The runs that have not ended."""
        read_at, rows = self._live
        if time.monotonic() - read_at > self._fresh_s:
            rows = [IndexRow.load(value) async for _, value in self._backend.live.items()]
            self._live = (time.monotonic(), rows)
        return rows

    async def find(self, query: RunQuery) -> list[Run]:
        """The runs that a query asks for, newest first."""
        found: list[Run] = []
        async with aclosing(self._matching_rows(query)) as rows:
            while len(found) < query.limit:
                some = [row.run_id async for row in _take(rows, query.limit - len(found))]
                versions = await asyncio.gather(*map(self._chain.newest, some))
                runs = [version.run for version in versions if version]
                found += [run for run in runs if query.status in (None, run.status)]
                if not some:
                    break
        return found

    async def _matching_rows(self, query: RunQuery) -> AsyncGenerator[IndexRow, None]:
        """The rows that a query asks for, newest first; pages are read as far as it goes on."""
        fresh, gone, contents = await self._read_state()
        stack = sorted(
            (row for row in fresh.values() if row.matches(query)), key=lambda row: row.run_id
        )
        for page in reversed(contents.pages):
            if (query.before and page.first >= query.before) or (
                query.status and query.status not in page.statuses
            ):
                continue
            while stack and stack[-1].run_id > page.last:
                yield stack.pop()
            rows = await self._rows_of(page)
            older = [
                row
                for run_id, row in rows.items()
                if run_id not in fresh and run_id not in gone and row.matches(query)
            ]
            while stack and stack[-1].run_id >= page.first:
                older.append(stack.pop())
            for row in sorted(older, key=lambda row: row.run_id, reverse=True):
                yield row
        while stack:
            yield stack.pop()

    async def all(self) -> list[IndexRow]:
        return [row async for row in self._matching_rows(RunQuery())]

    async def started_since(self, owner: str, since: float) -> list[IndexRow]:
        """The rows of runs that `owner` started since then (Unix seconds)."""
        found = []
        async with aclosing(self._matching_rows(RunQuery(owner=owner))) as rows:
            async for row in rows:
                if row.run_id < first_id_at(since):
                    break
                found.append(row)
        return found

    async def of_status(self, statuses: Collection[Status]) -> list[IndexRow]:
        rows = await (self.all() if FINAL_STATUSES & set(statuses) else self.live())
        return [row for row in rows if row.status in statuses]

    async def count(self) -> dict[Status, int]:
        """How many runs there are of each status."""
        fresh, gone, contents = await self._read_state()
        counts = Counter(row.status for row in fresh.values())
        for page in contents.pages:
            counts.update(page.statuses)
        for run_id in {*fresh, *gone}:
            if compacted := await self._compacted_row(contents, run_id):
                counts[compacted.status] -= 1
        return {status: number for status, number in counts.items() if number > 0}

    async def totals(self) -> EventTotals:
        """What the events of all runs have added up to, of removed ones too."""
        live = await self.live()
        versions = await asyncio.gather(*(self._chain.newest(row.run_id) for row in live))
        ended_runs = await self._read_ended()
        total = (ended_runs.contents or Contents()).totals.copy()
        for row in ended_runs.not_compacted.values():
            total.add(row.totals)
        for version in versions:
            if version and not await self._is_counted(IndexRow.of(version), ended_runs):
                total.add(version.totals)
        return total

    async def refresh(self, now: float) -> None:
        """Let rows say what the records say, and keep both from expiring; compact ends into pages.

        Those of runs that go on each time, each of the others once a day.
        """
        await self._restore()
        for row in await self.live():
            await self._renew(row)
        share = int(now / _ROUND_S) % _ROUNDS
        for row in await self.all():
            if row.final and crc32(row.run_id.encode()) % _ROUNDS == share:
                await self._renew(row)
        await self._compact()

    async def _renew(self, row: IndexRow) -> None:
        """Correct a row that says other than its record."""
        version = await self._chain.restore(row.run_id)
        if version is None:
            if made_at(row.run_id) < time.time() - _ENTERED_S:
                await self.remove(row.run_id)
        elif await self._is_counted(IndexRow.of(version), await self._read_ended()):
            if not row.final:
                await self._backend.live.pop(row.run_id)
        elif IndexRow.of(version) != row:
            await self.record(version)

    async def _compact(self) -> None:
        self._forget_read()
        ended_runs = await self._read_ended()
        keys = {*ended_runs.ends, *map(removal_key, ended_runs.gone)}
        done = keys & (ended_runs.contents.compacted if ended_runs.contents else set())
        if keys - done or ended_runs.contents is None:
            gone = frozenset(
                [run_id for run_id in ended_runs.gone if await self._chain.newest(run_id) is None]
            )
            compacted = await self._pages.compact(
                ended_runs.contents or Contents(),
                ended=ended_runs.not_compacted,
                gone=gone,
                keys=frozenset(keys),
            )
            if not compacted:
                return
        await self._pop(keys)
        self._forget_read()

    async def _pop(self, keys: Collection[str]) -> None:
        """Some at a time: there may be thousands."""
        left = list(keys)
        while some := left[:_AT_ONCE]:
            await asyncio.gather(*map(self._backend.ended.pop, some))
            left = left[_AT_ONCE:]

    async def _read_state(self) -> tuple[dict[str, IndexRow], frozenset[str], Contents]:
        """The rows that stand beside the pages, or for rows in them; removed runs; the pages."""
        live = await self.live()
        ended_runs = await self._read_ended()
        if ended_runs.contents is None and await self._restore():
            live, ended_runs = await self.live(), await self._read_ended()
        fresh = _newest_rows((*live, *ended_runs.not_compacted.values()))
        contents = ended_runs.contents or Contents()
        for row in list(fresh.values()):
            compacted = await self._compacted_row(contents, row.run_id)
            if row.run_id in ended_runs.gone or (
                compacted and compacted.precedence >= row.precedence
            ):
                del fresh[row.run_id]
        return fresh, ended_runs.gone, contents

    async def _read_ended(self) -> _EndedRuns:
        """Read after what goes on, so that a run which ends meanwhile is seen once at least."""
        read_at, ended_runs = self._ended
        if read_at < self._live[0] or time.monotonic() - read_at > self._fresh_s:
            read_at, ends, gone = time.monotonic(), dict[str, IndexRow](), set[str]()
            async for key, value in self._backend.ended.items():
                if run_id := removed_run_of(key):
                    gone.add(run_id)
                else:
                    ends[key] = IndexRow.load(value)
            ended_runs = _EndedRuns(ends, frozenset(gone), await self._pages.contents())
            self._ended = (read_at, ended_runs)
        return ended_runs

    async def _rows_of(self, page: Page) -> dict[str, IndexRow]:
        """A page's rows; where it has gone, the contents are read again the next time."""
        rows = await self._pages.rows(page)
        if rows is None:
            self._forget_read()
        return rows or {}

    async def _restore(self) -> bool:
        """Note the runs that only the archive knows; whether there were any."""
        if time.monotonic() - self._archived_at < _ARCHIVE_FRESH_S:
            return False
        self._archived_at = time.monotonic()
        known = {row.run_id for row in await self.all()}
        ended_runs = await self._read_ended()
        found = False
        for run_id in await self._backend.archive.names("runs"):
            if not RUN_ID.fullmatch(run_id) or run_id in known or run_id in ended_runs.gone:
                continue
            if version := await self._chain.restore(run_id):
                counted = ended_runs.contents is not None and version.run.final
                await self.record(replace(version, totals=EventTotals()) if counted else version)
                found = True
        return found

    async def _is_counted(self, row: IndexRow, ended_runs: _EndedRuns) -> bool:
        """Whether what an end adds up to is counted among the ended."""
        if not row.final:
            return False
        contents = ended_runs.contents or Contents()
        compacted = await self._compacted_row(contents, row.run_id)
        return row.key in {*ended_runs.ends, *contents.compacted} or bool(
            compacted and compacted.precedence >= row.precedence
        )

    async def _compacted_row(self, contents: Contents, run_id: str) -> IndexRow | None:
        """The run's row in a page."""
        page = contents.page_of(run_id)
        return (await self._rows_of(page)).get(run_id) if page else None

    def _forget_read(self) -> None:
        self._live, self._ended = (0.0, []), (0.0, _EndedRuns())


async def _take(rows: AsyncIterator[IndexRow], most: int) -> AsyncIterator[IndexRow]:
    """As many as are asked for; the rest can be read on."""
    for _ in range(most):
        try:
            yield await anext(rows)
        except StopAsyncIteration:
            return


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
