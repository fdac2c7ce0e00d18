"""The commands that say whether a change holds: found in the base, run on the change."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from graph import (
    Base,
    ChangeRef,
    Check,
    Checks,
    CheckStatus,
    CommandReport,
    Emit,
    Environment,
    FoundChecks,
    RunFolder,
    Validation,
    unheard,
)
from graph.errors import SetupFailed
from sandbox.checks.base_results import BaseResults, baseline_of
from sandbox.checks.new_failures import Failures, compare_with_base
from sandbox.checks.parse_diff import Diff
from sandbox.checks.run_check import run_check
from sandbox.checks.tamper_findings import (
    base_test_findings,
    hint_findings,
    setup_findings,
    silent_findings,
    without_known_suppressions,
)
from sandbox.core.output import cut_middle
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.discovery.find_checks import find_checks
from sandbox.discovery.read_repository import read_repository
from sandbox.discovery.repository_config import RepositoryConfig, config_of
from sandbox.ecosystems.project import RepositoryFiles

PLAN = "plan"
_MOST_NAMES = 50
_NO_FAILURES = Failures()


@dataclass(frozen=True)
class _Outcome:
    """What one check came to.

    `conclusive`: it says something of the change, as it passed, or names the tests that fail.
    `silent`: it passed and reports no test. `finished` is False where the run's time ended before.
    """

    check: Check
    report: CommandReport
    failures: Failures = _NO_FAILURES
    conclusive: bool = False
    silent: bool = False
    finished: bool = True


class SandboxChecks(Checks):
    """Runs checks in trees of their own, which are gone when it returns."""

    def __init__(self, *, runs: Path, sandboxes: Sandboxes) -> None:
        self._runs = runs
        self._sandboxes = sandboxes

    async def find(
        self,
        run_id: str,
        base: Base,
        caller: tuple[str, ...],
        only: bool,
        emit: Emit = unheard,
    ) -> FoundChecks:
        """Reads the base's objects; the tree `plan` of a run's first base stays for the planner."""
        name = f"moved-{base.moved}" if base.moved else PLAN
        tree = TreeSpec(name=name, base=base, checkout=False, emit=emit)
        sandbox = await self._sandboxes.open(run_id, tree)
        repository = await read_repository(sandbox, base)
        if base.moved:
            await self._sandboxes.discard(run_id, name)
        config = config_of(repository)
        asked = dict.fromkeys(command for command in caller if command.strip())
        checks = [Check(command=command, source="caller") for command in asked]
        if not only:
            named = {check.shell for check in checks}
            found = await asyncio.to_thread(_checks_of, repository, config)
            checks += [check for check in found if check.shell not in named]
        return FoundChecks(checks=tuple(checks), notes=config.notes)

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        checks: tuple[Check, ...],
        deadline: float,
        emit: Emit = unheard,
    ) -> Validation:
        tree = TreeSpec(
            name=f"baseline-{base.moved}", base=base, environment=environment, emit=emit
        )
        on_base = BaseResults(self._runs, self._sandboxes, run_id, tree)
        try:
            runs = [(check, await on_base.find(check, deadline)) for check in checks]
        finally:
            await on_base.discard()
        return baseline_of(runs)

    async def validate(
        self,
        run_id: str,
        base: Base,
        change: ChangeRef,
        checks: tuple[Check, ...],
        environment: Environment,
        deadline: float,
        emit: Emit = unheard,
    ) -> Validation:
        if not checks:
            return Validation(status="unavailable")
        unique = secrets.token_hex(4)
        untouched = TreeSpec(name=f"base-{unique}", base=base, environment=environment, emit=emit)
        tree = replace(untouched, name=f"validate-{unique}", change=change)
        on_base = BaseResults(self._runs, self._sandboxes, run_id, untouched)
        read = await Diff.load(RunFolder.of(self._runs, run_id).diff(change.step)) or Diff()
        found = await asyncio.to_thread(hint_findings, read)
        found += setup_findings(read, environment.setup)
        try:
            async with self._open(run_id, tree) as sandbox:
                found = await without_known_suppressions(found, read, sandbox)
                outcomes = [await _outcome(sandbox, check, on_base, deadline) for check in checks]
            validation = _validation(outcomes)
            if validation.status == "passed":
                silent = [outcome.check for outcome in outcomes if outcome.silent]
                found += await silent_findings(silent, on_base, deadline)
                found += await base_test_findings(
                    run_id, tree, read, checks, self._sandboxes, on_base, deadline
                )
        except SetupFailed as error:
            validation = _set_up_failed(error)
        finally:
            await on_base.discard()
        return validation.model_copy(update={"findings": found})

    @asynccontextmanager
    async def _open(self, run_id: str, tree: TreeSpec) -> AsyncIterator[Sandbox]:
        """A tree that is gone afterwards."""
        try:
            yield await self._sandboxes.open(run_id, tree)
        finally:
            await self._sandboxes.discard(run_id, tree.name)


def _checks_of(repository: RepositoryFiles, config: RepositoryConfig) -> tuple[Check, ...]:
    """What the repository says itself, else what its files tell."""
    if config.validate is None:
        return find_checks(repository)
    commands = dict.fromkeys(config.validate)
    return tuple(Check(command=command, source="repository") for command in commands)


async def _outcome(
    sandbox: Sandbox, check: Check, on_base: BaseResults, deadline: float
) -> _Outcome:
    """Run a check on the change; one that fails is compared with the base."""
    run = await run_check(sandbox, check, deadline)
    if run.passed:
        return _Outcome(check, run.report(check, "passed"), conclusive=True, silent=not run.ran)
    if run.too_late:
        return _Outcome(check, run.report(check, "unavailable"), finished=False)
    base = await on_base.find(check, deadline)
    if not run.started and (base is None or not base.started):
        return _Outcome(check, run.report(check, "unavailable"))
    failures = compare_with_base(run, base)
    return _Outcome(check, run.report(check, "failed"), failures, conclusive=run.compared)


def _validation(outcomes: list[_Outcome]) -> Validation:
    new = tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.failures.new))
    known = tuple(
        dict.fromkeys(name for outcome in outcomes for name in outcome.failures.preexisting)
    )
    return Validation(
        status=_status(outcomes, bool(new)),
        commands=tuple(outcome.report for outcome in outcomes),
        new_failures=_shortened(new),
        known_failures=_shortened(known),
    )


def _status(outcomes: list[_Outcome], anything_new: bool) -> CheckStatus:
    """Passed: what could start came to its end, and nothing fails that did not fail before.

    Checks that fail as a whole without the change, too, say nothing of it: where there are no
    others, it was not validated.
    """
    if anything_new:
        return "failed"
    finished = all(outcome.finished for outcome in outcomes)
    conclusive = any(outcome.conclusive for outcome in outcomes)
    return "passed" if finished and conclusive else "unavailable"


def _shortened(names: tuple[str, ...]) -> tuple[str, ...]:
    """A list that a state and an event can hold."""
    if len(names) <= _MOST_NAMES:
        return names
    return (*names[:_MOST_NAMES], f"… and {len(names) - _MOST_NAMES} more")


def _set_up_failed(error: SetupFailed) -> Validation:
    """The base was set up before a role changed it: that it fails now is the change's doing."""
    report = CommandReport(
        command="set-up",
        exit_code=None,
        status="failed",
        duration_ms=0,
        output=cut_middle(error.message, 4000),
    )
    return Validation(status="failed", commands=(report,), new_failures=(report.command,))
