"""Drives one run through the graph: LangGraph's stream in, the run's events out."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command

from graph import (
    RECURSION_LIMIT,
    Limits,
    RetryPolicy,
    RunRequest,
    RunState,
    failure_of,
    resume_command,
    span,
)
from graph.errors import VersionChanged
from runs.checkpoints.run_saver import Checkpoints, LogBarrier, RunSaver
from runs.driving.clean_up import CleanUp
from runs.driving.event_writer import EventWriter
from runs.driving.graph_events import GraphEventReader, PlanQuestion, make_ending
from runs.driving.run_files import RunFiles
from runs.model import transitions
from runs.model.attempts import Ending, LeaseLost, Step
from runs.model.current_run import CURRENT_RUN
from runs.model.log_entry import Entry, hide_secrets
from runs.model.run import STATE_VERSION, Lease, Run
from runs.store.patience import STORE_POLICY, when_available
from runs.store.protocol import Decide, Store

log = logging.getLogger(__name__)

Builder = StateGraph[RunState, None, RunRequest, RunState]
Graph = CompiledStateGraph[RunState, None, RunRequest, RunState]
Stop = Literal["cancelled", "drained", "failed", "lost"]


@dataclass(frozen=True)
class DriveContext:
    """What every drive needs."""

    store: Store
    graph: Graph
    files: RunFiles
    checkpoints: Checkpoints
    limits: Limits
    clean_up: CleanUp
    gather_s: float = 0.0
    """How long events are gathered before they are written together."""
    starts_at_once: bool = False
    """Whether that a node begins is written without gathering more."""
    store_policy: RetryPolicy = STORE_POLICY
    """How long a store that cannot be written is waited for."""
    hide: Callable[[str], str] = str
    """Takes secrets out of a text; nothing should be there to take out."""


class RunDriver:
    """One process's work on one run, from its claim to its end, its waiting or its release."""

    def __init__(self, context: DriveContext, run: Run, lease: Lease) -> None:
        self.run_id = run.run_id
        self.token = lease.token
        self._context = context
        self._run = run
        self._barrier = LogBarrier()
        self._control = RunControl()
        self._writer = EventWriter(
            context.store,
            run.run_id,
            lease.token,
            self._on_write_failure,
            open_node=lambda: self._reader.open_node,
            gather_s=context.gather_s,
            policy=context.store_policy,
        )
        self._reader = GraphEventReader(run, self._put)
        self._work: asyncio.Task[Ending | None] | None = None
        self._stop: Stop | None = None
        self._error: Exception | None = None
        self._config: RunnableConfig = {
            "configurable": {"thread_id": run.run_id},
            "recursion_limit": RECURSION_LIMIT,
        }

    async def renew(self) -> None:
        """Hold the lease for longer. Raises LeaseLost, RunNotFound or StoreError."""
        step = partial(
            transitions.extend, token=self.token, now=time.time(), node=self._reader.open_node
        )
        await self._context.store.transact(self.run_id, step)

    @property
    def newest(self) -> tuple[float, Run] | None:
        """The run as its log was written last, and since when (monotonic) it is known to be so.

        What others want of it is in there, too: of who would change it at once, one does.
        """
        return self._writer.newest

    def drain(self) -> None:
        """Stop between two nodes."""
        self._control.request_drain("shutdown")

    def stop(self, why: Stop) -> None:
        """Stop now, in the middle of a node; once, so that the node can tidy up in peace."""
        if self._stop is not None:
            return
        self._stop = why
        self._barrier.stop()
        if self._work:
            self._work.cancel()

    async def run(self) -> None:
        """Carry the run on until it ends, waits, or is stopped; give the lease back."""
        CURRENT_RUN.set(self.run_id)
        if self._run.final:  # the claim itself ended it
            await self._context.clean_up(self.run_id)
            await self._release()
            return
        self._work = work = asyncio.create_task(self._attempt())
        if self._stop:
            work.cancel()
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            self.stop("drained")
            await asyncio.wait((work,))
            raise
        await self._writer.flush()
        ending = self._decide_ending(work)
        if self._stop == "lost":
            return
        if ending is not None:
            await self._finish(ending)
        await self._release()

    def _put(self, entry: Entry) -> None:
        self._writer.put(hide_secrets(entry, self._context.hide))

    async def _release(self) -> None:
        await self._transact(partial(transitions.release, token=self.token))

    async def _transact(self, decide: Decide) -> Run | None:
        transact = partial(self._context.store.transact, self.run_id, decide)
        what = f"run {self.run_id}"
        return await when_available(transact, self._context.store_policy, what=what)

    def _decide_ending(self, work: "asyncio.Task[Ending | None]") -> Ending | None:
        """How the attempt ended; None where it goes on later."""
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if isinstance(self._error or error, LeaseLost):
            self._stop = "lost"
            return None
        if error is None:
            return work.result()
        if self._stop == "cancelled":
            return self._reader.ending or Ending(status="cancelled")
        if self._stop in ("drained", "lost") or isinstance(error, GraphDrained):
            return None
        error = self._error or error
        log.error("run %s failed", self.run_id, exc_info=error)
        return Ending(status="failed", error=failure_of(error, self._reader.node or ""))

    async def _attempt(self) -> Ending | None:
        if self._run.attempt > 1:
            await self._remove_leftovers()
        with span("run", run_id=self.run_id, attempt=self._run.attempt) as traced:
            ending = await self._run_graph()
            traced.set_attribute("coding_agent.status", ending.status if ending else "waiting")
            return ending

    async def _remove_leftovers(self) -> None:
        """Remove what the attempt before may have left half written."""
        try:
            await self._context.files.remove_leftovers(self.run_id)
        except OSError:
            log.exception("run %s has something left over", self.run_id)

    async def _run_graph(self) -> Ending | None:
        if self._run.state_version != STATE_VERSION:
            raise VersionChanged(
                f"Run {self.run_id} was begun with state version {self._run.state_version}.",
                f"Resume it with a release of state version {self._run.state_version}.",
            )
        async with self._context.checkpoints.open(self.run_id, self._barrier) as saver:
            graph = self._context.graph.copy({"checkpointer": saver})
            graph_input = await self._first_input(graph, saver)
            while question := await self._stream(graph, graph_input):
                run = await self._wait_for_answer(question)
                if run.cancelling:
                    return Ending(status="cancelled")
                if run.status == "waiting" or run.answer is None:
                    return None
                approval = run.answer.approval.model_dump(mode="json")
                graph_input = Command(resume={question.id: approval})
            return make_ending((await graph.aget_state(self._config)).values)

    async def _first_input(self, graph: Graph, saver: RunSaver) -> RunRequest | Command[Any] | None:
        """The request at the very first, a command where one is due, else None: just go on.

        Whether the graph has taken a command, its state alone can say: the log may run ahead of it.
        """
        snapshot = await graph.aget_state(self._config)
        if snapshot.created_at is None:
            return self._run.request
        self._reader.ended_tasks = await saver.ended_tasks(self._config)
        attempt = self._run.resumed_as
        if snapshot.values.get("attempt", 0) >= attempt:
            return None
        await saver.discard_command(self._config)
        snapshot = await graph.aget_state(self._config)
        pending = tuple(task.name for task in snapshot.tasks)
        limits = self._context.limits.lowered_by(self._run.request)
        return resume_command(cast("RunState", snapshot.values), pending, limits, attempt)

    async def _stream(
        self, graph: Graph, graph_input: RunRequest | Command[Any] | None
    ) -> PlanQuestion | None:
        parts = cast(
            "AsyncGenerator[dict[str, Any], None]",
            graph.astream(
                graph_input,
                self._config,
                stream_mode=["tasks", "custom"],
                version="v2",
                durability="sync",
                control=self._control,
            ),
        )
        question = None
        async with aclosing(parts):
            try:
                async for part in parts:
                    question = await self._handle_part(part) or question
            except BaseException:
                self._barrier.stop()  # else closing the graph would wait for what is held back
                raise
        return question

    async def _handle_part(self, part: dict[str, Any]) -> PlanQuestion | None:
        """Report one part. What ends a node is durable before the graph goes on."""
        data = part["data"]
        if part["type"] == "custom":
            self._reader.read_custom(data)
            return None
        if "triggers" in data:
            self._barrier.hold(data["id"])
            self._reader.read_start(data)
            if self._context.starts_at_once:
                self._writer.hasten()
            return None
        question = self._reader.read_end(data)
        await self._writer.flush()
        self._barrier.release(data["id"])
        return question

    async def _wait_for_answer(self, question: PlanQuestion) -> Run:
        """Wait for the answer to a plan, unless it is there; the run as it is then."""

        def wait(run: Run) -> Step | None:
            return transitions.wait(
                run,
                token=self.token,
                now=time.time(),
                plan_id=question.plan_id,
                plan=question.plan,
            )

        run = await self._transact(wait) or await self._context.store.get(self.run_id)
        if run is None:
            raise LeaseLost(f"run {self.run_id} was removed")
        return run

    async def _finish(self, ending: Ending) -> None:
        """Log the end, then see to it that nothing of the attempt is left on the machine."""

        node = self._reader.open_node

        def finish(run: Run) -> Step:
            return transitions.finish(
                run, token=self.token, now=time.time(), ending=ending, node=node
            )

        await self._transact(finish)
        if ending.status == "cancelled" or ending.error:
            await self._context.clean_up(self.run_id)

    def _on_write_failure(self, error: Exception) -> None:
        self._error = error
        self.stop("failed")
