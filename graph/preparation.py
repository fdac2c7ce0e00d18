"""What is made ready beside the planner: a base's environment, then its baseline.

Each run has one preparation at a time, in the background. What it says is kept until a node of the
run listens, so that it reaches the run's log whichever node is at work.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from graph.environment import Environment
from graph.environment_record import EnvironmentRecord, EnvironmentRecords, repo_of
from graph.errors import CodingAgentError
from graph.events import BaselineFinished, Emit, EnvironmentReady, Event, unheard
from graph.values import Base, Check, Validation

log = logging.getLogger(__name__)
T = TypeVar("T")


class Environments(Protocol):
    """What makes the trees of a base ready."""

    async def prepare(
        self, run_id: str, base: Base, setup: tuple[str, ...], deadline: float, emit: Emit = unheard
    ) -> Environment:
        """Find the set-up of a base, run it, and keep what it leaves for every tree.

        `setup` are the caller's own commands, which come first. What cannot be had of what nobody
        asked for is left out, part by part. Called again it finds what it made. Raises SetupFailed
        where a command of the caller or of the repository fails, and SandboxError.
        """
        ...


class Baselines(Protocol):
    """Runs checks where nothing was changed yet."""

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        checks: tuple[Check, ...],
        deadline: float,
        emit: Emit = unheard,
    ) -> Validation:
        """How the found checks end on the untouched base, each run once and kept.

        With half a command's weight; ended where the task is cancelled. Raises SandboxError.
        """
        ...


@dataclass(frozen=True)
class PreparationRequest:
    """What one run wants to be ready: `setup` is the caller's own, `deadline` Unix seconds."""

    run_id: str
    base: Base
    setup: tuple[str, ...]
    checks: tuple[Check, ...]
    deadline: float


@dataclass
class _Voice:
    """Hands events to the node that listens; those that come meanwhile wait for the next."""

    emit: Emit | None = None
    waiting: list[Event] = field(default_factory=list)

    def say(self, event: Event) -> None:
        if self.emit:
            self.emit(event)
        else:
            self.waiting.append(event)

    def listen(self, emit: Emit | None) -> None:
        self.emit = emit
        while emit and self.waiting:
            emit(self.waiting.pop(0))


@dataclass(frozen=True)
class _Work:
    base: Base
    environment: asyncio.Task[Environment]
    baseline: asyncio.Task[Validation | None]


class Preparation:
    """The preparations of all runs of this process."""

    def __init__(
        self,
        environments: Environments,
        checks: Baselines,
        records: EnvironmentRecords | None = None,
    ) -> None:
        """What is ready is remembered in `records`."""
        self._environments = environments
        self._checks = checks
        self._records = records
        self._work: dict[str, _Work] = {}
        self._voices: dict[str, _Voice] = {}

    def begin(self, wanted: PreparationRequest) -> None:
        """Begin, unless it was begun on the same base."""
        found = self._work.get(wanted.run_id)
        if found and found.base == wanted.base:
            return
        if found:
            _cancel(found)
        environment = asyncio.create_task(self._prepare(wanted))
        baseline = asyncio.create_task(self._run_baseline(wanted, environment))
        for task in (environment, baseline):
            task.add_done_callback(_look_at)
        self._work[wanted.run_id] = _Work(wanted.base, environment, baseline)

    async def environment(self, wanted: PreparationRequest) -> Environment:
        """The environment, once it is there. Raises SetupFailed, SandboxError."""
        self.begin(wanted)
        return await asyncio.shield(self._work[wanted.run_id].environment)

    async def baseline(self, wanted: PreparationRequest) -> Validation | None:
        """How the checks end on the base, once they have; None where that cannot be known."""
        self.begin(wanted)
        return await asyncio.shield(self._work[wanted.run_id].baseline)

    def ready(self, run_id: str) -> tuple[Environment | None, Validation | None]:
        """What is there by now."""
        work = self._work.get(run_id)
        return (_result(work.environment), _result(work.baseline)) if work else (None, None)

    @contextmanager
    def heard_by(self, run_id: str, emit: Emit) -> Iterator[None]:
        """Give `emit` what was said, and is said while the block runs."""
        voice = self._voices.setdefault(run_id, _Voice())
        voice.listen(emit)
        try:
            yield
        finally:
            voice.listen(None)

    async def end(self, run_id: str) -> None:
        """End what is under way; it begins anew where it is wanted again."""
        self._voices.pop(run_id, None)
        if work := self._work.pop(run_id, None):
            _cancel(work)
            await asyncio.gather(work.environment, work.baseline, return_exceptions=True)

    async def close(self) -> None:
        """End what is under way of all runs."""
        for run_id in list(self._work):
            await self.end(run_id)

    async def _prepare(self, wanted: PreparationRequest) -> Environment:
        say = self._voices.setdefault(wanted.run_id, _Voice()).say
        environment = await self._environments.prepare(
            wanted.run_id, wanted.base, wanted.setup, wanted.deadline, say
        )
        event = EnvironmentReady.model_validate(environment.model_dump())
        say(event.keyed(f"environment:{wanted.base.moved}"))
        return environment

    async def _run_baseline(
        self, wanted: PreparationRequest, preparing: asyncio.Task[Environment]
    ) -> Validation | None:
        """Nobody waits for it, so that its errors are no more than told."""
        say = self._voices.setdefault(wanted.run_id, _Voice()).say
        try:
            environment = await asyncio.shield(preparing)
            await self._remember(wanted, environment, None)
            baseline = await self._checks.baseline(
                wanted.run_id, wanted.base, environment, wanted.checks, wanted.deadline, say
            )
            await self._remember(wanted, environment, baseline)
        except CodingAgentError as error:
            log.warning("run %s has no baseline: %s", wanted.run_id, error.message)
            return None
        event = BaselineFinished.model_validate(baseline.model_dump())
        say(event.keyed(f"baseline:{wanted.base.moved}"))
        return baseline

    async def _remember(
        self, wanted: PreparationRequest, environment: Environment, baseline: Validation | None
    ) -> None:
        if self._records:
            record = EnvironmentRecord(
                repo=repo_of(wanted.base),
                sha=wanted.base.sha,
                run_id=wanted.run_id,
                made_at=time.time(),
                environment=environment,
                baseline=baseline,
            )
            await self._records.put(record)


def _cancel(work: _Work) -> None:
    work.baseline.cancel()
    work.environment.cancel()


def _result(task: "asyncio.Task[T]") -> T | None:
    return task.result() if task.done() and not task.cancelled() and not task.exception() else None


def _look_at(task: "asyncio.Task[object]") -> None:
    """Who waits for it hears of its error; where nobody does, asyncio would complain."""
    if not task.cancelled():
        task.exception()
