"""Which runs there are, found and counted without reading their records.

What goes on has a line of its own, and so has each end of an attempt until the janitor folds it
into a page. Reading goes from live lines over ends to pages, the way that a line takes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final
from zlib import crc32

from graph import Status
from runs.model.event_totals import Tally
from runs.model.run import Run
from runs.model.run_id import RUN_ID, made_at
from runs.model.run_record import FINAL
from runs.shared.backend import Places
from runs.shared.index_pages import PAGE_LINES, Contents, Page, Pages
from runs.shared.index_row import Line, gone_key, gone_run
from runs.shared.run_version import Edition
from runs.shared.version_chain import Ledger
from runs.store.protocol import RunQuery

_FRESH_S: Final = 1.0
_ARCHIVE_FRESH_S: Final = 60.0
_ENTERED_S: Final = 60.0
"""A run's line comes a moment before its record."""
_AT_ONCE: Final = 50
_ROUND_S: Final = 600.0
_ROUNDS: Final = 144
"""As many as a day has."""


@dataclass(frozen=True)
class _Shelf:
    """What was read of ended runs: ends by key, and the pages. Lines of `runs` count, or `gone`."""

    ends: dict[str, Line] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    contents: Contents | None = None

    @property
    def unfolded(self) -> dict[str, Line]:
        folded = self.contents.folded if self.contents else frozenset[str]()
        return {key: line for key, line in self.ends.items() if key not in folded}


class RunIndex:
    """The lines of runs that go on, and of those that have ended.

    A line follows its record: between the two it may say what was true a moment ago. What was read
    is told again for `fresh_s`.
    """

    def __init__(
        self,
        places: Places,
        ledger: Ledger,
        *,
        page_lines: int = PAGE_LINES,
        fresh_s: float = _FRESH_S,
    ) -> None:
        self._fresh_s = fresh_s
        self._places = places
        self._ledger = ledger
        self._pages = Pages(places.pages, page_lines)
        self._live: tuple[float, list[Line]] = (0.0, [])
        self._shelf: tuple[float, _Shelf] = (0.0, _Shelf())
        self._archived_at = 0.0

    async def note(self, edition: Edition, before: Edition | None = None) -> None:
        """Let the line say what the record says, where it matters."""
        line = Line.of(edition)
        if before and _same(line, Line.of(before)):
            return
        if line.final:
            await self._places.ended.put(line.key, line.dump())
            await self._places.live.pop(line.run_id)
        else:
            await self._places.live.put(line.run_id, line.dump())
        self._forget()

    async def remove(self, run_id: str) -> None:
        """Its end stays, until what it adds up to is folded."""
        await self._places.ended.put(gone_key(run_id), {})
        await self._places.live.pop(run_id)
        self._forget()

    async def live(self) -> list[Line]:
        """The runs that have not ended."""
        read_at, lines = self._live
        if time.monotonic() - read_at > self._fresh_s:
            lines = [Line.load(value) async for _, value in self._places.live.items()]
            self._live = (time.monotonic(), lines)
        return lines

    async def find(self, query: RunQuery) -> list[Run]:
        """The runs that a query asks for, newest first."""
        found: list[Run] = []
        async with aclosing(self._newest(query)) as lines:
            while len(found) < query.limit:
                some = [line.run_id async for line in _first(lines, query.limit - len(found))]
                editions = await asyncio.gather(*map(self._ledger.newest, some))
                runs = [edition.run for edition in editions if edition]
                found += [run for run in runs if query.status in (None, run.status)]
                if not some:
                    break
        return found

    async def _newest(self, query: RunQuery) -> AsyncGenerator[Line, None]:
        """The lines that a query asks for, newest first; pages are read as far as it goes on."""
        fresh, gone, contents = await self._state()
        stack = sorted(
            (line for line in fresh.values() if line.fits(query)), key=lambda line: line.run_id
        )
        for page in reversed(contents.pages):
            if (query.before and page.first >= query.before) or (
                query.status and query.status not in page.statuses
            ):
                continue
            while stack and stack[-1].run_id > page.last:
                yield stack.pop()
            lines = await self._of(page)
            older = [
                line
                for run_id, line in lines.items()
                if run_id not in fresh and run_id not in gone and line.fits(query)
            ]
            while stack and stack[-1].run_id >= page.first:
                older.append(stack.pop())
            for line in sorted(older, key=lambda line: line.run_id, reverse=True):
                yield line
        while stack:
            yield stack.pop()

    async def all(self) -> list[Line]:
        return [line async for line in self._newest(RunQuery())]

    async def of_status(self, statuses: Collection[Status]) -> list[Line]:
        lines = await (self.all() if FINAL & set(statuses) else self.live())
        return [line for line in lines if line.status in statuses]

    async def count(self) -> dict[Status, int]:
        """How many runs there are of each status."""
        fresh, gone, contents = await self._state()
        counts = Counter(line.status for line in fresh.values())
        for page in contents.pages:
            counts.update(page.statuses)
        for run_id in {*fresh, *gone}:
            if folded := await self._folded(contents, run_id):
                counts[folded.status] -= 1
        return {status: number for status, number in counts.items() if number > 0}

    async def tally(self) -> Tally:
        """What the events of all runs have added up to, of removed ones too."""
        live = await self.live()
        editions = await asyncio.gather(*(self._ledger.newest(line.run_id) for line in live))
        shelf = await self._ended()
        total = (shelf.contents or Contents()).tally.copy()
        for line in shelf.unfolded.values():
            total.add(line.tally)
        for edition in editions:
            if edition and not await self._is_shelved(Line.of(edition), shelf):
                total.add(edition.tally)
        return total

    async def refresh(self, now: float) -> None:
        """Let lines say what the records say, and keep both from expiring; fold ends into pages.

        Those of runs that go on each time, each of the others once a day.
        """
        await self._restore()
        for line in await self.live():
            await self._renew(line)
        share = int(now / _ROUND_S) % _ROUNDS
        for line in await self.all():
            if line.final and crc32(line.run_id.encode()) % _ROUNDS == share:
                await self._renew(line)
        await self._fold()

    async def _renew(self, line: Line) -> None:
        """Mend a line that says other than its record."""
        edition = await self._ledger.restore(line.run_id)
        if edition is None:
            if made_at(line.run_id) < time.time() - _ENTERED_S:
                await self.remove(line.run_id)
        elif await self._is_shelved(Line.of(edition), await self._ended()):
            if not line.final:
                await self._places.live.pop(line.run_id)
        elif Line.of(edition) != line:
            await self.note(edition)

    async def _fold(self) -> None:
        self._forget()
        shelf = await self._ended()
        keys = {*shelf.ends, *map(gone_key, shelf.gone)}
        done = keys & (shelf.contents.folded if shelf.contents else set())
        if keys - done or shelf.contents is None:
            gone = frozenset(
                [run_id for run_id in shelf.gone if await self._ledger.newest(run_id) is None]
            )
            folded = await self._pages.fold(
                shelf.contents or Contents(),
                ended=shelf.unfolded,
                gone=gone,
                keys=frozenset(keys),
            )
            if not folded:
                return
        await self._pop(keys)
        self._forget()

    async def _pop(self, keys: Collection[str]) -> None:
        """Some at a time: there may be thousands."""
        left = list(keys)
        while some := left[:_AT_ONCE]:
            await asyncio.gather(*map(self._places.ended.pop, some))
            left = left[_AT_ONCE:]

    async def _state(self) -> tuple[dict[str, Line], frozenset[str], Contents]:
        """The lines that stand beside the pages, or for lines in them; removed runs; the pages."""
        live = await self.live()
        shelf = await self._ended()
        if shelf.contents is None and await self._restore():
            live, shelf = await self.live(), await self._ended()
        fresh = _counting((*live, *shelf.unfolded.values()))
        contents = shelf.contents or Contents()
        for line in list(fresh.values()):
            folded = await self._folded(contents, line.run_id)
            if line.run_id in shelf.gone or (folded and folded.rank >= line.rank):
                del fresh[line.run_id]
        return fresh, shelf.gone, contents

    async def _ended(self) -> _Shelf:
        """Read after what goes on, so that a run which ends meanwhile is seen once at least."""
        read_at, shelf = self._shelf
        if read_at < self._live[0] or time.monotonic() - read_at > self._fresh_s:
            read_at, ends, gone = time.monotonic(), dict[str, Line](), set[str]()
            async for key, value in self._places.ended.items():
                if run_id := gone_run(key):
                    gone.add(run_id)
                else:
                    ends[key] = Line.load(value)
            shelf = _Shelf(ends, frozenset(gone), await self._pages.contents())
            self._shelf = (read_at, shelf)
        return shelf

    async def _of(self, page: Page) -> dict[str, Line]:
        """A page's lines; where it has gone, the contents are read again the next time."""
        lines = await self._pages.lines(page)
        if lines is None:
            self._forget()
        return lines or {}

    async def _restore(self) -> bool:
        """Note the runs that only the archive knows; whether there were any."""
        if time.monotonic() - self._archived_at < _ARCHIVE_FRESH_S:
            return False
        self._archived_at = time.monotonic()
        known = {line.run_id for line in await self.all()}
        shelf = await self._ended()
        found = False
        for run_id in await self._places.archive.names("runs"):
            if not RUN_ID.fullmatch(run_id) or run_id in known or run_id in shelf.gone:
                continue
            if edition := await self._ledger.restore(run_id):
                counted = shelf.contents is not None and edition.run.final
                await self.note(replace(edition, tally=Tally()) if counted else edition)
                found = True
        return found

    async def _is_shelved(self, line: Line, shelf: _Shelf) -> bool:
        """Whether what an end adds up to is counted among the ended."""
        if not line.final:
            return False
        contents = shelf.contents or Contents()
        folded = await self._folded(contents, line.run_id)
        return line.key in {*shelf.ends, *contents.folded} or bool(
            folded and folded.rank >= line.rank
        )

    async def _folded(self, contents: Contents, run_id: str) -> Line | None:
        """The run's line in a page."""
        page = contents.page_of(run_id)
        return (await self._of(page)).get(run_id) if page else None

    def _forget(self) -> None:
        self._live, self._shelf = (0.0, []), (0.0, _Shelf())


async def _first(lines: AsyncIterator[Line], most: int) -> AsyncIterator[Line]:
    """As many as are asked for; the rest can be read on."""
    for _ in range(most):
        try:
            yield await anext(lines)
        except StopAsyncIteration:
            return


def line_order(line: Line) -> tuple[float, str]:
    """Runs that have waited longest come first."""
    return line.queued_at, line.run_id


def _counting(lines: Iterable[Line]) -> dict[str, Line]:
    """The line of each run that counts."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.run_id not in found or line.rank > found[line.run_id].rank:
            found[line.run_id] = line
    return found


def _same(one: Line, other: Line) -> bool:
    """Whether nothing has changed that runs are chosen by; when one stopped to wait is."""
    if one.final:
        return other.final and one.attempt == other.attempt
    moved = one.status == "waiting" or one.queued_at != other.queued_at
    return one.status == other.status and not moved
