"""The set-up turn: a model looks for what rules did not bring, and what it finds is tried by us.

It is called like a role, on the untouched base alone. Its commands count where the main check, in a
tree that they made from nothing, then starts.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from graph.base_services import PreparationRequest, Prepared
from graph.environment import LACKS_SERVICE, Environment, Recipe
from graph.errors import ClaudeError, RoleError, RoleSuperseded, SandboxError, SetupFailed
from graph.events.run_events import Emit, Event, UsageReported
from graph.preparation import MODEL_PART, told
from graph.services import Services
from graph.spending import Budget, Spend
from graph.state import Limits
from graph.tasks import RoleTask, SetupResult
from graph.values import CheckStatus, CommandReport, Stop, Validation

LONGEST_S: Final = 600.0
SHARE: Final = 0.1
"""Of a run's money and tokens, at most for its set-up turn."""
NOTHING_SPENT: Final = Spend()
_READY: Final = 2
_CUT_SHORT_S: Final = 1.0
"""So near to the end of the run what did not hold may have been cut short."""
_STOPS: Final[dict[Stop, str]] = {
    "budget": "its share of the run's money was spent",
    "tokens": "its share of the run's tokens was spent",
    "time": "its time was over",
    "turns": "it used all its turns",
}


@dataclass(frozen=True)
class Lack:
    """Why a turn is taken: how the main check ended; None where this run took it before."""

    report: CommandReport | None


@dataclass(frozen=True)
class TurnEnd:
    """What came of a turn, and what it has cost."""

    recipe: Recipe
    spend: Spend


@dataclass
class _SpendHeard:
    """Hands events on, and adds up what they say was spent."""

    emit: Emit
    spend: Spend = field(default_factory=Spend)
    _known: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        if isinstance(event, UsageReported) and event.key not in self._known:
            self._known.add(event.key)
            self.spend += Spend(usage=event.usage, cost_usd=event.cost_usd, turns=event.replies)
        self.emit(event)


@dataclass(frozen=True)
class SetupTurn:
    """The set-up turn over one set of services."""

    services: Services

    async def find_lack(self, wanted: PreparationRequest) -> Lack | None:
        """What a turn may find; None where there is nothing, or where that is not known in time.

        What another run did not find is not looked for again, nor more than it did. On a pull
        request no turn is taken: it would have a network beside that one's code. Raises
        SandboxError.
        """
        preparation = self.services.preparation
        if self.services.setup is None or wanted.main is None or wanted.base.trusted:
            return None
        prepared = await preparation.prepared(wanted)
        recipe = prepared.recipe
        if prepared.rules.asked:
            return None
        if recipe and recipe.run_id == wanted.run_id:
            return Lack(None)
        report = await preparation.main_report(wanted)
        if recipe and recipe.failure:  # by now it is told, where it holds still
            return None
        wished = recipe.reached if recipe else _READY
        return Lack(report) if report and readiness(report) < wished else None

    async def take(
        self,
        wanted: PreparationRequest,
        lack: Lack,
        emit: Emit,
        *,
        limits: Limits,
        spent: Spend = NOTHING_SPENT,
        step: int = 1,
        model: str | None = None,
    ) -> TurnEnd:
        """Ask the model, try what it says, keep what came of it, and go on with that.

        It has a share of what `limits` leave beside what was `spent`. Of a turn that was taken
        before, what it has cost is found in its transcript.
        """
        preparation, heard = self.services.preparation, _SpendHeard(emit)
        prepared = await preparation.prepared(wanted)
        task = RoleTask(
            run_id=wanted.run_id,
            role="setup",
            step=step,
            fence=await self.services.workspaces.next_fence(wanted.run_id),
            prompt="",
            base=wanted.base,
            budget=_budget(limits, spent, wanted.deadline),
            model=model,
            environment=prepared.rules,
            baseline=_known_of(lack),
        )
        if lack.report is None and prepared.recipe:
            result, _ = await self._ask(task, heard, wanted.deadline)
            return TurnEnd(prepared.recipe, result.spend)
        result, lasting = await self._ask(task, heard, wanted.deadline)
        recipe = await self._judge(wanted, prepared.rules, lack, result, lasting=lasting)
        return TurnEnd(recipe, result.spend)

    async def _judge(
        self,
        wanted: PreparationRequest,
        rules: Environment,
        lack: Lack,
        result: SetupResult,
        *,
        lasting: bool,
    ) -> Recipe:
        """What an answer comes to: it is tried, kept where it lasts, and gone on with."""
        preparation = self.services.preparation
        recipe = Recipe(
            key=preparation.recipe_key(wanted.base, rules),
            run_id=wanted.run_id,
            made_at=preparation.clock(),
            commands=result.commands,
            failure=result.reason,
        )
        if recipe.commands:
            prepared, recipe, lasting = await self._try(wanted, rules, recipe, lack)
        else:
            why = told(recipe, kept=lasting)
            prepared = Prepared(rules.lacking(MODEL_PART, why), rules, recipe)
        if lasting:
            await preparation.keep(wanted, recipe)
        await preparation.adopt(wanted, prepared)
        return recipe

    async def _ask(
        self, task: RoleTask, heard: _SpendHeard, run_deadline: float
    ) -> tuple[SetupResult, bool]:
        """The answer, with a reason where there are no commands; whether it is worth keeping."""
        assert self.services.setup
        try:
            result = await self.services.setup(task, heard)
        except RoleSuperseded:
            raise
        except (ClaudeError, RoleError, SandboxError) as error:
            reason = f"A model could not be asked: {error.message}"
            return SetupResult(reason=reason, spend=heard.spend), False
        if result.commands:
            return result.model_copy(update={"reason": ""}), True
        if result.stopped:
            cut_short = result.stopped == "time" and task.budget.deadline == run_deadline
            reason = f"A model came to no answer: {_STOPS[result.stopped]}."
            lasting = result.spend.turns > 0 and not cut_short
            return result.model_copy(update={"reason": reason}), lasting
        reason = f"A model found no commands: {result.reason or 'it does not say why.'}"
        return result.model_copy(update={"reason": reason}), True

    async def _try(
        self, wanted: PreparationRequest, rules: Environment, recipe: Recipe, lack: Lack
    ) -> tuple[Prepared, Recipe, bool]:
        """Run the commands from nothing, then the main check; whether what came of it lasts."""
        try:
            environment = await self.services.preparation.apply(wanted, rules, recipe)
            after = await self._main_on(wanted, environment)
        except SandboxError as error:
            why = f"The commands that a model found do not hold. {error.message}"
            lasting = isinstance(error, SetupFailed)
        else:
            lasting = after is not None
            before = readiness(lack.report) if lack.report else 0
            if after and (reached := readiness(after)) > before:
                held = recipe.model_copy(update={"reached": reached})
                return Prepared(environment, rules, held), held, True
            why = f"With the commands that a model found the main check {_end(after)}."
        lasting = lasting and time.time() < wanted.deadline - _CUT_SHORT_S
        failed = recipe.model_copy(update={"commands": (), "failure": why})
        why = told(failed, kept=lasting)
        return Prepared(rules.lacking(MODEL_PART, why), rules, failed), failed, lasting

    async def _main_on(
        self, wanted: PreparationRequest, environment: Environment
    ) -> CommandReport | None:
        assert wanted.main
        validation = await self.services.checks.baseline(
            wanted.run_id, wanted.base, environment, (wanted.main,), wanted.deadline
        )
        return next(iter(validation.commands), None)


def readiness(report: CommandReport) -> int:
    """How far an environment lets a check come: to no start, to what is missing, or through.

    What a service keeps from its start no commands of set-up can fix.
    """
    if report.status == "unavailable":
        return _READY if report.output.startswith(LACKS_SERVICE) else 0
    if report.status != "failed" or not report.lacking:
        return _READY
    return 1 if report.loaded else 0


def _budget(limits: Limits, spent: Spend, deadline: float) -> Budget:
    """A share of what the run may use, and no more than is left of it."""
    money = limits.max_cost_usd * SHARE + (spent.cost_usd or 0.0)
    tokens = int(limits.max_tokens * SHARE) + spent.usage.tokens
    return Budget(
        max_cost_usd=min(limits.max_cost_usd, money) or None,
        max_tokens=min(limits.max_tokens, tokens) or None,
        deadline=min(deadline, time.time() + LONGEST_S),
        spent=spent,
    )


def _known_of(lack: Lack) -> Validation | None:
    """What the turn is told of the checks on the base: the main one."""
    if lack.report is None:
        return None
    status: CheckStatus = "unavailable" if lack.report.status == "unavailable" else "failed"
    return Validation(status=status, commands=(lack.report,))


def _end(report: CommandReport | None) -> str:
    if report is None:
        return "did not come to its end"
    if report.status == "unavailable":
        return "still cannot start"
    return f"still says: {report.lacking}"
