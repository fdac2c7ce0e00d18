"""Drives one run in a process that was started for it, and looks after it meanwhile."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from graph import RunStarted
from graph.calls import acquire, settle
from graph.errors import RunNotFound, StoreError
from runs.driving.claim_run import claim_run
from runs.driving.run_driver import DriveContext, RunDriver
from runs.model import transitions
from runs.model.attempts import LeaseLost, new_lease
from runs.model.run import Lease, Run

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.5
_RENEW_S: Final = 5.0
_RETRY_S: Final = 1.0
_TELL_S: Final = 3.0
"""Shorter than a lease: who does not hear of the run keeps it from nothing."""


async def _nothing(_: Run) -> None:
    """For a run that nobody else is told of."""


class SingleRunWorker:
    """Claims a run and drives it until it ends, waits, or is another's.

    May be started any number of times for one run: one drives it. `earlier` says whether a service
    that holds the run was an earlier try of this very call, and is therefore dead. `on_look` gets
    the run as it is, every now and then while it is driven.
    """

    def __init__(
        self,
        context: DriveContext,
        started: Callable[[Run], RunStarted],
        earlier: Callable[[str], bool] = lambda _: False,
        on_look: Callable[[Run], Awaitable[None]] = _nothing,
    ) -> None:
        self._context = context
        self._store = context.store
        self._started = started
        self._earlier = earlier
        self._on_look = on_look

    async def __call__(self, run_id: str) -> None:
        claimed = await self._claim(run_id)
        if claimed is None:
            return
        run, lease = claimed
        drive = RunDriver(self._context, run, lease)
        work = asyncio.create_task(drive.run(), name=f"run {run_id}")
        try:
            await self._watch_over(drive, work)
        except asyncio.CancelledError:
            drive.stop("drained")
            await settle(work)
            raise
        try:
            await work
        except LeaseLost as error:
            log.warning("this process lost hold of its run: %s", error)

    async def _claim(self, run_id: str) -> tuple[Run, Lease] | None:
        """Take the run; wait where its last driver still tidies up, or may have died."""
        held_until = None
        while True:
            lease = new_lease(self._store.service)
            claiming = claim_run(
                self._store, run_id, lease, started=self._started, dead_services=self._find_dead
            )
            if claimed := await acquire(claiming, partial(self._release, lease)):
                return claimed, lease
            run = await self._store.get(run_id)
            if run is None or run.status not in ("queued", "running"):
                return None
            is_held = run.lease
            if held_until is not None and is_held and is_held.until > held_until:
                return None  # its driver has just said that it lives
            held_until = is_held.until if is_held and run.status == "running" else None
            await asyncio.sleep(_RETRY_S)

    def _find_dead(self, run: Run) -> frozenset[str]:
        """The service that holds the run, where that was an earlier try of this very call."""
        held = run.lease
        return frozenset({held.service} if held and self._earlier(held.service) else ())

    async def _release(self, lease: Lease, run: Run | None) -> None:
        """Let another process have what nobody drives here."""
        if run:
            step = partial(transitions.release, token=lease.token)
            await self._store.transact(run.run_id, step)

    async def _watch_over(self, drive: RunDriver, work: "asyncio.Task[None]") -> None:
        """Hold the lease, and stop the drive where the record says so.

        What the drive has written tells as much as a look, and holds the lease, too.
        """
        renewed, looked = time.monotonic(), time.monotonic()
        while not work.done():
            await asyncio.wait((work,), timeout=max(0.0, looked + _LOOK_S - time.monotonic()))
            if work.done():
                return
            try:
                looked, run = await self._look(drive, looked)
                if run is None or run.lease is None or run.lease.token != drive.token:
                    if run is None or run.lease is not None:
                        drive.stop("lost")
                elif run.cancelling:
                    drive.stop("cancelled")
                renewed = max(renewed, drive.newest[0] if drive.newest else renewed)
                if time.monotonic() - renewed >= _RENEW_S:
                    await self._renew(drive)
                    renewed = time.monotonic()
                if run:
                    async with asyncio.timeout(_TELL_S):
                        await self._on_look(run)
            except (StoreError, TimeoutError) as error:
                log.warning("cannot look after run %s: %s", drive.run_id, error)
                looked = time.monotonic()

    async def _look(self, drive: RunDriver, looked: float) -> tuple[float, Run | None]:
        """The run as it is, or was written since the look before; and since when that is known."""
        if (newest := drive.newest) and newest[0] > looked:
            return newest
        return time.monotonic(), await self._store.get(drive.run_id)

    async def _renew(self, drive: RunDriver) -> None:
        try:
            await drive.renew()
        except (LeaseLost, RunNotFound):
            drive.stop("lost")
