"""Making a repository's environment and running its checks, without a model and without a run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from graph import (
    Base,
    Check,
    CommandReport,
    Emit,
    Environment,
    PreparationRequest,
    SetupTurn,
    Spend,
    Validation,
    own_settings,
    repo_of,
)
from runs.driving import LocalRunFiles
from runs.model import RunIds
from sandbox.discovery import settable
from wiring.machine import Machine


@dataclass(frozen=True)
class EnvironmentTrial:
    """What came of one repository; `seconds` from the clone to the last check's end.

    `notes` say what of the repository and of its own settings is left out. `spend` is what a set-up
    turn has cost.
    """

    base: Base
    checks: tuple[Check, ...]
    environment: Environment
    baseline: Validation | None
    seconds: float
    notes: tuple[str, ...]
    spend: Spend

    @cached_property
    def main(self) -> CommandReport | None:
        """How the main test check ended; None where there is none."""
        tests = [check for check in self.checks if check.kind == "test"]
        main = next((check for check in tests if check.main), tests[0] if tests else None)
        reports = self.baseline.commands if self.baseline else ()
        return next((report for report in reports if main and report.shell == main.shell), None)

    @property
    def settings(self) -> str:
        """The text of a file that asks for what was found: what held of set-up, checks that ran."""
        reports = self.baseline.commands if self.baseline else ()
        ran = [report.shell for report in reports if report.status in ("passed", "failed")]
        return own_settings(self.environment, ran, settable(self.environment.variables))

    @property
    def runs(self) -> bool:
        """Whether the main check starts, with its tests, and comes to its end."""
        main = self.main
        return main is not None and main.status in ("passed", "failed") and main.loaded


async def try_environment(
    machine: Machine,
    repo_url: str,
    emit: Emit,
    tell_checks: Callable[[Iterable[str]], None],
    *,
    with_model: bool = False,
) -> EnvironmentTrial:
    """Make it and run the checks on the untouched base. Raises CodingAgentError.

    `tell_checks` is given the commands that will run, before set-up begins.
    `with_model` allows a set-up turn. What set-up left is kept for runs, and what the turn came to;
    of the trial itself nothing stays.
    """
    spend = Spend()
    begun, run_id, services = time.monotonic(), _new_run_id(), machine.services
    deadline = time.time() + machine.settings.run_timeout_s
    try:
        await services.workspaces.open(run_id)
        base = await services.repositories.prepare(run_id, repo_url, None, emit)
        found = await services.checks.find(run_id, base, (), only=False, emit=emit)
        tell_checks(check.shell for check in found.checks)
        wanted = PreparationRequest(run_id, base, (), found.checks, deadline)
        with services.preparation.heard_by(run_id, emit):
            environment = await services.preparation.environment(wanted)
            baseline = await services.preparation.baseline(wanted)
            if with_model and (taken := await _take_turn(machine, wanted, emit)) is not None:
                spend = taken
                environment = await services.preparation.environment(wanted)
                baseline = await services.preparation.baseline(wanted)
    finally:
        await services.close_run(run_id)
        await LocalRunFiles(machine.runs).remove(run_id)
    seconds = time.monotonic() - begun
    notes = (*base.notes, *found.notes)
    return EnvironmentTrial(base, found.checks, environment, baseline, seconds, notes, spend)


async def _take_turn(machine: Machine, wanted: PreparationRequest, emit: Emit) -> Spend | None:
    """What a set-up turn has cost; None where there was none to take."""
    turn = SetupTurn(machine.services)
    if (lack := await turn.find_lack(wanted)) is None:
        return None
    return (await turn.take(wanted, lack, emit, limits=machine.configuration.limits)).spend


async def forget_environment(machine: Machine, repo_url: str) -> bool:
    """Whether anything was known of the repository. Raises RepositoryError, GitHubError."""
    run_id = _new_run_id()
    try:
        await machine.services.workspaces.open(run_id)
        base = await machine.services.repositories.prepare(run_id, repo_url, None, lambda _: None)
    finally:
        await machine.services.close_run(run_id)
        await LocalRunFiles(machine.runs).remove(run_id)
    return await machine.environment_records.forget(repo_of(base))


def _new_run_id() -> str:
    return RunIds().new()
