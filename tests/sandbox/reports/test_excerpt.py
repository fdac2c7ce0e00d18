"""Of long output, the part that says what failed; and the counts of any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.reports.excerpt import excerpt
from sandbox.reports.read_report import read_report

MOST = 2000
DOTS = "\n".join(["." * 72 + " [ 12%]"] * 100)
WARNINGS = "=== warnings summary ===\n" + "  tests/a.py:1: DeprecationWarning: old\n" * 200
SUMMARY = (
    "=== short test summary info ===\nFAILED a.py::test_a\n=== 1 failed, 1450 passed in 9s ==="
)
CASES = {
    "pytest": (
        f"{DOTS}\n=== FAILURES ===\n__ test_a __\nE   assert 1 == 2\n{WARNINGS}{SUMMARY}",
        ("E   assert 1 == 2", "FAILED a.py::test_a", "1450 passed"),
        "1 failed, 1450 passed",
    ),
    "unittest": (
        "test_b (a.A.test_b) ... ok\n" * 300 + "=" * 70 + "\nFAIL: test_a (a.A.test_a)\n"
        "AssertionError: 1 != 2\n\nRan 301 tests in 0.1s\n\nFAILED (failures=1)",
        ("FAIL: test_a", "1 != 2", "FAILED (failures=1)"),
        "301 tests",
    ),
    "go": (
        "=== RUN   TestB\n--- PASS: TestB (0.00s)\n" * 200
        + "--- FAIL: TestA (0.00s)\n    a_test.go:3: 1 != 2\nFAIL\tdemo\t0.1s",
        ("--- FAIL: TestA", "1 != 2", "FAIL\tdemo"),
        "",
    ),
    "cargo": (
        "test b ... ok\n" * 300 + "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\n"
        "panicked at 1 != 2\n\ntest result: FAILED. 300 passed; 1 failed; 0 ignored",
        ("panicked at 1 != 2", "test result: FAILED"),
        "300 passed, 1 failed",
    ),
    "jest": (
        "PASS src/b.test.js\n  ✓ b (1 ms)\n" * 200
        + "FAIL src/a.test.js\n  ● a\n\n    Expected: 2\n\n"
        + "Tests:       1 failed, 200 passed, 201 total",
        ("Expected: 2", "1 failed, 200 passed"),
        "1 failed, 200 passed",
    ),
    "go, which tells what a test said before that it failed": (
        "=== RUN   TestB\n--- PASS: TestB (0.00s)\n" * 200
        + "=== RUN   TestA\n    a_test.go:3: 1 != 2\n--- FAIL: TestA (0.00s)\n"
        + "=== RUN   TestC\nprinted by a test that passes\n--- PASS: TestC (0.00s)\n" * 300
        + "FAIL\tdemo\t0.1s",
        ("--- FAIL: TestA", "1 != 2", "FAIL\tdemo"),
        "",
    ),
    "jest, whose tests print": (
        "FAIL src/a.test.js\n  ● Console\n\n"
        + "    console.log\n      printed\n\n      at a (a.test.js:2:65)\n\n" * 100
        + "  ● suite a\n\n    Expected: 2\n\n"
        + "PASS src/b.test.js\n  ● Console\n\n    console.warn\n      printed\n\n" * 100
        + "Tests:       1 failed, 100 passed, 101 total",
        ("● suite a", "Expected: 2", "1 failed, 100 passed"),
        "1 failed, 100 passed",
    ),
    "test-unit, which tells a failure where it is": (
        "Started\n"
        + "printed\n" * 300
        + "F\n=====\nFailure: test_a(ATest)\n<1> expected\n=====\n"
        + "printed\n" * 300
        + "2 tests, 2 assertions, 1 failures, 0 errors",
        ("Failure: test_a(ATest)", "<1> expected", "1 failures"),
        "2 tests, 2 assertions, 1 failures, 0 errors",
    ),
    "surefire": (
        "[INFO] Running demo.B\n[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, "
        "Time elapsed: 0.1 s -- in demo.B\n"
        * 100
        + "[ERROR] Tests run: 1, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 1 s <<<\n"
        + "[ERROR] demo.A.adds -- Time elapsed: 0.1 s <<< FAILURE!\nexpected: <1> but was: <2>\n\n"
        + "[ERROR] Tests run: 301, Failures: 1, Errors: 0, Skipped: 0\n",
        ("demo.A.adds", "expected: <1> but was: <2>", "Tests run: 301"),
        "301 run, 1 failures, 0 errors",
    ),
    "node": (
        "✔ b (0.1ms)\n"
        * 300
        + "\u2139 tests 301\n\u2139 pass 300\n\u2139 fail 1\n\n✖ failing tests:\n\n"
        "test at a.test.js:3:1\n✖ a (1ms)\n  1 == 2",
        ("✖ a (1ms)", "1 == 2"),
        "300 pass, 1 fail",
    ),
    "none that is known": ("begin\n" + "x" * 5000 + "\nend", ("begin", "end"), ""),
}


@pytest.mark.parametrize("runner", CASES)
def test_what_failed_and_the_summary_are_kept(runner: str) -> None:
    output, kept, counts = CASES[runner]
    shown = excerpt(output, MOST)
    assert len(shown) <= MOST
    for part in kept:
        assert part in shown
    for noise in ("[ 12%]", "DeprecationWarning", "... ok", "--- PASS", "✓"):
        assert noise not in shown
    assert read_report(output).counts == counts


def test_counts_of_several_runs_are_added_up() -> None:
    two = "test result: ok. 3 passed; 0 failed; 0 ignored\n" * 2
    assert read_report(two).counts == "6 passed, 0 failed"


@given(st.text(max_size=300), st.integers(100, 300))
def test_any_text_is_bounded_and_short_ones_are_whole(text: str, most: int) -> None:
    shown = excerpt(text, most)
    assert len(shown) <= most
    assert len(text) > most or shown == text


def test_subtests_of_pytest_hide_no_counts() -> None:
    line = "2 failed, 102 passed, 96 subtests passed in 32.93s"
    assert read_report(line).counts == "2 failed, 102 passed, 96 subtests"
