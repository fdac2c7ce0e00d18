"""The commands that say whether a change holds: found in the base, run on the change."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from graph import (
    Base,
    ChangeRef,
    Check,
    Checks,
    CommandReport,
    Emit,
    Environment,
    FoundChecks,
    RunFolder,
    Validation,
    unheard,
)
from graph.errors import SandboxError, SetupFailed
from sandbox.changes.known_contents import with_contents
from sandbox.changes.parse_diff import Diff
from sandbox.checks.base_results import BaseResults
from sandbox.checks.changelog_finding import changelog_findings
from sandbox.checks.coverage import find_packages, find_uncovered
from sandbox.checks.judge import (
    MOST_NAMES,
    BaseOutcome,
    baseline_of,
    on_base_of,
    outcomes_of,
    set_up_failed,
    validation_of,
)
from sandbox.checks.kept_results import KeptResults
from sandbox.checks.proof import prove
from sandbox.checks.tamper_findings import (
    base_test_findings,
    hint_findings,
    setup_findings,
    silent_findings,
    without_known_suppressions,
)
from sandbox.core.output import cut_middle
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.discovery.find_changelog import find_changelog
from sandbox.discovery.find_checks import find_checks
from sandbox.discovery.hints import find_hints, tests_of_ci
from sandbox.discovery.read_repository import read_repository
from sandbox.discovery.repository_config import RepositoryConfig, config_of
from sandbox.ecosystems.install_step import is_example
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.registry import call_in
from sandbox.setup.pull_ground import ground_notes
from sandbox.setup.withheld import judged_without
from sandbox.tree.run_folder import PLAN

log = logging.getLogger(__name__)
BASELINE_WEIGHT: Final = 0.5
"""Nobody waits for it: other commands come first."""
_MOST_BEGUN: Final = 1_000
"""Trees that are remembered as begun; one that is forgotten is made again, and goes with its run.
"""


class SandboxChecks(Checks):
    """Runs checks in trees of their own, which are gone when it returns."""

    def __init__(
        self,
        *,
        runs: Path,
        sandboxes: Sandboxes,
        kept: KeptResults | None = None,
        most_names: int = MOST_NAMES,
    ) -> None:
        """Baselines are `kept` for later runs. Of a change's failures `most_names` are told."""
        self._runs = runs
        self._most_names = most_names
        self._sandboxes = sandboxes
        self._kept = kept
        self._begun: dict[str, str] = {}
        """What tells the trees that were begun from others, by their runs."""

    async def find(
        self,
        run_id: str,
        base: Base,
        caller: tuple[str, ...],
        only: bool,
        emit: Emit = unheard,
    ) -> FoundChecks:
        """Reads the trusted base's objects.

        The tree `plan` of a run's first base stays for the planner.
        """
        stays = not base.moved and base.trusted is None
        name, trusted = PLAN if stays else f"find-{base.moved}", base.trusted_base
        tree = TreeSpec(name=name, base=trusted, checkout=False, emit=emit)
        sandbox = await self._sandboxes.open(run_id, tree)
        repository = await read_repository(sandbox, trusted)
        if not stays:
            await self._sandboxes.discard(run_id, name)
        config = await asyncio.to_thread(config_of, repository)
        asked = dict.fromkeys(command for command in caller if command.strip())
        checks = [Check(command=command, source="caller") for command in asked]
        if not only:
            named = {check.shell for check in checks}
            found = await asyncio.to_thread(_checks_of, repository, config)
            checks += [check for check in found if check.shell not in named]
        notes = await asyncio.to_thread(ground_notes, RunFolder.of(self._runs, run_id), base)
        return FoundChecks(
            checks=tuple(checks),
            notes=(*config.notes, *notes),
            changelog=await asyncio.to_thread(find_changelog, repository),
        )

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        checks: tuple[Check, ...],
        deadline: float,
        emit: Emit = unheard,
        tell: Callable[[CommandReport], None] = unheard,
    ) -> Validation:
        tree = TreeSpec(
            name=f"baseline-{base.moved}",
            base=base,
            environment=environment,
            weight=BASELINE_WEIGHT,
            emit=emit,
        )
        on_base = BaseResults(self._runs, self._sandboxes, run_id, tree, self._kept)
        results: list[BaseOutcome] = []
        try:
            for check in checks:
                results.append(result := await on_base_of(check, on_base, deadline))
                if result.run:
                    tell(result.run.report(check))
        except SandboxError as error:
            if not results:
                raise
            log.warning("run %s knows a part of its baseline: %s", run_id, error.message)
        finally:
            await on_base.discard()
        return baseline_of(results)

    def begin(self, run_id: str, base: Base, environment: Environment) -> None:
        unique = self._begun[run_id] = secrets.token_hex(4)
        while len(self._begun) > _MOST_BEGUN:  # runs that ended before they came to it
            del self._begun[next(iter(self._begun))]
        tree = TreeSpec(name=_validation_tree(unique), base=base, environment=environment)
        self._sandboxes.begin(run_id, tree.name, tree)

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
        read = await Diff.load(RunFolder.of(self._runs, run_id).diff(change.step)) or Diff()
        needed = not read.is_prose or any(check.source == "caller" for check in checks)
        unnoted = changelog_findings(base, read)
        if not checks:
            return Validation(status="unavailable", needed=needed, findings=unnoted)
        unique = self._begun.pop(run_id, "") or secrets.token_hex(4)
        untouched = TreeSpec(name=f"base-{unique}", base=base, environment=environment, emit=emit)
        tree = replace(untouched, name=_validation_tree(unique), change=change)
        on_base = BaseResults(self._runs, self._sandboxes, run_id, untouched, self._kept)
        of_set_up = await asyncio.to_thread(setup_findings, read, environment)
        try:
            async with self._open(run_id, tree) as sandbox:
                read = await with_contents(sandbox, base, read)
                packages = await find_packages(sandbox, base, read, checks)
                hints = await asyncio.to_thread(hint_findings, read)
                found = await without_known_suppressions(hints, read, sandbox) + of_set_up
                outcomes = await outcomes_of(sandbox, checks, on_base, deadline, read.files)
                validation = validation_of(outcomes, self._most_names)
                if of_set_up and environment.fixed:
                    validation = await judged_without(validation, environment, sandbox)
            found += (uncovered := await find_uncovered(read, outcomes, packages))
            if uncovered and validation.status == "passed":
                validation = validation.model_copy(update={"status": "unavailable"})
            if validation.status != "failed":
                passed = [outcome for outcome in outcomes if outcome.passed]
                silent = [each.check for each in passed if not each.run.ran]
                found += await silent_findings(silent, on_base, deadline)
                asked = tuple(outcome.check for outcome in passed)
                found += await base_test_findings(
                    run_id, tree, read, asked, self._sandboxes, on_base, deadline
                )
                proof = await prove(run_id, tree, read, asked, self._sandboxes, deadline)
                validation = validation.model_copy(update={"proof": proof})
        except SetupFailed as error:
            validation = set_up_failed(cut_middle(error.message, 4000))
            found = await asyncio.to_thread(hint_findings, read) + of_set_up
        finally:
            await on_base.discard()
        told = (*validation.findings, *found, *unnoted)
        return validation.model_copy(update={"findings": told, "needed": needed})

    @asynccontextmanager
    async def _open(self, run_id: str, tree: TreeSpec) -> AsyncIterator[Sandbox]:
        """A tree that is gone afterwards."""
        try:
            yield await self._sandboxes.open(run_id, tree)
        finally:
            await self._sandboxes.discard(run_id, tree.name)


def _validation_tree(unique: str) -> str:
    return f"validate-{unique}"


def _checks_of(repository: RepositoryFiles, config: RepositoryConfig) -> tuple[Check, ...]:
    """What the repository says itself, else what its files tell; one of them is the main one."""
    if config.validate is None:
        return mark_main(find_checks(repository), tests_of_ci(find_hints(repository)))
    commands = dict.fromkeys(config.validate)
    return mark_main(tuple(Check(command=command, source="repository") for command in commands))


def mark_main(found: tuple[Check, ...], ci: str = "") -> tuple[Check, ...]:
    """The first test of the top folder, or of the only package, is the main one.

    Where the repository's CI runs one of them, it is the first that CI runs. Examples and what lies
    among tests count where there is nothing else.
    """
    tests = [check for check in found if check.kind == "test"]
    tests = [check for check in tests if not is_example(check.folder)] or tests
    folders = {check.folder for check in tests}
    may_be = [check for check in tests if not check.folder or len(folders) == 1]
    run_by_ci = [check for check in may_be if call_in(check.command) in ci]
    main = next(iter(run_by_ci or may_be), None)
    return tuple(
        check.model_copy(update={"main": True}) if check is main else check for check in found
    )
