"""Whose doing a failure is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checks.new_failures import Blame, blame
from sandbox.checks.run_check import CheckRun
from sandbox.core.protocol import LimitHit


def failed(*tests: str, limit: LimitHit | None = None, started: bool = True) -> CheckRun:
    return CheckRun(
        command="check",
        exit_code=None if limit else 1,
        limit=limit,
        duration_ms=1,
        output="",
        started=started,
        failed_tests=tests,
    )


PASSED = CheckRun(command="check", exit_code=0, limit=None, duration_ms=1, output="")
WHOLE = Blame(new=("check",))
KNOWN = Blame(known=("check",))


@pytest.mark.parametrize(
    ("run", "base", "expected"),
    [
        (failed(), PASSED, WHOLE),
        (failed("a"), PASSED, Blame(new=("a",))),
        (failed(), None, WHOLE),
        (failed("a"), None, Blame(new=("a",))),
        (failed(), failed(), KNOWN),
        (failed("a", "b"), failed("b", "c"), Blame(new=("a",), known=("b",))),
        (failed("a"), failed("a"), Blame(known=("a",))),
        (failed("a"), failed(), Blame(new=("a",))),
        (failed(), failed("a"), WHOLE),
        (failed(limit="time"), failed(), WHOLE),
        (failed("a", limit="memory"), failed("a"), Blame(new=("check",), known=("a",))),
        (failed(limit="time"), failed(limit="time"), KNOWN),
        (failed(), failed(limit="time"), KNOWN),
        (failed(started=False), PASSED, WHOLE),
        (failed(started=False), failed(), WHOLE),
        (failed(), failed(started=False), WHOLE),
    ],
)
def test_a_failure_is_held_against_the_base(
    run: CheckRun, base: CheckRun | None, expected: Blame
) -> None:
    assert blame(run, base) == expected


TESTS = st.sets(st.sampled_from("abcdef")).map(sorted)


@given(TESTS, TESTS)
def test_no_failed_test_is_lost_and_none_is_both(now: list[str], before: list[str]) -> None:
    found = blame(failed(*now), failed(*before))
    assert found.new or found.known
    assert not set(found.new) & set(found.known)
    assert set(now) <= set(found.new) | set(found.known)
    assert set(found.known) <= {*before, "check"}
