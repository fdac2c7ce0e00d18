"""Files of a run's events: written by the process that drives it, read by any."""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from graph.errors import StoreDamaged
from runs.model.run_record import encode
from runs.shared.backend import Archive
from runs.shared.run_version import KeptEvent, RunVersion, Segment

_FULL: Final = 256 * 1024
_CACHED: Final = 64 * 1024 * 1024
_SHOWN_S: Final = 10.0
_PAUSE_S: Final = 0.25


def segment_path(run_id: str, name: str) -> str:
    return f"runs/{run_id}/events/{name}"


@dataclass(frozen=True)
class OpenSegment:
    """The file that this process adds to, as it was when the last version was made."""

    segment: Segment
    content: bytes


class SegmentWriter:
    """Moves the tail of a run's versions into files. No two processes write the same file."""

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._open: dict[str, OpenSegment] = {}

    def archive(
        self, version: RunVersion
    ) -> tuple[RunVersion, dict[str, bytes], OpenSegment | None]:
        """The version with its tail in a file, and that file; `settle` once it is the newest."""
        if not version.tail:
            return version, {}, None
        run_id, first, last = version.run.run_id, version.tail[0].event.seq, version.run.last_seq
        lines = "".join(f"{encode(kept.dump())}\n" for kept in version.tail).encode()
        earlier, current = version.segments, self._open.get(run_id)
        if current and earlier and earlier[-1] == current.segment and len(current.content) < _FULL:
            segment = replace(current.segment, last=last)
            opened = OpenSegment(segment, current.content + lines)
            earlier = earlier[:-1]
        else:
            segment = Segment(first, last, f"{first:08d}-{self._writer}.jsonl")
            opened = OpenSegment(segment, lines)
        files = {segment_path(run_id, segment.name): opened.content}
        return replace(version, segments=(*earlier, segment), tail=()), files, opened

    def accept(self, run_id: str, opened: OpenSegment | None) -> None:
        """What was archived has become part of the newest version."""
        if opened:
            self._open[run_id] = opened


class SegmentReader:
    """Reads files of events, and keeps those that were read last."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._kept: OrderedDict[str, tuple[list[KeptEvent], int]] = OrderedDict()
        self._size = 0

    async def events(self, version: RunVersion, after: int, limit: int) -> list[KeptEvent]:
        """Up to `limit` events of a run after number `after`."""
        found: list[KeptEvent] = []
        for segment in version.segments:
            if segment.last > after and len(found) < limit:
                events = await self._read(version.run.run_id, segment)
                found += [kept for kept in events if kept.event.seq > after]
        found += [kept for kept in version.tail if kept.event.seq > after]
        return found[:limit]

    async def _read(self, run_id: str, segment: Segment) -> list[KeptEvent]:
        path = segment_path(run_id, segment.name)
        events, _ = self._kept.get(path, ([], 0))
        waited = 0.0
        while not events or events[-1].event.seq < segment.last:
            if waited > _SHOWN_S:
                raise StoreDamaged(f"The events of run {run_id} up to {segment.last} are missing.")
            if waited:
                await asyncio.sleep(_PAUSE_S)
            waited += _PAUSE_S
            if data := await self._archive.read(path):
                events = self._load(run_id, path, data)
        self._kept.move_to_end(path)
        return events[: segment.last - segment.first + 1]

    def _load(self, run_id: str, path: str, data: bytes) -> list[KeptEvent]:
        try:
            events = [KeptEvent.load(run_id, json.loads(line)) for line in data.splitlines()]
        except (ValueError, LookupError, TypeError) as error:
            raise StoreDamaged(f"The events of run {run_id} are damaged.") from error
        self._size += len(data) - self._kept.pop(path, ([], 0))[1]
        self._kept[path] = (events, len(data))
        while self._size > _CACHED and len(self._kept) > 1:
            _, (_, size) = self._kept.popitem(last=False)
            self._size -= size
        return events
