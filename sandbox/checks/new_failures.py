"""Whether a failing check is the change's doing: its run held against the one on the base."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sandbox.checks.run_check import CheckRun

_NONE_MOVED: Final[Mapping[str, str]] = MappingProxyType({})
_HANGS: float = 0.5
"""A base that ended in this part of the time shows that the change keeps the check from ending."""


@dataclass(frozen=True)
class Failures:
    """Failures by test, or by command where tests cannot be told apart.

    `unknown` are those of which the base may not tell, as it came to no end or its output was cut;
    `flaky` ones failed once, and not when they were run again.
    """

    new: tuple[str, ...] = ()
    preexisting: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()


def compare_with_base(
    run: CheckRun, base: CheckRun | None, moved: Mapping[str, str] = _NONE_MOVED
) -> Failures:
    """Hold a failed run against the base's; where there is none, what failed counts as new.

    Doubt goes against the change: a test that the base's output does not name is new, and so is a
    check that no longer says which tests failed. A base that was stopped, or that ended at its
    first failure, leaves no such doubt: it knows nothing of what it did not come to. `moved` has
    the base's ids of moved tests by those in the change.
    """
    tests = run.failed_tests
    if base is None or base.passed or not base.started:
        return Failures(new=tests or (run.command,))
    before = frozenset(base.failed_tests)
    known = {test for test in tests if test in before or moved.get(test) in before}
    preexisting = tuple(test for test in tests if test in known)
    new = tuple(test for test in tests if test not in known)
    if base.limit or (tests and not base.complete and not _went_as_far(run, base, moved)):
        return Failures(preexisting=preexisting, unknown=new if tests else (run.command,))
    if tests:
        return Failures(new=new, preexisting=preexisting)
    if base.failed_tests or not run.started:
        return Failures(new=(run.command,))
    return Failures(preexisting=(run.command,))


def _went_as_far(run: CheckRun, base: CheckRun, moved: Mapping[str, str]) -> bool:
    """Whether a base that ended early came to all that a run with named failures came to.

    Where no test runs any more, or where the base's failures held up both of them.
    """
    if base.ran and not run.ran and (run.complete or run.held_up):
        return True
    still = {*run.failed_tests, *(moved.get(test, "") for test in run.failed_tests)}
    held_up = base.held_up and run.held_up and bool(base.failed_tests)
    return held_up and still.issuperset(base.failed_tests)


def compare_stopped(run: CheckRun, base: CheckRun | None) -> Failures:
    """Hold what a stopped run says against the base's, where that is known already.

    It is the change's doing where the base ended long before, and where a test failed until then
    that does not on the base.
    """
    if base is None or base.limit or not base.started:
        return Failures()
    before = frozenset(base.failed_tests)
    failed = tuple(test for test in run.failed_tests if test not in before)
    ended = run.limit == "time" and base.duration_ms < run.duration_ms * _HANGS
    return Failures(
        new=(*((run.command,) if ended else ()), *failed),
        preexisting=tuple(test for test in run.failed_tests if test in before),
    )
