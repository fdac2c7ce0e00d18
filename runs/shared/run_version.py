"""One version of a run's record, with where its events are. Plain data on the way in and out."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from runs.model.attempts import Step
from runs.model.log_entry import Entry
from runs.model.run import Run
from runs.model.run_record import LoggedEvent, encode
from runs.model.totals.event_totals import EventTotals


@dataclass(frozen=True)
class KeptEvent:
    """An event as the log keeps it, with the key that is unique in its run."""

    event: LoggedEvent
    key: str = ""

    def dump(self) -> dict[str, Any]:
        event = self.event
        return {"seq": event.seq, "time": event.time, "key": self.key, "data": event.data}

    @classmethod
    def load(cls, run_id: str, kept: dict[str, Any]) -> "KeptEvent":
        data = kept["data"]
        event = LoggedEvent(run_id, kept["seq"], kept["time"], data["type"], data)
        return cls(event, kept["key"])


@dataclass(frozen=True)
class Segment:
    """A file of events `first` to `last`; it may go on with events that do not count yet."""

    first: int
    last: int
    name: str


@dataclass(frozen=True)
class RunVersion:
    """Version `number` of a run's record, with where its events are stored.

    `segments` are the files of its events, `tail` the events after those. `entries` are the
    groups of versions whose table entries are still there: (first number, Unix seconds), each until
    the next. `totals` are of the events since the run was started, or resumed after an end.
    """

    number: int
    run: Run
    segments: tuple[Segment, ...] = ()
    tail: tuple[KeptEvent, ...] = ()
    entries: tuple[tuple[int, float], ...] = ()
    totals: EventTotals = field(default_factory=EventTotals)
    time: float = field(default_factory=time.time)

    def after(self, step: Step, known: frozenset[str] | set[str]) -> "RunVersion":
        """The next version: `step.run`, and those of its entries whose keys are not `known`."""
        run, tail = step.run, list(self.tail)
        seen = set[str]()
        totals = EventTotals() if self.run.final and not run.final else self.totals.copy()
        for entry in step.entries:
            if entry.key and (entry.key in known or entry.key in seen):
                continue
            seen.add(entry.key)
            kept = _kept(run, run.last_seq + 1, entry)
            run = run.after(entry.data, entry.time).replace(last_seq=kept.event.seq)
            tail.append(kept)
            totals.count(entry.data)
        return replace(
            self,
            number=self.number + 1,
            run=run,
            tail=tuple(tail),
            totals=totals,
            time=time.time(),
        )

    def with_lag(self, new: Iterable[KeptEvent]) -> "RunVersion":
        """The same version, with how long its `new` events took until now."""
        totals, now = self.totals.copy(), time.time()
        for kept in new:
            totals.count_lag(now - kept.event.time)
        return replace(self, totals=totals)

    def dump(self) -> dict[str, Any]:
        return {
            "version": self.number,
            "run": self.run.model_dump(mode="json"),
            "segments": [[each.first, each.last, each.name] for each in self.segments],
            "tail": [kept.dump() for kept in self.tail],
            "marks": [list(entry) for entry in self.entries],
            "tally": self.totals.dump(),
            "time": self.time,
        }

    @property
    def tail_bytes(self) -> int:
        """How large the events are that are in no file."""
        return sum(len(encode(kept.dump())) for kept in self.tail)

    def bytes(self) -> bytes:
        return json.dumps(self.dump(), separators=(",", ":")).encode()

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "RunVersion":
        run = Run.model_validate(kept["run"])
        return cls(
            number=kept["version"],
            run=run,
            segments=tuple(Segment(*each) for each in kept["segments"]),
            tail=tuple(KeptEvent.load(run.run_id, each) for each in kept["tail"]),
            entries=tuple((number, at) for number, at in kept["marks"]),
            totals=EventTotals.load(kept.get("tally", ())),
            time=kept["time"],
        )


def _kept(run: Run, seq: int, entry: Entry) -> KeptEvent:
    return KeptEvent(LoggedEvent(run.run_id, seq, entry.time, entry.type, entry.data), entry.key)
