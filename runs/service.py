"""The life of runs, for all who start, watch and steer them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from graph import Approval, EventBase, Limits, RequestRules, RunRequest
from graph.calls import uninterrupted
from graph.errors import StoreError, TooManyRuns
from runs.driving.clean_up import CleanUp
from runs.driving.local_dispatcher import make_local_dispatcher
from runs.driving.protocol import Dispatcher
from runs.driving.run_files import RunFiles
from runs.janitor import Janitor
from runs.model import transitions
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.log_entry import Entry, entry, hide_secrets
from runs.model.operator_limits import NO_RAISE, RaisedLimits, ServiceConfig, digest_of
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.model.run_record import Caller, RunRecord
from runs.model.totals.service_stats import ServiceStats
from runs.model.transitions import Admission
from runs.reader import RunReader
from runs.store.protocol import IdempotencyKey, Observer, QueueState, Store
from runs.store.supervision import supervise

if TYPE_CHECKING:
    from runs.checkpoints import Checkpoints
    from runs.driving.run_driver import Builder

__all__ = ["RunService", "ServiceConfig"]

_ALL: Final = 1_000_000


async def _nothing(_: str | float) -> None:
    """For a service that has nothing to clean up."""


class RunService(RunReader):
    """The runs of one store, as one process serves them: `async with` starts and ends its work.

    What changes a run is done whole, also where the caller is cancelled meanwhile: a change in the
    store without what follows it would leave a run that nobody drives.

    With `pick_up` it drives every run that is due, else only those asked for here; a run goes on
    elsewhere when the service ends, after the node it is in where that takes no more than
    `drain_s`. With `dispatch` others drive, and no `graph` is needed; without `checkpoints` a run's
    are in its folder. `on_end` closes what a stopped attempt may have left open, `on_delete` what
    a run that is to be removed still has; `on_round` tidies up now and then, given the time.
    """

    def __init__(
        self,
        *,
        store: Store,
        config: ServiceConfig,
        graph: "Callable[[], Builder] | None" = None,
        files: RunFiles | None = None,
        dispatch: Dispatcher | None = None,
        checkpoints: "Checkpoints | None" = None,
        on_end: Callable[[str], Awaitable[None]] = _nothing,
        on_delete: Callable[[str], Awaitable[None]] = _nothing,
        on_round: Callable[[float], Awaitable[None]] = _nothing,
        pick_up: bool = True,
        drain_s: float = 2.0,
    ) -> None:
        super().__init__(store=store, config=config, files=files)
        self._on_delete = on_delete
        self._pick_up = pick_up
        self._drain_s = drain_s
        self._clean_up = CleanUp(on_end)
        if dispatch is None:
            dispatch = make_local_dispatcher(
                *(store, graph, config, self._files, self._clean_up),
                pick_up=pick_up,
                checkpoints=checkpoints,
            )
        self._dispatch = dispatch
        self._janitor = Janitor(
            store,
            self._files,
            keep_days=config.keep_days,
            lease=self._dispatch.new_lease,
            clean_up=self._clean_up,
            delete=self._delete,
            on_delete=on_delete,
            on_round=on_round,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self._store.open(picks_up=self._pick_up)
        work = {"the dispatcher of runs": self._dispatch.run}
        if self._pick_up:
            work["the janitor"] = self._janitor.run
        self._tasks += [asyncio.create_task(supervise(*each)) for each in work.items()]
        return self

    @uninterrupted
    async def __aexit__(self, *_: object) -> None:
        """Take no new runs, stop those driven here so that another process goes on, close."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._dispatch.drain(self._drain_s)
        self._log.close()
        await self._feed.close()
        await self._store.close()

    @property
    def limits(self) -> Limits:
        """What a request may lower and never raise."""
        return self._config.limits

    @property
    def rules(self) -> RequestRules:
        """What a request may name."""
        return self._config.rules

    @uninterrupted
    async def start(
        self,
        request: RunRequest,
        *,
        owner: str,
        idempotency_key: str | None = None,
        day: DayLimits = NO_DAY_LIMITS,
        received: EventBase | None = None,
    ) -> tuple[RunRecord, bool]:
        """Start a run, or join the one that was started with this key (False).

        `received` is what the forge told that the run is about. Raises RequestError, TooManyRuns
        or StoreError.
        """
        if self._stopping:
            raise TooManyRuns("This service is stopping.", "Try again in a moment.")
        accepted = self._config.accept(request)
        if owner != "local":
            accepted["requested_by"] = owner
        run_id = new_run_id()
        key = idempotency_key and IdempotencyKey(owner, idempotency_key, digest_of(request))
        lease = self._dispatch.reserve(run_id)
        fresh = Run(run_id=run_id, owner=owner, request=accepted, lease=lease)

        is_free = False

        def admit(queue: QueueState) -> tuple[Entry, ...]:
            nonlocal is_free
            is_free = queue.free_slots > 0
            full = queue.waiting >= self._config.max_queued and not queue.free_slots
            if lease is None and full:
                raise TooManyRuns(f"As many runs are queued as may be: {queue.waiting}.")
            return (*Admission.queued(lease, queue.waiting).entries, *self._told(received))

        new = False
        try:
            run, new = await self._store.create(fresh, key or None, admit, day)
        finally:
            if not new:
                self._dispatch.release(run_id)
        plans = new and is_free and not accepted.get("pull_request_url")
        is_left = not new and run.status == "queued"  # who entered it may not have come to that
        if new or (is_left and not await self._dispatch.is_begun(run.run_id)):
            await self._dispatch.begin(run.run_id, plans_at_once=plans)
        return run.record, new

    @uninterrupted
    async def cancel(self, run_id: str, caller: Caller) -> bool:
        """Have a run stopped; False where it was asked for before. Raises RunFinished."""
        await self._steered_run(run_id, caller)
        lease, dead_services = self._dispatch.new_lease(), await self._store.dead_services()
        step = partial(
            transitions.cancel,
            lease=lease,
            now=time.time(),
            dead_services=dead_services,
            by=caller.name,
        )
        run = await self._store.transact(run_id, step)
        self._dispatch.cancel(run_id)
        if run and run.final:
            await self._clean_up(run_id)
            await self._store.transact(run_id, partial(transitions.release, token=lease.token))
        return run is not None

    @uninterrupted
    async def answer_plan(
        self,
        run_id: str,
        caller: Caller,
        approval: Approval,
        day: DayLimits = NO_DAY_LIMITS,
        call: str = "",
    ) -> None:
        """Answer the plan a run waits for, once for each `call`.

        Raises RunNotWaiting, PlanChanged or RequestError.
        """
        await self._steered_run(run_id, caller)
        admission = await self._admit(run_id)
        step = partial(
            transitions.answer,
            approval=approval,
            now=time.time(),
            admission=admission,
            by=caller.name,
            call=call,
        )
        money = NO_DAY_LIMITS if approval.decision == "reject" else day.strict()
        await self._transact_and_start(run_id, step, money)

    @uninterrupted
    async def resume(
        self,
        run_id: str,
        caller: Caller,
        limits: RaisedLimits = NO_RAISE,
        day: DayLimits = NO_DAY_LIMITS,
        call: str = "",
    ) -> RunRecord:
        """Carry a run on after an end, or one that nobody drives, once for each `call`.

        Raises RunActive, RunFinished or RequestError.
        """
        run = await self._steered_run(run_id, caller)
        request = self._config.with_limits(run.request, limits.given())
        holders = await self._holders()
        admission = await self._admit(run_id)
        step = partial(
            transitions.resume,
            request=request,
            now=time.time(),
            admission=admission,
            by=caller.name,
            call=call,
            **holders,
        )
        await self._transact_and_start(run_id, step, day)
        return await self.get(run_id, caller)

    @uninterrupted
    async def message(
        self,
        run_id: str,
        caller: Caller,
        text: str,
        call: str = "",
        received: EventBase | None = None,
    ) -> int:
        """Leave a message for a role's next turn, once for each `call`; its number.

        `received` is what the forge told that it is made of. Raises RunFinished.
        """
        await self._steered_run(run_id, caller)
        said, told = self._config.hide(text), self._told(received)
        step = partial(transitions.add_message, text=said, by=caller.name, call=call, told=told)
        run = await self._store.transact(run_id, step)
        assert run, "also where the call is known"
        number = run.message_calls.get(call, run.messages)
        await self._files.write_message(run_id, number, text)
        return number

    def _told(self, received: EventBase | None) -> tuple[Entry, ...]:
        return (hide_secrets(entry(received), self._config.hide),) if received else ()

    @uninterrupted
    async def delete(self, run_id: str, caller: Caller) -> None:
        """Remove a run that has ended or that nobody drives, with all it has. Raises RunActive."""
        await self._steered_run(run_id, caller)
        await self._delete(run_id, caller.name)

    async def stats(self) -> ServiceStats:
        """How many runs there are, wait and are driven here, and how many readers watch."""
        return ServiceStats(
            runs=await self._store.count_runs(),
            queued=(await self._store.queue_state()).waiting,
            driven=self._dispatch.driven,
            slots=self._config.max_concurrent,
            readers=self._readers,
            event_totals=await self._store.event_totals(),
        )

    async def tidy(self) -> None:
        """End and remove what has lain for too long, as a service that picks up does by itself."""
        await self._janitor.round(time.time())

    def observe(self, observer: Observer) -> None:
        """Call `observer` with each event that this process adds to a log, once it is durable."""
        self._store.observe(observer)

    async def abandoned(self) -> frozenset[str]:
        """The runs that have not ended and that no process drives or will pick up."""
        if await self._store.attended():
            return frozenset()
        due = await self._store.due(time.time(), await self._store.dead_services(), _ALL)
        return frozenset(due) - self._dispatch.own_runs

    async def ready(self) -> str | None:
        """None where runs can be started, else a code."""
        if self._stopping:
            return "stopping"
        try:
            await self._store.probe()
        except StoreError as error:
            return error.code
        return None

    async def _admit(self, run_id: str) -> Admission:
        lease = self._dispatch.reserve(run_id)
        waiting = 0 if lease else (await self._store.queue_state()).waiting
        return Admission.queued(lease, waiting)

    async def _transact_and_start(
        self, run_id: str, step: Callable[[Run], Step | None], day: DayLimits = NO_DAY_LIMITS
    ) -> None:
        """Let a run that had stopped go on."""
        changed = None
        try:
            changed = await self._store.transact(run_id, step, day)
        finally:
            if changed is None:
                self._dispatch.release(run_id)
        await self._dispatch.begin(run_id)

    async def _delete(self, run_id: str, by: str = "") -> None:
        run = await self._store.get(run_id)
        if run and run.final:
            await self._dispatch.wait_settled(run_id)
        lease, holders = self._dispatch.new_lease(), await self._holders()
        step = partial(transitions.remove, lease=lease, now=time.time(), **holders)
        await self._store.transact(run_id, step)
        try:
            await self._on_delete(run_id)
            await self._files.remove(run_id)
        except BaseException:
            await self._store.transact(run_id, partial(transitions.release, token=lease.token))
            raise
        await self._store.delete(run_id, by)

    async def _holders(self) -> dict[str, Any]:
        """What decides whether anybody drives a run."""
        dead_services, attended = await self._store.dead_services(), await self._store.attended()
        return {"dead_services": dead_services, "attended": attended}
