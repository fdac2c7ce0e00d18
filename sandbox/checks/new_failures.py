"""Whether a failing check is the change's doing: its run held against the one on the base."""

from dataclasses import dataclass

from sandbox.checks.run_check import CheckRun

_HANGS: float = 0.5
"""A base that ended in this part of the time shows that the change keeps the check from ending."""


@dataclass(frozen=True)
class Failures:
    """Failures by test, or by command where tests cannot be told apart.

    `unknown` are those to which the base did not come before it ended; `flaky` ones failed
    once, and not when they were run again.
    """

    new: tuple[str, ...] = ()
    preexisting: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()


def compare_with_base(run: CheckRun, base: CheckRun | None) -> Failures:
    """Hold a failed run against the base's; where there is none, what failed counts as new.

    Doubt goes against the change: a test that the base's output does not name is new, and so is a
    check that no longer says which tests failed. A base that was stopped, or that ended at its
    first failure, leaves no such doubt: it knows nothing of what it did not come to.
    """
    tests = run.failed_tests
    if base is None or base.passed or not base.started:
        return Failures(new=tests or (run.command,))
    before = frozenset(base.failed_tests)
    preexisting = tuple(test for test in tests if test in before)
    new = tuple(test for test in tests if test not in before)
    if base.limit or (tests and not base.complete):
        return Failures(preexisting=preexisting, unknown=new if tests else (run.command,))
    if tests:
        return Failures(new=new, preexisting=preexisting)
    if base.failed_tests or not run.started:
        return Failures(new=(run.command,))
    return Failures(preexisting=(run.command,))


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
