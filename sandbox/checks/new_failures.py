"""Whether a failing check is the change's doing: its run held against the one on the base."""

from dataclasses import dataclass

from sandbox.checks.run_check import CheckRun


@dataclass(frozen=True)
class Failures:
    """Failures by test, or by command where tests cannot be told apart."""

    new: tuple[str, ...] = ()
    preexisting: tuple[str, ...] = ()


def compare_with_base(run: CheckRun, base: CheckRun | None) -> Failures:
    """Hold a failed run against the base's; where there is none, what failed counts as new.

    Doubt goes against the change: a test that the base's output does not name is new, and so is a
    check that no longer says which tests failed, or no longer comes to its end.
    """
    tests = run.failed_tests
    if base is None or base.passed or not base.started:
        return Failures(new=tests or (run.command,))
    before = frozenset(base.failed_tests)
    preexisting = tuple(test for test in tests if test in before)
    new = tuple(test for test in tests if test not in before)
    if run.limit and not base.limit:
        return Failures(new=(run.command, *new), preexisting=preexisting)
    if tests:
        return Failures(new=new, preexisting=preexisting)
    if base.failed_tests or not run.started:
        return Failures(new=(run.command,))
    return Failures(preexisting=(run.command,))
