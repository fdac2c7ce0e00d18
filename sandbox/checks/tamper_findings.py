"""Findings of validation: what a change does to tests and checks, by a run and by patterns."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final

from graph import Check, Environment, Severity, ValidationFinding
from sandbox.changes.parse_diff import Diff, FileDiff
from sandbox.changes.tamper_patterns import hints, suppressions
from sandbox.checks.base_results import BaseResults
from sandbox.checks.new_failures import compare_with_base
from sandbox.checks.restore_base_tests import (
    NotRestored,
    restore_base_tests,
    touches_base_tests,
    touches_tests,
)
from sandbox.checks.run_again import run_failures_again
from sandbox.checks.run_check import run_check
from sandbox.core.protocol import FileAccessError, Sandbox, Sandboxes, TreeSpec
from sandbox.ecosystems.registry import may_run_tests
from sandbox.setup.invalidation import read_by_setup
from sandbox.setup.withheld import withheld_message

_MOST_HINTS: Final = 30
_MOST_NAMES: Final = 10
_LONGEST: Final = 200


def hint_findings(change: Diff) -> tuple[ValidationFinding, ...]:
    """What patterns find; how checks are configured is no finding of its own."""
    found = (hint for hint in hints(change.files) if hint.rule != "check_configuration")
    shown = [
        _finding(hint.rule, hint.message[:_LONGEST], path=hint.path, line=hint.line)
        for hint in islice(found, _MOST_HINTS)
    ]
    if next(found, None):
        shown.append(_finding("more", "and more of these"))
    if change.cut:
        shown.append(_finding("unread", "the change is too long to be searched whole"))
    return tuple(shown)


async def without_known_suppressions(
    findings: tuple[ValidationFinding, ...], change: Diff, sandbox: Sandbox
) -> tuple[ValidationFinding, ...]:
    """Without checks silenced in a way that the file has elsewhere, too: it is the project's own.

    `sandbox` holds the change.
    """
    suspects = {finding.path for finding in findings if finding.rule == "check_silenced"}
    known: set[tuple[str, str]] = set()
    for file in change.files:
        if file.path in suspects:
            with suppress(FileAccessError):
                text = (await sandbox.read(file.path)).decode(errors="replace")
                before = await asyncio.to_thread(_suppressions_before, text, file)
                known |= {(file.path, suppression) for suppression in before}
    return tuple(
        finding
        for finding in findings
        if not known & {(finding.path, each) for each in suppressions([finding.message])}
    )


def _suppressions_before(text: str, file: FileDiff) -> Counter[str]:
    """Those of a file, whose contents are `text`, that the change has not added."""
    return suppressions(text.split("\n")) - suppressions(line for _, line in file.added)


def setup_findings(change: Diff, environment: Environment) -> tuple[ValidationFinding, ...]:
    """What of set-up the change has a say in: installed code can manipulate any runner."""
    paths = dict.fromkeys(path for file in change.files for path in (file.old_path, file.path))
    text = "set-up reads this file: what it installed for the checks is the change's own"
    read = read_by_setup(environment, paths)[:_MOST_NAMES]
    if environment.fixed:
        return tuple(_finding("stale", withheld_message(path), path=path) for path in read)
    return tuple(_finding("set_up", text, path=path) for path in read)


async def silent_findings(
    passed: Sequence[Check], on_base: BaseResults, deadline: float
) -> tuple[ValidationFinding, ...]:
    """Checks that passed and report no test, where they reported some on the base."""
    found = []
    for check in passed:
        if check.source != "plan" and check.kind == "test" and may_run_tests(check.command):
            base = await on_base.find(check, deadline)
            if base and base.ran:
                text = "passes, but reports no test that came to its end; on the base it does"
                found.append(_finding("no_tests", f"{_shown(check)} {text}", severity="error"))
    return tuple(found)


async def base_test_findings(
    run_id: str,
    spec: TreeSpec,
    change: Diff,
    checks: tuple[Check, ...],
    sandboxes: Sandboxes,
    on_base: BaseResults,
    deadline: float,
) -> tuple[ValidationFinding, ...]:
    """Checks that passed, run again with the base's tests; costs nothing where none is touched.

    One that does not start there proves nothing, and one that is stopped little.
    """
    asked = [check for check in checks if check.source != "plan"]
    if not asked:
        return ()
    if not change.cut and not await asyncio.to_thread(touches_base_tests, change.files, asked):
        return ()
    found: list[ValidationFinding | None] = []
    tree = replace(spec, name=f"judge-{secrets.token_hex(4)}")
    try:
        sandbox = await sandboxes.open(run_id, tree)
        await restore_base_tests(sandbox, spec.base, change.files, asked)
        # Whoever changes tests may well mean to; who changes how they run alone has to say why.
        only_configuration_changed = not change.cut and not touches_tests(change.files)
        severity: Severity = "error" if only_configuration_changed else "warning"
        found += [await _difference(sandbox, each, on_base, deadline, severity) for each in asked]
    except NotRestored as error:
        text = f"the base's tests cannot be put back over the change: {str(error)[:_LONGEST]}"
        found.append(_finding("base_tests", text, severity="error"))
    finally:
        await sandboxes.discard(run_id, tree.name)
    return tuple(finding for finding in found if finding)


async def _difference(
    sandbox: Sandbox, check: Check, on_base: BaseResults, deadline: float, severity: Severity
) -> ValidationFinding | None:
    """How a check ends with the base's tests, where it fails more there than on the base."""
    run = await run_check(sandbox, check, deadline)
    if run.limit or run.too_late:
        what = "stopped" if run.limit else "not run: the time was spent"
        return _finding("base_tests", f"{_shown(check)}, with the base's tests, was {what}")
    if run.passed or not run.started:
        return None
    failures = compare_with_base(run, await on_base.find(check, deadline))
    failures = await run_failures_again(sandbox, check, run, failures, on_base, deadline)
    if not (failed := failures.new or failures.unknown):
        return None
    names = ", ".join(name[:_LONGEST] for name in failed[:_MOST_NAMES])
    more = f" and {len(failed) - _MOST_NAMES} more" if len(failed) > _MOST_NAMES else ""
    untold = ", and the base's own run does not tell whether these fail there, too"
    on_its_own = "" if failures.new else untold
    text = (
        "passes with the change's tests and check configuration; with those of the base it fails"
        f"{on_its_own}: {names}{more}"
    )
    severity = severity if failures.new else "warning"
    return _finding("base_tests", f"{_shown(check)} {text}", severity=severity)


def _shown(check: Check) -> str:
    return f"`{check.shell[:_LONGEST]}`"


def _finding(
    rule: str,
    message: str,
    *,
    path: str = "",
    line: int | None = None,
    severity: Severity = "warning",
) -> ValidationFinding:
    return ValidationFinding(rule=rule, severity=severity, path=path, line=line, message=message)
