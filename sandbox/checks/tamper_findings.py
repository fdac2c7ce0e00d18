"""Findings of validation: what a change does to tests and checks, by a run and by patterns."""

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from graph import Check, FolderCommand, RunFolder, Severity, ValidationFinding
from sandbox.checks.base_results import BaseResults
from sandbox.checks.new_failures import compare_with_base
from sandbox.checks.parse_diff import FileDiff, file_diffs, load_diff
from sandbox.checks.restore_base_tests import (
    NotRestored,
    restore_base_tests,
    touches_base_tests,
    touches_tests,
)
from sandbox.checks.run_check import run_check
from sandbox.checks.tamper_patterns import hints
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.setup.invalidation import read_by_setup

_MOST_HINTS: Final = 30
_MOST_NAMES: Final = 10
_LONGEST: Final = 200
_TESTS: Final = re.compile(r"test|spec|check|verify|jest|mocha|tox|nox|rake")
"""In the words of commands that may run tests."""


@dataclass(frozen=True)
class ReadChange:
    """A change as the trusted side wrote it; `cut`: there is more of it than was read."""

    files: tuple[FileDiff, ...] = ()
    cut: bool = False

    @classmethod
    async def load(cls, folder: RunFolder, step: int) -> "ReadChange":
        """Empty where the trusted side wrote none."""
        try:
            text, cut = await asyncio.to_thread(load_diff, folder.diff(step))
        except FileNotFoundError:
            return cls()
        return cls(await asyncio.to_thread(file_diffs, text), cut)


def hint_findings(change: ReadChange) -> tuple[ValidationFinding, ...]:
    """What patterns find; how checks are configured is no finding of its own."""
    found = [hint for hint in hints(change.files) if hint.rule != "check_configuration"]
    told = [
        ValidationFinding(
            rule=hint.rule,
            severity="warning",
            path=hint.path,
            line=hint.line,
            message=hint.message[:_LONGEST],
        )
        for hint in found[:_MOST_HINTS]
    ]
    if len(found) > _MOST_HINTS:
        told.append(_finding("more", f"and {len(found) - _MOST_HINTS} more of these"))
    if change.cut:
        told.append(_finding("unread", "the change is too long to be searched whole"))
    return tuple(told)


def setup_findings(
    change: ReadChange, setup: tuple[FolderCommand, ...]
) -> tuple[ValidationFinding, ...]:
    """What of set-up the change has a say in: installed code can manipulate any runner."""
    paths = dict.fromkeys(path for file in change.files for path in (file.old_path, file.path))
    return tuple(
        ValidationFinding(
            rule="set_up",
            severity="warning",
            path=path,
            message="set-up reads this file: what it installed for the checks is the change's own",
        )
        for path in read_by_setup(setup, paths)[:_MOST_NAMES]
    )


async def silent_findings(
    passed: Sequence[Check], on_base: BaseResults, deadline: float
) -> tuple[ValidationFinding, ...]:
    """Checks that passed and report no test, where they reported some on the base."""
    found = []
    for check in passed:
        if check.source != "plan" and _TESTS.search(check.command):
            base = await on_base.find(check, deadline)
            if base and base.ran:
                text = (
                    f"`{check.shell[:_LONGEST]}` passes, but reports no test that came to its end;"
                    " on the base it does"
                )
                found.append(ValidationFinding(rule="no_tests", severity="error", message=text))
    return tuple(found)


async def base_test_findings(
    run_id: str,
    spec: TreeSpec,
    change: ReadChange,
    checks: tuple[Check, ...],
    sandboxes: Sandboxes,
    on_base: BaseResults,
    deadline: float,
) -> tuple[ValidationFinding, ...]:
    """Checks that passed, run again with the base's tests; costs nothing where none is touched."""
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
        alone = not change.cut and not touches_tests(change.files)
        found += [
            await _difference(sandbox, check, on_base, deadline, only_configuration_changed=alone)
            for check in asked
        ]
    except NotRestored as error:
        text = f"the base's tests cannot be put back over the change: {str(error)[:_LONGEST]}"
        found.append(ValidationFinding(rule="base_tests", severity="error", message=text))
    finally:
        await sandboxes.discard(run_id, tree.name)
    return tuple(finding for finding in found if finding)


async def _difference(
    sandbox: Sandbox,
    check: Check,
    on_base: BaseResults,
    deadline: float,
    *,
    only_configuration_changed: bool,
) -> ValidationFinding | None:
    """How a check ends with the base's tests, where it fails more there than on the base."""
    left = deadline - time.time()
    run = await run_check(sandbox, check, left) if left > 0 else None
    if run is None or (run.limit == "time" and time.time() >= deadline):
        text = f"`{check.shell[:_LONGEST]}` was not run with the base's tests: the time was spent"
        return _finding("base_tests", text)
    if run.passed:
        return None
    new = compare_with_base(run, await on_base.find(check, deadline)).new
    if not new:
        return None
    names = ", ".join(name[:_LONGEST] for name in new[:_MOST_NAMES])
    more = f" and {len(new) - _MOST_NAMES} more" if len(new) > _MOST_NAMES else ""
    text = (
        f"`{check.shell[:_LONGEST]}` passes with the change's tests and check configuration; with"
        f" those of the base it fails: {names}{more}"
    )
    severity: Severity = "error" if only_configuration_changed else "warning"
    return ValidationFinding(rule="base_tests", severity=severity, message=text)


def _finding(rule: str, message: str) -> ValidationFinding:
    return ValidationFinding(rule=rule, severity="warning", message=message)
