"""Claims runs that are due, as slots are free, and keeps what is driven here in hand."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from graph import RunStarted
from graph.calls import uninterrupted
from graph.errors import RunNotFound, StoreError
from runs.driving.claim_run import claim_run
from runs.driving.clean_up import CleanUp
from runs.driving.run_files import RunFiles
from runs.model import transitions
from runs.model.attempts import LeaseLost, new_lease
from runs.model.operator_limits import ServiceConfig
from runs.model.run import Lease, Run
from runs.store.patience import outlast
from runs.store.protocol import Store

if TYPE_CHECKING:
    from runs.checkpoints.run_saver import Checkpoints
    from runs.driving.run_driver import Builder, RunDriver

log = logging.getLogger(__name__)

NewDriver = Callable[[Run, Lease], "RunDriver"]

_ALL: Final = 1_000_000
_ROUND_S: Final = 1.0
_RENEW_S: Final = 5.0
_STOP_S: Final = 5.0
_HELD_S: Final = 1.0
"""A claim that takes longer waits for others who hold the store."""
_LATE_S: Final = 7.0
"""Longer than a process that lives takes to renew its leases, once it can."""
_GATHER_S: Final = 0.02
"""What happens within one turn is written together, while Claude thinks."""


class LocalDispatcher:
    """The runs that this process drives. With `pick_up` it takes any due run, else only its own.

    `open_graph` gives what makes a drive: always the same, but it takes long the first time.
    """

    def __init__(
        self,
        store: Store,
        open_graph: Callable[[], NewDriver],
        *,
        slots: int,
        pick_up: bool,
        started: Callable[[Run], RunStarted],
    ) -> None:
        self._store = store
        self._open_graph = open_graph
        self._slots = slots
        self._pick_up = pick_up
        self._started = started
        self._drivers: dict[str, RunDriver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reserved: set[str] = set()
        self._begun: set[str] = set()
        """Those of the reserved that the store has: what is looked for earlier is not there."""
        self._own: set[str] = set()
        self._suspects: set[str] = set()
        self._late: dict[str, tuple[Lease, float]] = {}
        """Leases that have ended, and since when they are known as such."""
        self._woken = asyncio.Event()
        self._renewed = time.monotonic()
        self._store.subscribe(self._on_change)

    def reserve(self, run_id: str) -> Lease | None:
        """A free slot for a run that was asked for here; None where there is none."""
        if not self._pick_up:
            self._own.add(run_id)
        if not self._has_room:
            return None
        self._reserved.add(run_id)
        return new_lease(self._store.service, token="")

    @property
    def own_runs(self) -> frozenset[str]:
        """The runs that were asked for here, where this process takes no others."""
        return frozenset(self._own)

    @property
    def _has_room(self) -> bool:
        return len(self._drivers) + len(self._reserved) < self._slots

    @property
    def driven(self) -> int:
        """How many runs are driven here now."""
        return len(self._drivers)

    def release(self, run_id: str) -> None:
        """Let go of a slot that turned out not to be needed."""
        self._let_go(run_id)
        self._own.discard(run_id)

    def new_lease(self) -> Lease:
        """The lease of one drive."""
        return new_lease(self._store.service)

    def wake(self) -> None:
        """Look for due runs at once."""
        self._woken.set()

    async def is_begun(self, run_id: str) -> bool:
        return run_id in self._tasks

    async def begin(self, run_id: str, *, plans_at_once: bool = False) -> None:  # noqa: ARG002 - nothing here starts slowly
        self._begun |= self._reserved & {run_id}
        self.wake()

    def cancel(self, run_id: str) -> None:
        """Stop a run that is driven here."""
        if driver := self._drivers.get(run_id):
            driver.stop("cancelled")

    async def wait_settled(self, run_id: str) -> None:
        """Return once nothing of this process works on a run."""
        if task := self._tasks.get(run_id):
            await asyncio.wait((task,))

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self._round()
            except StoreError as error:
                self._late.clear()  # nobody else could renew a lease either
                log.warning("cannot look after runs: %s", error)
            except Exception:
                log.exception("cannot look after runs")
            try:
                async with asyncio.timeout(_ROUND_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def drain(self, within_s: float) -> None:
        """Stop all drives, between two nodes where one ends in time; their runs go on elsewhere."""
        for run_id in list(self._begun):
            await self._give_back(run_id)
        tasks = list(self._tasks.values())
        for driver in self._drivers.values():
            driver.drain()
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for driver in self._drivers.values():
            driver.stop("drained")
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_S)

    async def _give_back(self, run_id: str) -> None:
        """Let others have a run that a slot was kept for."""
        self._let_go(run_id)
        try:
            await self._store.transact(run_id, partial(transitions.release, token=""))
        except (RunNotFound, StoreError) as error:
            log.warning("run %s waits until its lease has ended: %s", run_id, error)

    async def _round(self) -> None:
        for run_id in await self._store.cancelling():
            self.cancel(run_id)
        if time.monotonic() - self._renewed >= _RENEW_S:
            held = await asyncio.gather(*map(self._renew, list(self._drivers.values())))
            if all(held):  # else again in the next round
                self._renewed = time.monotonic()
        for run_id in list(self._begun):
            await self._claim(run_id, frozenset())
        if self._has_room:
            await self._claim_due()

    async def _claim_due(self) -> None:
        """Claim runs that nobody drives, oldest first; without `pick_up` only one's own."""
        dead_services = await self._store.dead_services()
        due = await self._store.due(time.time(), dead_services, _ALL)
        mine = frozenset(due if self._pick_up else self._own) - self._reserved
        self._late = {run_id: self._late[run_id] for run_id in due if run_id in self._late}
        for run_id in filter(mine.__contains__, due):
            if await self._is_only_late(run_id, dead_services):
                continue
            if not self._has_room:  # others were asked for while the store was
                break
            self._reserved.add(run_id)
            try:
                await self._claim(run_id, dead_services)
            finally:
                self._let_go(run_id)

    async def _is_only_late(self, run_id: str, dead_services: frozenset[str]) -> bool:
        """Whether who holds a lease that has ended may live and renew it in a moment.

        So it is where the clock was set forward, where the machine slept, or where others held
        the store.
        """
        run = await self._store.get(run_id)
        lease = run.lease if run else None
        if lease is None or not lease.token:
            return False
        if lease.service == self._store.service or lease.service in dead_services:
            return False
        known, since = self._late.get(run_id, (None, 0.0))
        if known != lease:
            since = time.monotonic()
            self._late[run_id] = (lease, since)
        return time.monotonic() - since < _LATE_S

    async def _drives_suspect(self) -> bool:
        """Whether a run is driven here that may end this process: such ones are driven alone."""
        runs = [await self._store.get(run_id) for run_id in self._suspects & self._drivers.keys()]
        self._suspects = {run.run_id for run in runs if run and run.is_suspect}
        return bool(self._suspects)

    @uninterrupted
    async def _claim(self, run_id: str, dead_services: frozenset[str]) -> None:
        """Drive the run from now on if it is to be had: nobody else would drive what is claimed."""
        if run_id in self._drivers:
            return
        suspects = not await self._drives_suspect()
        new_driver, lease = await asyncio.to_thread(self._open_graph), self.new_lease()
        run = await claim_run(
            *(self._store, run_id, lease),
            started=self._started,
            dead_services=lambda _: dead_services,
            suspects=suspects,
            most_s=_HELD_S,
        )
        self._let_go(run_id)
        if run is None:
            return
        if run.is_suspect:
            self._suspects.add(run_id)
        self._start(new_driver(run, lease), run)

    def _let_go(self, run_id: str) -> None:
        self._reserved.discard(run_id)
        self._begun.discard(run_id)

    def _start(self, driver: "RunDriver", run: Run) -> None:
        task = asyncio.create_task(driver.run(), name=f"run {run.run_id}")
        self._drivers[run.run_id], self._tasks[run.run_id] = driver, task
        task.add_done_callback(partial(self._on_done, run.run_id))

    def _on_done(self, run_id: str, task: asyncio.Task[None]) -> None:
        del self._drivers[run_id], self._tasks[run_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("lost hold of run %s; it will be picked up", run_id, exc_info=error)
        self.wake()

    async def _renew(self, driver: "RunDriver") -> bool:
        """Whether the store could be asked."""
        try:
            await driver.renew()
        except (LeaseLost, RunNotFound):
            driver.stop("lost")
        except StoreError as error:
            log.warning("cannot hold run %s: %s", driver.run_id, error)
            return False
        return True

    def _on_change(self, run_id: str | None) -> None:
        if run_id is None:
            self.wake()


def make_local_dispatcher(
    store: Store,
    graph: "Callable[[], Builder] | None",
    config: ServiceConfig,
    files: RunFiles,
    clean_up: CleanUp,
    *,
    pick_up: bool,
    checkpoints: "Checkpoints | None" = None,
) -> LocalDispatcher:
    """Drives runs in this process, by `graph`; `checkpoints` are else in their folders."""
    if graph is None:
        raise ValueError("runs are driven by a graph here, or dispatched to others")

    @cache
    def open_graph() -> NewDriver:
        # LangGraph takes longer to import than all else: who drives nothing does without it.
        from runs.checkpoints.local_checkpoints import LocalCheckpoints
        from runs.driving.run_driver import DriveContext, RunDriver

        context = DriveContext(
            store=store,
            graph=graph().compile(),
            files=files,
            checkpoints=checkpoints or LocalCheckpoints(config.runs),
            limits=config.limits,
            clean_up=clean_up,
            gather_s=_GATHER_S,
            starts_at_once=True,
            hide=config.hide,
            store_policy=outlast(config.store_wait_s),
        )
        return partial(RunDriver, context)

    if pick_up:
        open_graph()
    return LocalDispatcher(
        store,
        open_graph,
        slots=config.max_concurrent,
        pick_up=pick_up,
        started=config.started,
    )
