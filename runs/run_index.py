"""A line for each run, by which runs are found and counted without reading their records."""

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final
from zlib import crc32

from graph.values import Status
from runs.edition import Edition
from runs.ledger import Ledger
from runs.places import Places
from runs.records import FINAL
from runs.repo_name import repo_name
from runs.run_id import RUN_ID
from runs.store import RunQuery

_FRESH_S: Final = 1.0
_ARCHIVE_FRESH_S: Final = 60.0
_ROUND_S: Final = 600.0
_ROUNDS: Final = 144
"""As many as a day has."""


@dataclass(frozen=True)
class Line:
    """What runs are chosen by."""

    run_id: str
    owner: str
    status: Status
    repo: str
    queued_at: float
    updated_at: float

    @classmethod
    def of(cls, edition: Edition) -> "Line":
        run = edition.run
        return cls(
            run_id=run.run_id,
            owner=run.owner,
            status=run.status,
            repo=repo_name(run.request["repo_url"]),
            queued_at=run.queued_at,
            updated_at=run.updated_at,
        )

    def fits(self, query: RunQuery) -> bool:
        wanted = (query.owner, query.status, query.repo and repo_name(query.repo))
        has = (self.owner, self.status, self.repo)
        named = all(want is None or want == value for want, value in zip(wanted, has, strict=True))
        return named and (query.before is None or self.run_id < query.before)


class RunIndex:
    """The lines of runs that go on, and of those that have ended.

    A line follows its record: between the two it may say what was true a moment ago.
    """

    def __init__(self, places: Places, ledger: Ledger) -> None:
        self._places = places
        self._ledger = ledger
        self._live: tuple[float, list[Line]] = (0.0, [])
        self._ended: tuple[float, list[Line]] = (0.0, [])
        self._archived_at = 0.0

    async def note(self, edition: Edition, before: Edition | None = None) -> None:
        """Let the line say what the record says, where it matters."""
        line = Line.of(edition)
        if before and _same(line, Line.of(before)):
            return
        value = asdict(line)
        if edition.run.final:
            await self._places.ended.put(line.run_id, value)
            await self._places.live.pop(line.run_id)
        else:
            await self._places.live.put(line.run_id, value)
            if before and before.run.final:
                await self._places.ended.pop(line.run_id)
        self._live = self._ended = (0.0, [])

    async def remove(self, run_id: str) -> None:
        await self._places.live.pop(run_id)
        await self._places.ended.pop(run_id)
        self._live = self._ended = (0.0, [])

    async def live(self) -> list[Line]:
        """The runs that have not ended."""
        read_at, lines = self._live
        if time.monotonic() - read_at > _FRESH_S:
            lines = [Line(**value) async for _, value in self._places.live.items()]
            self._live = (time.monotonic(), lines)
        return lines

    async def all(self) -> list[Line]:
        """All runs; also those whose lines have gone from the tables."""
        live = await self.live()
        read_at, ended = self._ended
        if time.monotonic() - read_at > _FRESH_S:
            ended = [Line(**value) async for _, value in self._places.ended.items()]
            ended += await self._restored({line.run_id for line in (*live, *ended)})
            self._ended = (time.monotonic(), ended)
        known = {line.run_id for line in live}
        return [*live, *(line for line in ended if line.run_id not in known)]

    async def of_status(self, statuses: Collection[Status]) -> list[Line]:
        lines = await (self.all() if FINAL & set(statuses) else self.live())
        return [line for line in lines if line.status in statuses]

    async def refresh(self, now: float) -> None:
        """Let lines say what the records say, and keep both from expiring.

        Those of runs that go on each time, each of the others once a day.
        """
        share = int(now / _ROUND_S) % _ROUNDS
        for line in await self.all():
            if line.status in FINAL and crc32(line.run_id.encode()) % _ROUNDS != share:
                continue
            edition = await self._ledger.restore(line.run_id)
            if edition is None:
                await self.remove(line.run_id)
            else:
                await self.note(edition)

    async def _restored(self, known: Collection[str]) -> list[Line]:
        """The lines of runs that only the archive knows."""
        if time.monotonic() - self._archived_at < _ARCHIVE_FRESH_S:
            return []
        self._archived_at = time.monotonic()
        found = []
        for run_id in await self._places.archive.names("runs"):
            if RUN_ID.fullmatch(run_id) and run_id not in known:
                edition = await self._ledger.restore(run_id)
                if edition:
                    await self.note(edition)
                    found.append(Line.of(edition))
        return found


def line_order(line: Line) -> Any:
    """Runs that have waited longest come first."""
    return line.queued_at, line.run_id


def _same(one: Line, other: Line) -> bool:
    """Whether nothing has changed that runs are chosen by; when they ended or stopped is."""
    still = one.status not in FINAL and one.status != "waiting"
    return one.status == other.status and one.queued_at == other.queued_at and still
