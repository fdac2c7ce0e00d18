"""Failures that are new, and those that were there before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checks.new_failures import Failures, compare_stopped, compare_with_base
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


def stopped(*tests: str, after_ms: int = 300_000) -> CheckRun:
    return failed(*tests, limit="time").model_copy(update={"duration_ms": after_ms})


PASSED = CheckRun(command="check", exit_code=0, limit=None, duration_ms=1, output="")
WHOLE = Failures(new=("check",))
KNOWN = Failures(preexisting=("check",))


@pytest.mark.parametrize(
    ("run", "base", "expected"),
    [
        (failed(), PASSED, WHOLE),
        (failed("a"), PASSED, Failures(new=("a",))),
        (failed(), None, WHOLE),
        (failed("a"), None, Failures(new=("a",))),
        (failed(), failed(), KNOWN),
        (failed("a", "b"), failed("b", "c"), Failures(new=("a",), preexisting=("b",))),
        (failed("a"), failed("a"), Failures(preexisting=("a",))),
        (failed("a"), failed(), Failures(new=("a",))),
        (failed(), failed("a"), WHOLE),
        (failed(), failed(limit="time"), Failures(unknown=("check",))),
        (failed("a"), failed(limit="time"), Failures(unknown=("a",))),
        (
            failed("a", "b"),
            failed("b", limit="time"),
            Failures(unknown=("a",), preexisting=("b",)),
        ),
        (failed(started=False), PASSED, WHOLE),
        (failed(started=False), failed(), WHOLE),
        (failed(), failed(started=False), WHOLE),
    ],
)
def test_a_failure_is_compared_with_the_base(
    run: CheckRun, base: CheckRun | None, expected: Failures
) -> None:
    assert compare_with_base(run, base) == expected


@pytest.mark.parametrize(
    ("run", "base", "expected"),
    [
        (stopped(), None, Failures()),
        (stopped("a"), None, Failures()),
        (stopped(), failed(), WHOLE),
        (stopped("a", "b"), PASSED, Failures(new=("check", "a", "b"))),
        (stopped("a", "b", after_ms=1), failed("b"), Failures(new=("a",), preexisting=("b",))),
        (stopped(after_ms=1), PASSED, Failures()),
        (stopped(), failed(limit="time"), Failures()),
        (failed(limit="memory"), PASSED, Failures()),
        (stopped("a"), failed(started=False), Failures()),
    ],
)
def test_a_stopped_check_is_blamed_for_what_it_shows_alone(
    run: CheckRun, base: CheckRun | None, expected: Failures
) -> None:
    assert compare_stopped(run, base) == expected


TESTS = st.sets(st.sampled_from("abcdef")).map(sorted)


@given(TESTS, TESTS)
def test_no_failed_test_is_lost_and_none_is_both(now: list[str], before: list[str]) -> None:
    found = compare_with_base(failed(*now), failed(*before))
    assert found.new or found.preexisting
    assert not set(found.new) & set(found.preexisting)
    assert set(now) <= set(found.new) | set(found.preexisting)
    assert set(found.preexisting) <= {*before, "check"}
