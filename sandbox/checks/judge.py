"""What checks come to: each run on the change, held against the base, and all summed up."""

import logging
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
from sandbox.checks.base_results import BaseResults
from sandbox.checks.new_failures import Failures, compare_stopped, compare_with_base
from sandbox.checks.run_again import flaky_on_base, run_failures_again
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.core.protocol import Sandbox

log = logging.getLogger(__name__)
_MOST_NAMES: Final = 50
_MOST_SHOWN: Final = 10
_NO_FAILURES: Final = Failures()


@dataclass(frozen=True)
class Outcome:
    """What one check came to.

    `conclusive`: it says something of the change, as it passed, or names the tests that fail.
    """

    check: Check
    report: CommandReport
    run: CheckRun
    failures: Failures = _NO_FAILURES
    conclusive: bool = False

    @property
    def passed(self) -> bool:
        return self.report.status == "passed"

    @property
    def ended(self) -> bool:
        return self.report.status in ("passed", "failed")


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


async def outcome_of(
    sandbox: Sandbox, check: Check, on_base: BaseResults, deadline: float
) -> Outcome:
    """Run a check on the change; one that fails is compared with the base, and run again alone."""
    run = await run_check(sandbox, check, deadline)
    report = run.report(check)
    if run.passed or not run.begun:
        return Outcome(check, report, run, conclusive=run.passed)
    if run.limit:
        return Outcome(check, report, run, compare_stopped(run, await on_base.load(check)))
    base = await on_base.find(check, deadline)
    if not run.started and (base is None or not base.started):
        return Outcome(check, report, run)
    failures = compare_with_base(run, base)
    failures = await run_failures_again(sandbox, check, run, failures, on_base, deadline)
    if failures.flaky:
        await on_base.forget(check)
    if not run.started:
        report = run.report(check, "failed")  # what it calls is there on the base
    known = run.compared or failures.flaky == (run.command,)
    return Outcome(check, report, run, failures, conclusive=known and not failures.unknown)


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


def validation_of(outcomes: Sequence[Outcome]) -> Validation:
    """All outcomes together."""
    failures = [outcome.failures for outcome in outcomes]
    new = _names(name for each in failures for name in each.new)
    return Validation(
        status="failed" if new else _status(outcomes),
        commands=tuple(outcome.report for outcome in outcomes),
        new_failures=new,
        known_failures=_names(name for each in failures for name in each.preexisting),
        flaky=_names(name for each in failures for name in each.flaky),
        findings=tuple(_unknown(outcome) for outcome in outcomes if outcome.failures.unknown),
    )


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
    conclusive = any(outcome.conclusive for outcome in outcomes)
    undecided = any(o.check in main and o.failures.unknown for o in outcomes)
    begun = all(outcome.run.begun for outcome in outcomes)
    decided = begun and conclusive and not stopped and not undecided
    return "passed" if decided else "unavailable"


def _unknown(outcome: Outcome) -> ValidationFinding:
    names = outcome.failures.unknown
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    text = (
        f"`{outcome.report.shell}` fails, and on the base it was stopped before it came to these: "
        f"{', '.join(names[:_MOST_SHOWN])}{more}"
    )
    return ValidationFinding(rule="base_stopped", severity="warning", message=text)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, as many as a state and an event can hold."""
    distinct = tuple(dict.fromkeys(names))
    if len(distinct) <= _MOST_NAMES:
        return distinct
    return (*distinct[:_MOST_NAMES], f"… and {len(distinct) - _MOST_NAMES} more")
