"""The ended runs in pages: some hundred lines an entry, and one entry that says what is where.

A run's end is first an entry of its own, so that no two processes write the same one. The janitor
folds these into pages. A page is never changed: another takes its place in the next contents.
Of those who would write the next contents one does, as of the editions of a run.
"""

import secrets
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from graph import Status
from runs.model.event_totals import Tally
from runs.shared.backend import Table
from runs.shared.index_row import Line

_NEWEST: Final = "contents"
PAGE_LINES: Final = 500
_CACHED: Final = 64
_KEPT: Final = 3


@dataclass(frozen=True)
class Page:
    """Lines of one stretch of run ids, by the name of their entry."""

    name: str
    first: str
    last: str
    statuses: dict[Status, int]

    @classmethod
    def of(cls, lines: list[Line]) -> "Page":
        statuses = Counter[Status](line.status for line in lines)
        name = f"page/{secrets.token_hex(8)}"
        return cls(name, lines[0].run_id, lines[-1].run_id, statuses)


@dataclass(frozen=True)
class Contents:
    """The pages in order. `tally` is of all that were ever folded, removed runs too.

    `folded` are the keys of the entries that were folded last, which may still be there; `retired`
    the pages that only readers of earlier contents look for.
    """

    version: int = 0
    pages: tuple[Page, ...] = ()
    tally: Tally = field(default_factory=Tally)
    folded: frozenset[str] = frozenset()
    retired: tuple[str, ...] = ()

    def page_of(self, run_id: str) -> Page | None:
        """The only page that may have the run's line."""
        place = bisect_right([page.first for page in self.pages], run_id) - 1
        return self.pages[place] if place >= 0 and run_id <= self.pages[place].last else None

    def dump(self) -> dict[str, Any]:
        pages = [[each.name, each.first, each.last, each.statuses] for each in self.pages]
        return {
            "version": self.version,
            "pages": pages,
            "tally": self.tally.dump(),
            "folded": sorted(self.folded),
            "retired": list(self.retired),
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "Contents":
        return cls(
            version=kept["version"],
            pages=tuple(Page(*each) for each in kept["pages"]),
            tally=Tally.load(kept["tally"]),
            folded=frozenset(kept["folded"]),
            retired=tuple(kept["retired"]),
        )


class Pages:
    """Reads contents and pages, and folds lines into them."""

    def __init__(self, table: Table, page_lines: int) -> None:
        self._table = table
        self._page_lines = page_lines
        self._read: OrderedDict[str, dict[str, Line]] = OrderedDict()

    async def contents(self) -> Contents | None:
        """The newest; None where nothing was folded yet, or all has gone from the table."""
        kept = await self._table.get(_NEWEST)
        while kept:
            following = await self._table.get(_entry(kept["version"] + 1))
            if not following:
                return Contents.load(kept)
            kept = following
        return None

    async def lines(self, page: Page) -> dict[str, Line] | None:
        """By run, in order; None where the page is there no more."""
        if page.name not in self._read:
            kept = await self._table.get(page.name)
            if kept is None:
                return None
            self._read[page.name] = {line[0]: Line(*line) for line in kept}
            if len(self._read) > _CACHED:
                self._read.popitem(last=False)
        self._read.move_to_end(page.name)
        return self._read[page.name]

    async def fold(
        self,
        contents: Contents,
        *,
        ended: Mapping[str, Line],
        gone: frozenset[str],
        keys: frozenset[str],
    ) -> bool:
        """Make the next contents; False where another did.

        `ended` are new lines by key, `gone` the ids of removed runs, `keys` all that may go then.
        """
        newest: dict[str, Line] = {}
        tally = contents.tally.copy()
        for line in sorted(ended.values(), key=lambda line: line.rank):
            newest[line.run_id] = line
            tally.add(line.tally)
        pages, retired, written = await self._changed(contents, newest, gone)
        following = Contents(
            version=contents.version + 1,
            pages=pages,
            tally=tally,
            folded=keys,
            retired=retired,
        )
        if not await self._table.add(_entry(following.version), following.dump()):
            for name in written:
                await self._table.pop(name)
            return False
        await self._table.put(_NEWEST, following.dump())
        await self._table.pop(_entry(following.version - _KEPT))
        for name in contents.retired:
            await self._table.pop(name)
        return True

    async def _changed(
        self, contents: Contents, newest: Mapping[str, Line], gone: frozenset[str]
    ) -> tuple[tuple[Page, ...], tuple[str, ...], list[str]]:
        """The next pages, those that they take the place of, and the names of the new ones."""
        pages: list[Page] = []
        retired: list[str] = []
        written: list[str] = []
        for page, lines in _shares(contents.pages, newest, gone):
            if page and not lines and not any(page.first <= each <= page.last for each in gone):
                pages.append(page)
                continue
            merged = dict(await self.lines(page) or {}) if page else {}
            for run_id, line in lines.items():
                if run_id not in merged or line.rank > merged[run_id].rank:
                    merged[run_id] = line
            kept = [merged[run_id] for run_id in sorted(merged) if run_id not in gone]
            for part in _parts(kept, self._page_lines):
                made = Page.of(part)
                await self._table.put(made.name, [_row(line) for line in part])
                written.append(made.name)
                pages.append(made)
            if page:
                retired.append(page.name)
        return tuple(pages), tuple(retired), written


def _shares(
    pages: tuple[Page, ...], newest: Mapping[str, Line], gone: frozenset[str]
) -> list[tuple[Page | None, dict[str, Line]]]:
    """Each page with the lines that belong to it: those up to the next page's first."""
    lines = {run_id: newest[run_id] for run_id in sorted(newest) if run_id not in gone}
    if not pages:
        return [(None, lines)]
    shares: list[tuple[Page | None, dict[str, Line]]] = [(page, {}) for page in pages]
    firsts = [page.first for page in pages]
    for run_id, line in lines.items():
        shares[max(0, bisect_right(firsts, run_id) - 1)][1][run_id] = line
    return shares


def _parts(lines: list[Line], page_lines: int) -> Iterator[list[Line]]:
    """Of equal size, so that one more line does not make a page of one."""
    if lines:
        size = ceil(len(lines) / max(1, len(lines) // page_lines))
        yield from (lines[start : start + size] for start in range(0, len(lines), size))


def _row(line: Line) -> list[Any]:
    """Without its tally, which is in that of the contents."""
    return [getattr(line, name) for name in list(Line.__dataclass_fields__)[:-1]]


def _entry(version: int) -> str:
    return f"{_NEWEST}/{version}"
