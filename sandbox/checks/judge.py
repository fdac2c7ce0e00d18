"""What checks come to: each run on the change, held against the base, and all summed up."""

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from graph import (
    Check,
    CheckStatus,
    CommandReport,
    FolderCommand,
    Validation,
    ValidationFinding,
    main_checks,
)
from graph.errors import SandboxError
from sandbox.changes.moved_tests import moved_ids
from sandbox.changes.parse_diff import FileDiff
from sandbox.checks.base_results import BaseResults
from sandbox.checks.could_start import is_folder_gone
from sandbox.checks.new_failures import Failures, compare_stopped, compare_with_base
from sandbox.checks.run_again import flaky_on_base, masked_again, run_failures_again
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.registry import calls_runner

log = logging.getLogger(__name__)
MOST_NAMES: Final = 50
"""As many as a state and an event can hold."""
_MOST_SHOWN: Final = 10
_NO_FAILURES: Final = Failures()


@dataclass(frozen=True)
class Outcome:
    """What one check came to.

    `conclusive`: it passed by tests that may have run and hides no failure, or names all that fail.
    `gone`: the change has removed the folder that it is for. `masked` are tests that it reports as
    failed though it passes, and that the base does not.
    """

    check: Check
    report: CommandReport
    run: CheckRun
    failures: Failures = _NO_FAILURES
    conclusive: bool = False
    gone: bool = False
    masked: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.report.status == "passed"

    @property
    def cut_short(self) -> bool:
        """Whether it fails as it does without the change, and does not tell of all tests."""
        return bool(self.failures.preexisting) and not (self.failures.new or self.run.complete)

    @property
    def decides(self) -> bool:
        """Whether it says of the change that it holds, or that it does not."""
        return self.conclusive or bool(self.failures.new)


@dataclass(frozen=True)
class BaseOutcome:
    """What one check came to on the untouched base; `kept`: in an earlier run."""

    check: Check
    run: CheckRun | None
    flaky: tuple[str, ...] = ()
    kept: bool = False


async def on_base_of(check: Check, on_base: BaseResults, deadline: float) -> BaseOutcome:
    """Run a check on the untouched base; what ends the same way again is kept for later runs.

    Where it cannot be run again, the first result is told.
    """
    if known := await on_base.load(check):
        return BaseOutcome(check, known, kept=True)
    run = await on_base.find(check, deadline)
    if run is None:
        return BaseOutcome(check, run)
    try:
        flaky = await flaky_on_base(check, run, on_base, deadline)
    except SandboxError as error:
        log.warning("`%s` is not run again on the base: %s", check.shell, error.message)
        return BaseOutcome(check, run)
    if flaky == ():
        await on_base.keep(check, run)
    return BaseOutcome(check, run, flaky or ())


async def outcomes_of(
    sandbox: Sandbox,
    checks: Sequence[Check],
    on_base: BaseResults,
    deadline: float,
    files: Sequence[FileDiff],
) -> list[Outcome]:
    """Run checks one after another on the change of these files."""
    lost = await asyncio.to_thread(_lost_paths, files)
    gone = [each for each in checks if _loses(each, lost) and await is_folder_gone(sandbox, each)]
    return [
        await _outcome_of(sandbox, check, on_base, deadline, files, gone=check in gone)
        for check in checks
    ]


def _lost_paths(files: Sequence[FileDiff]) -> list[str]:
    """Where a change takes files away, in order: there can be many, and many checks to ask."""
    return sorted(each.old_path for each in files if each.status in ("deleted", "renamed"))


def _loses(check: Check, lost: Sequence[str]) -> bool:
    """Whether one of these paths, which are in order, lies in the check's folder."""
    inside = f"{check.folder}/"
    at = bisect_left(lost, inside)
    return at < len(lost) and lost[at].startswith(inside)


async def _outcome_of(
    sandbox: Sandbox,
    check: Check,
    on_base: BaseResults,
    deadline: float,
    files: Sequence[FileDiff],
    *,
    gone: bool,
) -> Outcome:
    """Run a check on the change; one that fails is compared with the base, and run again alone."""
    run = await run_check(sandbox, check, deadline)
    report = run.report(check)
    if not run.begun:
        return Outcome(check, report, run)
    if run.passed:
        reported = await _masked(check, run, on_base, deadline)
        masked = await masked_again(sandbox, check, run, reported, deadline)
        retried = Failures(flaky=tuple(name for name in reported if name not in masked))
        conclusive = not masked and not _is_idle(check, run)
        return Outcome(check, report, run, retried, conclusive=conclusive, masked=masked)
    if run.limit:
        return Outcome(check, report, run, compare_stopped(run, await on_base.load(check)))
    if gone:
        return Outcome(check, run.report(check, "unavailable"), run, gone=True)
    base = await on_base.find(check, deadline)
    if not run.started and (base is None or not base.started):
        return Outcome(check, report, run)
    names = base.failed_tests if base else ()
    moved = await asyncio.to_thread(moved_ids, names, files, check.folder)
    failures = compare_with_base(run, base, moved)
    failures = await run_failures_again(sandbox, check, run, failures, on_base, deadline)
    if failures.flaky:
        await on_base.forget(check)
    if not run.started:
        report = run.report(check, "failed")  # what it calls is there on the base
    known = run.compared or failures.flaky == (run.command,)
    conclusive = known and run.complete and not failures.unknown
    return Outcome(check, report, run, failures, conclusive=conclusive)


async def _masked(
    check: Check, run: CheckRun, on_base: BaseResults, deadline: float
) -> tuple[str, ...]:
    if not run.masked:
        return ()
    base = await on_base.find(check, deadline)
    before = {*base.masked, *base.failed_tests} if base else frozenset[str]()
    return tuple(name for name in run.masked if name not in before)


def baseline_of(outcomes: Sequence[BaseOutcome]) -> Validation:
    """What the runs on the untouched base say; what fails there is known, and nothing is new."""
    ran = [(each.check, each.run) for each in outcomes if each.run]
    reports = tuple(run.report(check) for check, run in ran)
    known = [name for _, run in ran if not run.passed for name in run.failed_tests]
    flaky = _names(name for each in outcomes for name in each.flaky)
    ended = {report.status for report in reports}
    status: CheckStatus = "passed" if ended == {"passed"} else "failed"
    return Validation(
        status=status if ended & {"passed", "failed"} else "unavailable",
        commands=reports,
        known_failures=_names(name for name in known if name not in flaky),
        flaky=flaky,
        kept=bool(ran) and all(each.kept for each in outcomes),
    )


def validation_of(outcomes: Sequence[Outcome], most_names: int = MOST_NAMES) -> Validation:
    """All outcomes together; of each kind of failures it names so many."""
    failures = [outcome.failures for outcome in outcomes]
    new = _names((name for each in failures for name in each.new), most_names)
    return Validation(
        status="failed" if new else _status([each for each in outcomes if not each.gone]),
        commands=tuple(outcome.report for outcome in outcomes),
        new_failures=new,
        known_failures=_names((name for each in failures for name in each.preexisting), most_names),
        flaky=_names((name for each in failures for name in each.flaky), most_names),
        findings=tuple(filter(None, map(_gap, outcomes))),
    )


def deciding(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that can say that code holds: where there are tests, no linter says it.

    Those of the plan take the place of no others: they count where they tell of tests.
    """
    there = [outcome for outcome in outcomes if not outcome.gone]
    tests = any(_is_test(outcome.check) for outcome in there)
    return [
        outcome
        for outcome in there
        if not tests
        or _is_test(outcome.check)
        or (outcome.check.source == "plan" and outcome.run.ran)
    ]


def _is_test(check: Check) -> bool:
    """Whether it was found or asked for, and is not known as a linter."""
    return check.kind == "test" and check.source != "plan"


def _is_idle(check: Check, run: CheckRun) -> bool:
    """Whether a runner that the command calls itself says that it ran no test."""
    return run.idle and check.kind == "test" and calls_runner(check.command)


def set_up_failed(output: str) -> Validation:
    """The base was set up before a role changed it: that it fails now is the change's doing."""
    run = CheckRun(command="set-up", output=output)
    report = run.report(FolderCommand(command=run.command), "failed")
    return Validation(status="failed", commands=(report,), new_failures=(report.command,))


def _status(outcomes: Sequence[Outcome]) -> CheckStatus:
    """Passed: the main checks came to their end, and nothing fails that did not fail before.

    Checks that fail as a whole without the change, too, say nothing of it: where there are no
    others, it was not validated.
    """
    main = main_checks([outcome.check for outcome in outcomes])
    stopped = any(o.check in main and o.report.status == "stopped" for o in outcomes)
    conclusive = any(outcome.conclusive for outcome in deciding(outcomes))
    undecided = any(
        o.check in main and (o.failures.unknown or o.masked or o.cut_short) for o in outcomes
    )
    begun = all(outcome.run.begun for outcome in outcomes)
    decided = begun and conclusive and not stopped and not undecided
    return "passed" if decided else "unavailable"


def _gap(outcome: Outcome) -> ValidationFinding | None:
    """What one check leaves open."""
    shown = f"`{outcome.report.shell}`"
    if names := outcome.failures.unknown or outcome.masked:
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        listed = f"{', '.join(names[:_MOST_SHOWN])}{more}"
        if outcome.masked:
            text = "passes, and reports failures that are not on the base"
            return _finding("masked", f"{shown} {text}: {listed}")
        text = "fails, and its run on the base does not tell whether these fail there, too"
        return _finding("base_stopped", f"{shown} {text}: {listed}")
    if outcome.passed and not outcome.conclusive:
        return _finding("nothing_ran", f"{shown} passes, and says that it ran no test")
    if outcome.cut_short:
        text = "fails without this change, too, and does not tell of all tests"
        return _finding("cut_short", f"{shown} {text}")
    return None


def _finding(rule: str, message: str) -> ValidationFinding:
    return ValidationFinding(rule=rule, severity="warning", message=message)


def _names(names: Iterable[str], most: int = MOST_NAMES) -> tuple[str, ...]:
    """Each once, and how many more there are."""
    distinct = tuple(dict.fromkeys(names))
    if len(distinct) <= most:
        return distinct
    return (*distinct[:most], f"… and {len(distinct) - most} more")
