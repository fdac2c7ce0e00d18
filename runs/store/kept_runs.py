"""What is asked of the runs of any store."""

import math
import time
from typing import Final

from graph import FINAL_STATUSES, Status
from runs.store.protocol import Store

_LIVE: Final[frozenset[Status]] = frozenset(("queued", "running", "waiting"))


async def live_runs(store: Store) -> frozenset[str]:
    """The ids of the runs that have not ended."""
    return frozenset(await store.unchanged_since(_LIVE, math.inf))


async def known_runs(store: Store) -> frozenset[str]:
    """The ids of all runs that have a record."""
    return frozenset(await store.unchanged_since(_LIVE | FINAL_STATUSES, math.inf))


async def is_wanted(store: Store, run_id: str) -> bool:
    """Whether a run is, or will be, driven."""
    run = await store.get(run_id)
    return run is not None and run.status in ("queued", "running")


async def is_driven_elsewhere(store: Store, run_id: str) -> bool:
    """Whether another process drives this run now."""
    run = await store.get(run_id)
    if run is None or (run.lease and run.lease.service == store.service):
        return False
    return run.is_driven(time.time(), frozenset())
