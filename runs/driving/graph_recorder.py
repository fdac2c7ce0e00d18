"""Keeps runs of a graph that a program calls, from Python or Studio, where all runs are kept."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Self

from langgraph.config import get_config
from langgraph.errors import GraphInterrupt

from graph import HEARD, Event, NodeName, Outcome, RunState, request_of
from graph.calls import acquire, to_the_end
from graph.errors import CodingAgentError
from runs.driving.clean_up import CleanUp
from runs.driving.event_writer import EventWriter
from runs.driving.graph_events import GraphEventReader, PlanQuestion
from runs.model import claiming, transitions
from runs.model.attempts import Ending, LeaseLost, Step, new_lease
from runs.model.current_run import CURRENT_RUN
from runs.model.log_entry import Entry, entry, hide_secrets
from runs.model.operator_limits import ServiceConfig
from runs.model.run import Lease, Run
from runs.model.run_id import CALLED_ID, new_run_id
from runs.store.patience import outlast, when_available
from runs.store.protocol import Decide, Store
from runs.store.supervision import supervise

log = logging.getLogger(__name__)

Update = dict[str, Any]
_ROUND_S: Final = 1.0
_RENEW_S: Final = 5.0
_PATIENCE_S: Final = 60.0
_OWNER: Final = "local"


class GraphRecorder:
    """Calls the nodes of a graph, and keeps what they do. `clean_up` ends all of a stopped run.

    A run that cannot be recorded goes on without a record.
    """

    def __init__(self, store: Store, config: ServiceConfig, clean_up: CleanUp) -> None:
        self._store = store
        self._config = config
        self._clean_up = clean_up
        self._calls: dict[str, RecordedCall] = {}
        self._heart: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._heart:
            self._heart.cancel()
            await asyncio.wait((self._heart,))
        for run_id in list(self._calls):
            await self._end(run_id, Ending(status="interrupted"))
        await self._store.close()

    async def __call__(
        self, name: NodeName, state: RunState, node: Callable[[], Awaitable[Update]]
    ) -> Update:
        """What `node` gives; a cancelled run ends with it. Its events are kept before."""
        call = await acquire(self._begin(state), self._interrupt)
        if call is None:
            return await node()
        try:
            return await self._record(call, name, node)
        except BaseException:
            await to_the_end(self._interrupt(call))
            raise

    async def _record(
        self, call: "RecordedCall", name: NodeName, node: Callable[[], Awaitable[Update]]
    ) -> Update:
        call.reader.read_start({"name": name, "id": ""})
        CURRENT_RUN.set(call.run_id)
        HEARD.set(call.hear)
        try:
            update = await call.carry_out(node)
        except GraphInterrupt as error:
            (question,) = error.args[0]
            await to_the_end(self._wait(call, name, question.id, question.value))
            raise
        if update is None:
            await to_the_end(self._end(call.run_id, Ending(status="cancelled")))
            return {"outcome": Outcome(status="cancelled")}
        call.reader.read_end({"name": name, "interrupts": (), "error": None, "result": update})
        await call.writer.flush()
        if call.reader.ending:
            await to_the_end(self._end(call.run_id, call.reader.ending))
        return update

    async def _interrupt(self, call: "RecordedCall | None") -> None:
        """The program goes no further with the run; nothing where it has ended or waits."""
        if call:
            await self._end(call.run_id, Ending(status="interrupted"))

    async def _begin(self, state: RunState) -> "RecordedCall | None":
        """The call that a node belongs to; None where it cannot be recorded."""
        thread_id = get_config().get("configurable", {}).get("thread_id")
        run_id = str(thread_id or state.get("run_id") or "")
        if call := self._calls.get(run_id):
            return call
        if not CALLED_ID.fullmatch(run_id):  # the first node refuses it, or it has none yet
            return None
        lease = new_lease(self._store.service)
        enter = partial(self._enter, run_id, lease, state)
        try:
            run = await when_available(enter, outlast(_PATIENCE_S), what=f"run {run_id}")
        except CodingAgentError as error:
            log.warning("run %s is not recorded: %s", run_id, error)
            return None
        call = self._calls[run_id] = RecordedCall(self._store, run, lease, self._config.hide)
        if self._heart is None:
            self._heart = asyncio.create_task(supervise("the recorder", self._beat))
        return call

    async def _enter(self, run_id: str, lease: Lease, state: RunState) -> Run:
        """The record of a run that a program calls, held by this process."""
        request = request_of(state)
        fresh = Run(
            run_id=run_id,
            order_id=new_run_id(),
            called_from_python=True,
            owner=_OWNER,
            request=request,
            status="running",
            begun=True,
            lease=lease,
        )
        if await self._store.get(run_id) is None:
            started = entry(self._config.started(fresh))
            return (await self._store.create(fresh, None, lambda _: (started,)))[0]
        dead_services = await self._store.dead_services()

        def decide(run: Run) -> Step:
            return claiming.call(
                run, lease=lease, now=time.time(), dead_services=dead_services, request=request
            )

        run = await self._store.transact(run_id, decide)
        assert run, "a call always changes its run"
        return run

    async def _wait(self, call: "RecordedCall", name: str, key: str, asked: Any) -> None:
        """The run waits for an answer to its plan, which its program gives."""
        interrupts = [{"id": key, "value": asked}]
        question = call.reader.read_end({"name": name, "interrupts": interrupts})
        await call.writer.flush()
        self._calls.pop(call.run_id, None)
        if isinstance(question, PlanQuestion):

            def wait(run: Run) -> Step | None:
                return transitions.wait(
                    run,
                    token=call.lease.token,
                    now=time.time(),
                    plan_id=question.plan_id,
                    plan=question.plan,
                )

            await self._transact(call.run_id, wait)

    async def _end(self, run_id: str, ending: Ending) -> None:
        call = self._calls.pop(run_id, None)
        if call is None:
            return
        await call.writer.flush()
        node = call.reader.open_node

        def finish(run: Run) -> Step:
            token = call.lease.token
            return transitions.finish(run, token=token, now=time.time(), ending=ending, node=node)

        await self._transact(run_id, finish)
        if ending.status in ("cancelled", "interrupted"):
            await self._clean_up(run_id)
        await self._transact(run_id, partial(transitions.release, token=call.lease.token))

    async def _transact(self, run_id: str, decide: Decide) -> None:
        transact = partial(self._store.transact, run_id, decide)
        try:
            await when_available(transact, outlast(_PATIENCE_S), what=f"the record of run {run_id}")
        except (CodingAgentError, LeaseLost) as error:
            log.warning("the record of run %s is not whole: %s", run_id, error)

    async def _beat(self) -> None:
        """Hold the leases of what goes on, and end what is to be cancelled."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(_ROUND_S)
            for run_id in await self._store.cancelling():
                if call := self._calls.get(run_id):
                    call.cancel()
            if time.monotonic() - renewed >= _RENEW_S:
                renewed = time.monotonic()
                for call in list(self._calls.values()):
                    node = call.reader.open_node
                    step = partial(
                        transitions.extend, token=call.lease.token, now=time.time(), node=node
                    )
                    await self._transact(call.run_id, step)


class RecordedCall:
    """A run while this process calls its nodes."""

    def __init__(self, store: Store, run: Run, lease: Lease, hide: Callable[[str], str]) -> None:
        self.run_id = run.run_id
        self.lease = lease
        self.writer = EventWriter(
            store, run.run_id, lease.token, self._on_failure, policy=outlast(_PATIENCE_S)
        )
        self.reader = GraphEventReader(run, self._put)
        self._hide = hide
        self._work: asyncio.Task[Update] | None = None
        self._cancelled = False

    def hear(self, event: Event) -> None:
        self.reader.read_custom({"key": event.key, **event.data()})

    def cancel(self) -> None:
        """End the node that works now, and the run with it."""
        self._cancelled = True
        if self._work:
            self._work.cancel()

    async def carry_out(self, node: Callable[[], Awaitable[Update]]) -> Update | None:
        """What the node gives; None where the run was cancelled meanwhile."""
        self._work = work = asyncio.ensure_future(_awaited(node))
        try:
            await asyncio.wait((work,))
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
        return None if self._cancelled and work.cancelled() else work.result()

    def _put(self, made: Entry) -> None:
        self.writer.put(hide_secrets(made, self._hide))

    def _on_failure(self, error: Exception) -> None:
        log.warning("events of run %s are not recorded: %s", self.run_id, error)


async def _awaited(node: Callable[[], Awaitable[Update]]) -> Update:
    return await node()
