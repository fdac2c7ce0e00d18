"""Whether a failing check is the change's doing: its run held against the one on the base."""

from dataclasses import dataclass

from sandbox.checks.run_check import CheckRun


@dataclass(frozen=True)
class Blame:
    """New and known failures, by test, or by command where tests cannot be told apart."""

    new: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def blame(run: CheckRun, base: CheckRun | None) -> Blame:
    """Hold a failed run against the base's; where there is none, what failed counts as new.

    Doubt goes against the change: a test that the base's output does not name is new, and so is a
    check that no longer says which tests failed, or no longer comes to its end.
    """
    tests = run.failed_tests
    if base is None or base.passed or not base.started:
        return Blame(new=tests or (run.command,))
    known = tuple(test for test in tests if test in base.failed_tests)
    new = tuple(test for test in tests if test not in base.failed_tests)
    if run.limit and not base.limit:
        return Blame(new=(run.command, *new), known=known)
    if tests:
        return Blame(new=new, known=known)
    if base.failed_tests or not run.started:
        return Blame(new=(run.command,))
    return Blame(known=(run.command,))
