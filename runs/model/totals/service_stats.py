"""How a service stands at one moment, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph import Status
from runs.model.totals.event_totals import EventTotals


@dataclass(frozen=True)
class ServiceStats:
    """`driven` of `slots` runs are driven in this process; the rest is of the whole store."""

    runs: Mapping[Status, int]
    """How many there are of each status."""
    queued: int
    """How many wait for whichever process has a free slot."""
    driven: int
    slots: int
    readers: int
    event_totals: EventTotals | None = None
    """What all events have added up to, where the store keeps it."""
