"""The ended runs in pages: some hundred rows an entry, and one entry that says what is where.

A run's end is first an entry of its own, so that no two processes write the same one. The janitor
compacts these into pages. A page is never changed: another takes its place in the next contents.
Of those who would write the next contents one does, as of the versions of a run.
"""

import secrets
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from graph import Status
from runs.model.event_totals import EventTotals
from runs.shared.backend import Table
from runs.shared.index_row import IndexRow

_NEWEST: Final = "contents"
PAGE_ROWS: Final = 500
_CACHED: Final = 64
_KEPT: Final = 3


@dataclass(frozen=True)
class Page:
    """Rows of one stretch of run ids, by the name of their entry."""

    name: str
    first: str
    last: str
    statuses: dict[Status, int]

    @classmethod
    def of(cls, rows: list[IndexRow]) -> "Page":
        statuses = Counter[Status](row.status for row in rows)
        name = f"page/{secrets.token_hex(8)}"
        return cls(name, rows[0].run_id, rows[-1].run_id, statuses)


@dataclass(frozen=True)
class Contents:
    """The pages in order. `totals` are of all that were ever compacted, removed runs too.

    `compacted` are the keys of the entries compacted last, which may still be there; `retired`
    the pages that only readers of earlier contents look for.
    """

    version: int = 0
    pages: tuple[Page, ...] = ()
    totals: EventTotals = field(default_factory=EventTotals)
    compacted: frozenset[str] = frozenset()
    retired: tuple[str, ...] = ()

    def page_of(self, run_id: str) -> Page | None:
        """The only page that may have the run's row."""
        place = bisect_right([page.first for page in self.pages], run_id) - 1
        return self.pages[place] if place >= 0 and run_id <= self.pages[place].last else None

    def dump(self) -> dict[str, Any]:
        pages = [[each.name, each.first, each.last, each.statuses] for each in self.pages]
        return {
            "version": self.version,
            "pages": pages,
            "tally": self.totals.dump(),
            "folded": sorted(self.compacted),
            "retired": list(self.retired),
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "Contents":
        return cls(
            version=kept["version"],
            pages=tuple(Page(*each) for each in kept["pages"]),
            totals=EventTotals.load(kept["tally"]),
            compacted=frozenset(kept["folded"]),
            retired=tuple(kept["retired"]),
        )


class Pages:
    """Reads contents and pages, and compacts rows into them."""

    def __init__(self, table: Table, page_rows: int) -> None:
        self._table = table
        self._page_rows = page_rows
        self._read: OrderedDict[str, dict[str, IndexRow]] = OrderedDict()

    async def contents(self) -> Contents | None:
        """The newest; None where nothing was compacted yet, or all has gone from the table."""
        kept = await self._table.get(_NEWEST)
        while kept:
            following = await self._table.get(_entry(kept["version"] + 1))
            if not following:
                return Contents.load(kept)
            kept = following
        return None

    async def rows(self, page: Page) -> dict[str, IndexRow] | None:
        """By run, in order; None where the page is there no more."""
        if page.name not in self._read:
            kept = await self._table.get(page.name)
            if kept is None:
                return None
            self._read[page.name] = {row[0]: IndexRow(*row) for row in kept}
            if len(self._read) > _CACHED:
                self._read.popitem(last=False)
        self._read.move_to_end(page.name)
        return self._read[page.name]

    async def compact(
        self,
        contents: Contents,
        *,
        ended: Mapping[str, IndexRow],
        gone: frozenset[str],
        keys: frozenset[str],
    ) -> bool:
        """Make the next contents; False where another did.

        `ended` are new rows by key, `gone` the ids of removed runs, `keys` all that may go then.
        """
        newest: dict[str, IndexRow] = {}
        totals = contents.totals.copy()
        for row in sorted(ended.values(), key=lambda row: row.precedence):
            newest[row.run_id] = row
            totals.add(row.totals)
        pages, retired, written = await self._changed_pages(contents, newest, gone)
        following = Contents(
            version=contents.version + 1,
            pages=pages,
            totals=totals,
            compacted=keys,
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

    async def _changed_pages(
        self, contents: Contents, newest: Mapping[str, IndexRow], gone: frozenset[str]
    ) -> tuple[tuple[Page, ...], tuple[str, ...], list[str]]:
        """The next pages, those that they take the place of, and the names of the new ones."""
        pages: list[Page] = []
        retired: list[str] = []
        written: list[str] = []
        for page, rows in _rows_by_page(contents.pages, newest, gone):
            if page and not rows and not any(page.first <= each <= page.last for each in gone):
                pages.append(page)
                continue
            merged = dict(await self.rows(page) or {}) if page else {}
            for run_id, row in rows.items():
                if run_id not in merged or row.precedence > merged[run_id].precedence:
                    merged[run_id] = row
            kept = [merged[run_id] for run_id in sorted(merged) if run_id not in gone]
            for part in _split_into_pages(kept, self._page_rows):
                made = Page.of(part)
                await self._table.put(made.name, [_dump_row(row) for row in part])
                written.append(made.name)
                pages.append(made)
            if page:
                retired.append(page.name)
        return tuple(pages), tuple(retired), written


def _rows_by_page(
    pages: tuple[Page, ...], newest: Mapping[str, IndexRow], gone: frozenset[str]
) -> list[tuple[Page | None, dict[str, IndexRow]]]:
    """Each page with the rows that belong to it: those up to the next page's first."""
    rows = {run_id: newest[run_id] for run_id in sorted(newest) if run_id not in gone}
    if not pages:
        return [(None, rows)]
    shares: list[tuple[Page | None, dict[str, IndexRow]]] = [(page, {}) for page in pages]
    firsts = [page.first for page in pages]
    for run_id, row in rows.items():
        shares[max(0, bisect_right(firsts, run_id) - 1)][1][run_id] = row
    return shares


def _split_into_pages(rows: list[IndexRow], page_rows: int) -> Iterator[list[IndexRow]]:
    """Of equal size, so that one more row does not make a page of one."""
    if rows:
        size = ceil(len(rows) / max(1, len(rows) // page_rows))
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _dump_row(row: IndexRow) -> list[Any]:
    """Without its totals, which is in that of the contents."""
    return [getattr(row, name) for name in list(IndexRow.__dataclass_fields__)[:-1]]


def _entry(version: int) -> str:
    return f"{_NEWEST}/{version}"
