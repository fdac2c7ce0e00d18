"""What is made ready beside the planner: a base's environment, then its baseline.

Each run has one preparation at a time, in the background. What it says is kept until a node of the
run listens, so that it reaches the run's log whichever node is at work.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from graph.base_services import Baselines, Environments, PreparationRequest, Prepared
from graph.calls import end_tasks
from graph.environment import Environment, Recipe
from graph.environment_record import EnvironmentRecord, EnvironmentRecords, repo_of
from graph.errors import CodingAgentError, SetupFailed
from graph.events.run_events import BaselineFinished, Emit, EnvironmentReady, Event
from graph.values import Base, CommandReport, Validation

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE_S: Final = 15.0
"""After set-up nobody waits longer for a main check: one that runs for so long has started."""
MODEL_PART: Final = "what a model was to find"
"""The name of what a set-up turn did not bring."""


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


@dataclass
class _Work:
    """What is under way for one base; `main` is how its main check ended, None: not known."""

    base: Base
    prepared: asyncio.Task[Prepared]
    main: asyncio.Future[CommandReport | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    baseline: asyncio.Task[Validation | None] = field(init=False)
    ready_at: float = 0.0

    def tell_main(self, report: CommandReport | None) -> None:
        if not self.main.done():
            self.main.set_result(report)


class Preparation:
    """The preparations of all runs of this process."""

    def __init__(
        self,
        environments: Environments,
        checks: Baselines,
        records: EnvironmentRecords | None = None,
        *,
        recipes_for: str | None = None,
        clock: Callable[[], float] = time.time,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """What is ready is remembered in `records`.

        Recipes that are kept there are used for the same `recipes_for`: what set-up reaches and
        works with. None: there are none.
        """
        self._environments = environments
        self._checks = checks
        self._records = records
        self._recipes_for = recipes_for
        self.clock = clock
        self._patience_s = patience_s
        self._work: dict[str, _Work] = {}
        self._voices: dict[str, _Voice] = {}

    def begin(self, wanted: PreparationRequest) -> None:
        """Begin, unless it was begun on the same base."""
        found = self._work.get(wanted.run_id)
        if found and found.base == wanted.base:
            return
        if found:
            _cancel(found)
        self._start(wanted, asyncio.create_task(self._prepare(wanted)))

    async def adopt(self, wanted: PreparationRequest, prepared: Prepared) -> None:
        """Go on with what a set-up turn came to; what is said of the base is said anew."""
        if found := self._work.pop(wanted.run_id, None):
            await _end(found)
        self._say_ready(wanted, prepared.environment)
        self._start(wanted, asyncio.create_task(_given(prepared)))

    async def prepared(self, wanted: PreparationRequest) -> Prepared:
        """What was made ready, once it is there. Raises SetupFailed, SandboxError."""
        self.begin(wanted)
        return await asyncio.shield(self._work[wanted.run_id].prepared)

    async def environment(self, wanted: PreparationRequest) -> Environment:
        """The environment, once it is there. Raises SetupFailed, SandboxError."""
        return (await self.prepared(wanted)).environment

    async def baseline(self, wanted: PreparationRequest) -> Validation | None:
        """How the checks end on the base, once they have; None where that cannot be known."""
        self.begin(wanted)
        return await asyncio.shield(self._work[wanted.run_id].baseline)

    async def main_report(self, wanted: PreparationRequest) -> CommandReport | None:
        """How the main check ends on the base; None where it takes longer than is waited for."""
        await self.prepared(wanted)
        work = self._work[wanted.run_id]
        passed = time.monotonic() - work.ready_at if work.ready_at else 0.0
        left = max(0.0, self._patience_s - passed)
        await asyncio.wait([work.main], timeout=left)
        return work.main.result() if work.main.done() else None

    async def apply(
        self, wanted: PreparationRequest, rules: Environment, recipe: Recipe
    ) -> Environment:
        """The environment with the commands of a recipe. Raises SetupFailed, SandboxError."""
        say = self._voices.setdefault(wanted.run_id, _Voice()).say
        extended = await self._environments.extend(
            wanted.run_id, wanted.base, rules, recipe.commands, wanted.deadline, say
        )
        return extended.model_copy(update={"maker": recipe.run_id})

    async def keep(self, wanted: PreparationRequest, recipe: Recipe) -> None:
        """Remember what a set-up turn came to, for other runs."""
        if self._records:
            await self._records.put_recipe(repo_of(wanted.base), recipe)

    def recipe_key(self, base: Base, rules: Environment) -> str:
        """What a recipe that follows the rules' commands is kept by."""
        read = f"{self._recipes_for}\n{rules.key or base.sha}"
        return hashlib.sha256(read.encode()).hexdigest()

    def ready(self, run_id: str) -> tuple[Environment | None, Validation | None]:
        """What is there by now."""
        work = self._work.get(run_id)
        prepared = _result(work.prepared) if work else None
        if work is None or prepared is None:
            return None, None
        return prepared.environment, _result(work.baseline)

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
            await _end(work)

    async def close(self) -> None:
        """End what is under way of all runs."""
        for run_id in list(self._work):
            await self.end(run_id)

    def _start(self, wanted: PreparationRequest, prepared: asyncio.Task[Prepared]) -> None:
        work = self._work[wanted.run_id] = _Work(wanted.base, prepared)
        work.baseline = asyncio.create_task(self._run_baseline(wanted, work))
        work.baseline.add_done_callback(lambda _: work.tell_main(None))
        for task in (prepared, work.baseline):
            task.add_done_callback(_look_at)

    async def _prepare(self, wanted: PreparationRequest) -> Prepared:
        say = self._voices.setdefault(wanted.run_id, _Voice()).say
        rules = await self._environments.prepare(
            wanted.run_id, wanted.base, wanted.setup, wanted.deadline, say
        )
        prepared = await self._with_kept_recipe(wanted, rules)
        self._say_ready(wanted, prepared.environment)
        return prepared

    async def _with_kept_recipe(self, wanted: PreparationRequest, rules: Environment) -> Prepared:
        """With what a model found before for the same; commands that fail now are not used."""
        if not self._records or self._recipes_for is None or rules.asked:
            return Prepared(rules, rules)
        recipes = await self._records.recipes(repo_of(wanted.base))
        key = self.recipe_key(wanted.base.trusted_base, rules)
        recipe = recipes.find(key, self.clock())
        if recipe is None:
            return Prepared(rules, rules)
        if recipe.failure:  # told once the main check says that it is lacking still
            return Prepared(rules, rules, recipe)
        try:
            return Prepared(await self.apply(wanted, rules, recipe), rules, recipe)
        except SetupFailed as error:
            why = f"The commands that run {recipe.run_id} found fail now. {error.message}"
            return Prepared(rules.lacking(MODEL_PART, why), rules)

    def _say_ready(self, wanted: PreparationRequest, environment: Environment) -> None:
        event = EnvironmentReady.model_validate(environment.model_dump())
        say = self._voices.setdefault(wanted.run_id, _Voice()).say
        say(event.keyed(f"environment:{wanted.base.moved}"))

    async def _run_baseline(self, wanted: PreparationRequest, work: _Work) -> Validation | None:
        """Nobody waits for it, so that its errors are no more than told."""
        say, main = self._voices.setdefault(wanted.run_id, _Voice()).say, wanted.main

        def tell(report: CommandReport) -> None:
            if main and report.shell == main.shell:
                self._tell_kept_failure(wanted, work, report)
                work.tell_main(report)

        try:
            environment = (await asyncio.shield(work.prepared)).environment
            work.ready_at = time.monotonic()
            await self._remember(wanted, environment, None)
            baseline = await self._checks.baseline(
                wanted.run_id, wanted.base, environment, wanted.checks, wanted.deadline, say, tell
            )
            environment = (await asyncio.shield(work.prepared)).environment
            await self._remember(wanted, environment, baseline)
        except CodingAgentError as error:
            log.warning("run %s has no baseline: %s", wanted.run_id, error.message)
            return None
        event = BaselineFinished.model_validate(baseline.model_dump())
        say(event.keyed(f"baseline:{wanted.base.moved}"))
        return baseline

    def _tell_kept_failure(
        self, wanted: PreparationRequest, work: _Work, report: CommandReport
    ) -> None:
        """That a model found nothing before, where the main check still does not come through."""
        prepared = work.prepared.result()
        if prepared.environment is not prepared.rules or not prepared.recipe:
            return
        if report.status == "unavailable" or report.lacking:
            without = prepared.rules.lacking(MODEL_PART, told(prepared.recipe))
            work.prepared = asyncio.create_task(
                _given(Prepared(without, prepared.rules, prepared.recipe))
            )
            self._say_ready(wanted, without)

    async def _remember(
        self, wanted: PreparationRequest, environment: Environment, baseline: Validation | None
    ) -> None:
        if self._records and wanted.base.trusted is None:
            record = EnvironmentRecord(
                repo=repo_of(wanted.base),
                sha=wanted.base.sha,
                run_id=wanted.run_id,
                made_at=self.clock(),
                environment=environment,
                baseline=baseline,
            )
            await self._records.put(record)


def told(recipe: Recipe, *, kept: bool = True) -> str:
    """What a reader is told of a recipe that is none."""
    again = "it is tried again after 30 days" if kept else "the next run tries again"
    return f"{recipe.failure} (Tried in run {recipe.run_id}; {again}.)"


async def _given(prepared: Prepared) -> Prepared:
    return prepared


def _cancel(work: _Work) -> None:
    work.baseline.cancel()
    work.prepared.cancel()


async def _end(work: _Work) -> None:
    await end_tasks(work.baseline, work.prepared)


def _result(task: "asyncio.Task[T]") -> T | None:
    return task.result() if task.done() and not task.cancelled() and not task.exception() else None


def _look_at(task: "asyncio.Task[object]") -> None:
    """Who waits for it hears of its error; where nobody does, asyncio would complain."""
    if not task.cancelled():
        task.exception()
