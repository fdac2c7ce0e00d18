"""Failures run again alone, on the change and on the base, before anyone is blamed for them."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from graph import Check, FolderCommand
from sandbox.checks.base_results import BaseResults
from sandbox.checks.new_failures import Failures
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.checks.select_tests import select_tests
from sandbox.core.protocol import Sandbox

_MOST: Final = 20
"""So many tests do not fail by chance at once."""
_CHEAP_MS: Final = 60_000
"""A check of at most this length is run again as a whole, too."""
_SPARE: Final = 4
"""So is a longer one for tests that pass alone, where so many times its length is left."""
_FAILURES: Final = re.compile(r"\b[1-9]\d* (?:fail|error)", re.IGNORECASE)

Run = Callable[[FolderCommand], Awaitable[CheckRun | None]]


async def run_failures_again(
    sandbox: Sandbox,
    check: Check,
    run: CheckRun,
    failures: Failures,
    on_base: BaseResults,
    deadline: float,
) -> Failures:
    """The failures that remain; those that do not fail again are flaky.

    So is one that now fails on the base, too, where it had passed. One that passes alone and fails
    again among the others is the change's doing. Of very many that are unknown some are tried.
    """
    count = len(failures.new) + len(failures.unknown)
    if not count or run.limit or not run.started or check.kind != "test":
        return failures
    if count <= _MOST:
        return await _run_all_again(sandbox, check, run, failures, on_base, deadline)
    if not failures.unknown:
        return failures
    first = Failures(unknown=failures.unknown[:_MOST])
    some = await _run_all_again(sandbox, check, run, first, on_base, deadline)
    return Failures(
        new=(*failures.new, *some.new),
        preexisting=(*failures.preexisting, *some.preexisting),
        unknown=(*some.unknown, *failures.unknown[_MOST:]),
        flaky=some.flaky,
    )


async def _run_all_again(
    sandbox: Sandbox,
    check: Check,
    run: CheckRun,
    failures: Failures,
    on_base: BaseResults,
    deadline: float,
) -> Failures:
    names = (*failures.new, *failures.unknown)

    async def on_change(command: FolderCommand) -> CheckRun | None:
        return await run_check(sandbox, command, _until(run, deadline))

    async def on_the_base(command: FolderCommand) -> CheckRun | None:
        return await on_base.run(command, _until(run, deadline))

    failed = await still_failing(check, run, names, on_change, _room_ms(deadline))
    if failed is None:
        return failures
    left = tuple(name for name in names if name in failed)
    alone = _alone(check, run, left) if left else None
    before = await on_base.load(check)
    there: frozenset[str] | None = None
    if before and alone is check and not before.passed:  # it fails there as a whole, or was stopped
        there = None if before.limit or not before.complete else frozenset()
    elif alone:
        there = _failed_of(left, check, await on_the_base(alone), missing=())
        if there and alone is not check and run.duration_ms <= _CHEAP_MS:
            # Some tests need others before them: then the base as a whole still passes.
            again = await on_the_base(check)
            whole = _failed_of(left, check, again, missing=())
            there = there if whole is None or (again and not again.complete) else there & whole
    known = set(failures.unknown) & (there or frozenset())
    flaky = set(names) - failed | (there or frozenset()) - known
    unknown = (set(failures.unknown) if there is None else set()) - flaky
    return Failures(
        new=tuple(name for name in names if name not in known | flaky | unknown),
        preexisting=(*failures.preexisting, *(name for name in names if name in known)),
        unknown=tuple(name for name in names if name in unknown),
        flaky=tuple(name for name in names if name in flaky),
    )


async def masked_again(
    sandbox: Sandbox, check: Check, run: CheckRun, names: tuple[str, ...], deadline: float
) -> tuple[str, ...]:
    """Which of the failures that a check reports though it passes come again.

    The others passed as the runner tried them again itself. All do where that cannot be known.
    """
    if not names or len(names) > _MOST or run.duration_ms > _room_ms(deadline):
        return names
    again = await run_check(sandbox, check, _until(run, deadline))
    if not again.passed or not again.ran or again.cut:
        return names
    return tuple(name for name in names if name in again.masked)


async def flaky_on_base(
    check: Check, run: CheckRun, on_base: BaseResults, deadline: float
) -> tuple[str, ...] | None:
    """Which failures of the untouched base do not fail again; None where that cannot be known."""
    names = run.failed_tests
    if run.passed or run.limit or not run.started or check.kind != "test":
        return ()
    if not names or len(names) > _MOST:
        return ()  # so many do not fail by chance at once

    async def again(command: FolderCommand) -> CheckRun | None:
        return await on_base.run(command, _until(run, deadline))

    failed = await still_failing(check, run, names, again, _CHEAP_MS)
    return None if failed is None else tuple(name for name in names if name not in failed)


async def still_failing(
    check: FolderCommand, run: CheckRun, names: tuple[str, ...], again: Run, longest_ms: float
) -> frozenset[str] | None:
    """Which of the names fail again; None where that cannot be known.

    What passes alone is tried among the others, where all takes `longest_ms` at most.
    """
    alone = _alone(check, run, names)
    failed = _failed_of(names, check, await again(alone)) if alone else None
    alone_only = alone is check or run.duration_ms > longest_ms
    if failed is None or failed == frozenset(names) or alone_only:
        return failed
    return failed | (_failed_of(names, check, await again(check)) or frozenset())


def _alone(check: FolderCommand, run: CheckRun, names: tuple[str, ...]) -> FolderCommand | None:
    """A command that runs these tests alone, or a short check whole; None for neither."""
    command = select_tests(check.command, names) if names != (run.command,) else ""
    if command:
        return FolderCommand(command=command, folder=check.folder)
    return check if run.duration_ms <= _CHEAP_MS else None


def _failed_of(
    names: tuple[str, ...],
    check: FolderCommand,
    again: CheckRun | None,
    missing: Sequence[str] | None = None,
) -> frozenset[str] | None:
    """Which of the names a run says to fail; `missing`, or all, where it fails and names none."""
    if again is None or again.limit or again.too_late or not again.started:
        return None
    everything, whole = frozenset(names), again.command == check.shell
    if again.passed:
        return frozenset() if again.ran or whole else everything
    if missing is None and not whole and not again.complete:
        return everything  # it may have left out some of them
    passed = again.ran and again.counts and not _FAILURES.search(again.counts)
    if passed and not again.failed_tests:
        return everything & {check.shell}  # it fails by something else, such as too little coverage
    named = everything & frozenset(again.failed_tests)
    if named or (again.failed_tests and whole) or everything == {check.shell}:
        return named or (everything & {check.shell})
    return everything if missing is None else frozenset(missing)


def _room_ms(deadline: float) -> float:
    """So long a check may be that is run again as a whole."""
    return max((deadline - time.time()) * 1000 / _SPARE, _CHEAP_MS)


def _until(run: CheckRun, deadline: float) -> float:
    return min(deadline, time.time() + _patience_s(run))


def _patience_s(run: CheckRun) -> float:
    """Alone they take no longer than among others, but for a machine that is busy."""
    return max(60.0, 2 * run.duration_ms / 1000)
