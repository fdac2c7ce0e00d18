"""Which tests failed, read from what the runners really write."""

# ruff: noqa: RUF001 - as the runners write it
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.output import render
from sandbox.reports.read_report import read_report


def failed_tests(output: str) -> frozenset[str]:
    return read_report(output).failed


PYTEST = """\
..F.E                                                                    [100%]
=================================== FAILURES ===================================
______________________________ test_dash[a - b] ________________________________
E       AssertionError: assert 1 == 2
=========================== short test summary info ============================
FAILED tests/test_a.py::test_dash[a - b] - AssertionError: assert 1 == 2
FAILED tests/test_a.py::TestX::test_y - assert x['a'] - b
FAILED tests/test_a.py::test_plain
ERROR tests/test_b.py - ModuleNotFoundError: No module named 'c'
ERROR tests/test_c.py::test_d - fixture
3 failed, 2 passed, 2 errors in 0.04s
"""
SUMMARY = "=========================== short test summary info ============================"
UNITTEST = """\
E.F
======================================================================
ERROR: tests.test_gone (unittest.loader._FailedTest.tests.test_gone)
----------------------------------------------------------------------
ImportError: Failed to import test module: tests.test_gone

======================================================================
FAIL: test_add (tests.test_sum.SumTest.test_add) (a=1)
Adding is commutative.
----------------------------------------------------------------------
AssertionError: 3 != 4
FAIL: not a heading

Ran 3 tests in 0.001s

FAILED (failures=1, errors=1)
"""
CARGO = """\
     Running unittests src/lib.rs (target/debug/deps/sum-0123)

running 2 tests
test tests::adds ... FAILED
test tests::subtracts ... ok

failures:
    tests::adds
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out

     Running tests/whole.rs (target/debug/deps/whole-0123)
test adds ... FAILED
   Doc-tests sum
test src/lib.rs - add (line 3) ... FAILED
"""
JEST = """\
PASS src/fine.test.js
FAIL src/sum.test.js (5.123 s)
  Console
    console.log
  ● Console

  ● sum › adds numbers

    expect(received).toBe(expected)

  ● Test suite failed to run

Tests:       1 failed, 1 passed, 2 total
"""
VITEST = """\
 ❯ src/sum.test.ts (2 tests | 1 failed) 4ms
   × sum > adds 3ms
⎯⎯⎯⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯⎯⎯⎯
 FAIL  src/sum.test.ts > sum > adds
AssertionError: expected 3 to be 4
 FAIL  src/gone.test.ts [ src/gone.test.ts ]
"""


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        (
            PYTEST,
            {
                "tests/test_a.py::test_dash[a - b]",
                "tests/test_a.py::TestX::test_y",
                "tests/test_a.py::test_plain",
                "tests/test_b.py",
                "tests/test_c.py::test_d",
            },
        ),
        (
            UNITTEST,
            {
                "tests.test_gone (unittest.loader._FailedTest.tests.test_gone)",
                "test_add (tests.test_sum.SumTest.test_add) (a=1)",
            },
        ),
        (
            CARGO,
            {
                "sum tests::adds",
                "whole adds",
                "sum src/lib.rs - add",
            },
        ),
        (
            JEST,
            {
                "src/sum.test.js > sum › adds numbers",
                "src/sum.test.js > Test suite failed to run",
            },
        ),
        (
            VITEST,
            {"src/sum.test.ts > sum > adds", "src/gone.test.ts [ src/gone.test.ts ]"},
        ),
    ],
    ids=["pytest", "unittest", "cargo", "jest", "vitest"],
)
def test_reads_the_failed_tests_of_a_runner(output: str, failed: set[str]) -> None:
    assert failed_tests(output) == failed


REAL_TESTS = """\
import unittest


class SumTest(unittest.TestCase):
    def test_fails(self):
        self.assertEqual(1, 2)

    def test_breaks(self):
        raise ValueError("a - b")

    def test_parts(self):
        for part in (1, 2):
            with self.subTest(part=part):
                self.assertEqual(part, 1)

    def test_passes(self):
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runner", "failed"),
    [
        (
            ("pytest", "-q", "-p", "no:cacheprovider"),
            {f"test_sum.py::SumTest::test_{name}" for name in ("fails", "breaks", "parts")}
            | {"test_gone.py"},
        ),
        (
            ("unittest",),
            {f"test_{name} (test_sum.SumTest.test_{name})" for name in ("fails", "breaks")}
            | {"test_parts (test_sum.SumTest.test_parts) (part=2)"}
            | {"test_gone (unittest.loader._FailedTest.test_gone)"},
        ),
    ],
    ids=["pytest", "unittest"],
)
def test_reads_what_an_installed_runner_writes(
    tmp_path: Path, runner: tuple[str, ...], failed: set[str]
) -> None:
    (tmp_path / "test_sum.py").write_text(REAL_TESTS)
    (tmp_path / "test_gone.py").write_text("import no_such_module\n")
    more = ("--continue-on-collection-errors",) if runner[0] == "pytest" else ()
    done = subprocess.run(
        [sys.executable, "-m", *runner, *more],
        cwd=tmp_path,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert failed_tests(done.stdout) == failed, done.stdout


SKIPPED_CLASSES = """\
import unittest


class SumTest(unittest.TestCase):
    def test_one(self):
        {one}

    def test_two(self):
        {two}


class SkippedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("no database")

    def test_skipped(self):
        pass


class AlsoSkippedTest(SkippedTest):
    pass


class SkippedAsWellTest(SkippedTest):
    pass
"""


@pytest.mark.parametrize("verbose", [(), ("-v",)])
@pytest.mark.parametrize(
    ("one", "two", "ended"),
    [
        ("pass", "pass", True),
        ("pass", "self.skipTest('no')", True),
        ("self.fail()", "self.skipTest('no')", True),
        ("self.skipTest('no')", "self.skipTest('no')", False),
    ],
)
def test_classes_that_unittest_skips_and_does_not_count_hide_no_test_that_ended(
    tmp_path: Path, verbose: tuple[str, ...], one: str, two: str, ended: bool
) -> None:
    (tmp_path / "test_sum.py").write_text(SKIPPED_CLASSES.format(one=one, two=two))
    done = subprocess.run(
        [sys.executable, "-m", "unittest", *verbose],
        cwd=tmp_path,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    report = read_report(done.stdout)
    assert "Ran 2 tests" in done.stdout
    assert (report.ran, report.idle) == (ended, not ended), done.stdout


def test_reads_several_runners_in_one_output() -> None:
    both = failed_tests(PYTEST + CARGO)
    assert both == failed_tests(PYTEST) | failed_tests(CARGO)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "all good\n",
        "FAILED (failures=1)",
        "ERROR connecting at 12:01:03 - is the database up?",
        "make: *** [Makefile:2: test] Error 1",
        "npm ERR! Test failed.",
        "test result: FAILED. 1 passed; 1 failed",
        "  ● a bullet without a file",
        "FAIL: test_a (no rule above)",
    ],
)
def test_what_is_no_report_names_no_test(output: str) -> None:
    assert failed_tests(output) == frozenset()


def test_a_very_long_name_is_cut() -> None:
    (name,) = failed_tests(f"{SUMMARY}\nFAILED tests/test_a.py::test_{'x' * 5000}")
    assert len(name) == 200


def test_an_address_in_memory_does_not_make_another_test_of_it() -> None:
    line = f"{SUMMARY}\nFAILED test_a.py::test_b[<object at 0x7f3a5c0d1e20>]"
    assert failed_tests(line) == {"test_a.py::test_b[<object at 0x>]"}


@pytest.mark.slow
def test_long_hostile_lines_take_no_long_time() -> None:
    lines: tuple[str, ...]
    lines = (
        f"{SUMMARY}\nFAILED x" + " - [" * 200_000,
        " FAIL " + " (1" * 200_000,
        "test " + "... " * 200_000,
    )
    lines += (
        "--- FAIL: " + " (1" * 200_000,
        " " * 500_000 + "●",
        f"{SUMMARY}\nERROR " + "[::" * 200_000,
    )
    lines += (
        "demo" + " " * 500_000 + "Time elapsed: <<< x",
        " > " * 200_000 + "FAILED",
        "  1) Failure:\n" + "a#b" + " [" * 300_000,
        "rspec " + "[1:1" * 200_000,
        "a.b:1" * 200_000,
        "1 failed, " * 100_000,
        "  1 failing\n" + "  1) a\n" * 100_000,
        "✖ a" + " (1" * 200_000,
        "a.py:1: x\n" * 90_000,
        "Ran 1 test in 1s\n" + "s" * 300_000 + "." * 300_000 + "!",
        "Ran 1 test in 1s\n" + "... ok" * 100_000,
    )
    for line in lines:
        failed_tests(line)


@given(st.text())
def test_any_text_is_read(output: str) -> None:
    failed_tests(output)


PARTS = [
    f"\n{SUMMARY}\n",
    "FAILED ",
    "ERROR ",
    "FAIL",
    "FAIL: ",
    "=" * 70,
    "\n",
    "\t",
    "::",
    "[",
    "] - ",
    " - ",
    "●",
]


@given(
    st.lists(st.sampled_from([*PARTS, "test ", " ... FAILED", "--- FAIL: ", "x", " > ", "(1s)"]))
)
def test_any_mixture_of_what_runners_write_is_read(parts: list[str]) -> None:
    for name in failed_tests("".join(parts)):
        assert name
        assert "\n" not in name


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
MESSAGES = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40)


@given(st.sets(NAMES), MESSAGES)
def test_every_failed_test_of_pytest_is_found(names: set[str], message: str) -> None:
    lines = [f"FAILED tests/test_a.py::{name} - {message.strip()}x" for name in names]
    assert failed_tests("\n".join([SUMMARY, *lines])) == {
        f"tests/test_a.py::{name}" for name in names
    }


@given(st.lists(NAMES))
def test_every_failed_test_of_go_is_found_in_its_package(names: list[str]) -> None:
    report = "".join(f"--- FAIL: {name} (0.00s)\n" for name in names)
    report += "FAIL\nFAIL\tpackage\t0.1s\n"
    expected = {f"package {name}" for name in names} or {"package"}
    assert failed_tests(report) == expected


@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        ("E   ModuleNotFoundError: No module named 'tiny'", "No module named 'tiny'"),
        ("ModuleNotFoundError: No module named 'a.b'; 'a' is no package", "No module named 'a.b';"),
        ("/usr/bin/python3: No module named pytest", "No module named pytest"),
        ("pytest: error: unrecognized arguments: --cov", "unrecognized arguments: --cov"),
        ("E       fixture 'mocker' not found", "fixture 'mocker' not found"),
        (
            "E  FileNotFoundError: [Errno 2] No such file or directory: 'git'",
            "No such file or directory: 'git'",
        ),
        ("Error: Cannot find module 'vitest'", "Cannot find module 'vitest'"),
        ("Error [ERR_X]: Cannot find package '@a/b' imported", "Cannot find package '@a/b'"),
        ("cannot load such file -- rspec (LoadError)", "cannot load such file -- rspec"),
        ("x.go:3:2: no required module provides package a/b; to add it:", "no required module"),
        ("error: linker `cc` not found", "linker `cc` not found"),
        ("sh: 1: vitest: not found", "vitest: not found"),
        ("bash: line 1: tox: command not found", "tox: command not found"),
        ("Error: Cannot find module './own'", ""),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data.txt'", ""),
        ("AssertionError: 404: not found", ""),
        ("1 test failed", ""),
    ],
)
def test_what_is_not_installed_is_told(line: str, lacking: str) -> None:
    said = read_report(f"collected\n{line}\nafter").lacking
    assert said.startswith(lacking)
    assert bool(said) == bool(lacking)


STOPS = f"{'!' * 20} stopping after 1 failures {'!' * 20}"
UNLOADED = f"{'!' * 19} Interrupted: 1 error during collection {'!' * 19}"
RERUN = "error: test failed, to rerun pass `--lib`"


@pytest.mark.parametrize(
    ("output", "cut_short"),
    [
        (STOPS, True),
        (f"{'!' * 9} xdist.dsession.Interrupted: stopping after 1 failures {'!' * 9}", True),
        (UNLOADED, True),
        (PYTEST, False),
        (RERUN, True),
        (f"{RERUN}\n{RERUN}\nerror: 2 targets failed:", False),
        ("--- FAIL: TestA (0.00s)\npanic: oh [recovered]", True),
        ("--- FAIL: TestA (0.00s)", False),
        ("Test Suites: 1 failed, 2 of 9 total", True),
        ("Test Suites: 1 failed, 8 passed, 9 total", False),
        ("Test Suites: 1 failed, 1 skipped, 4 passed, 5 of 6 total", False),
        ("Test Suites: 1 failed, 1 skipped, 4 passed, 5 of 7 total", True),
        ("Test Suites: 1 skipped, 2 of 3 total\nTest Suites: 1 failed, 1 of 2 total", True),
        ("Bail out! no more", True),
        ("[INFO] core ............ FAILURE [  1.2 s]\n[INFO] app ............ SKIPPED", True),
    ],
)
def test_a_runner_says_that_it_left_tests_out(output: str, cut_short: bool) -> None:
    assert read_report(output).cut_short is cut_short


RERUN_PART = "error: test failed, to rerun pass `-p a --lib`"
CANCELLED = "  Canceling due to test failure"
SUMMARY_OF_ALL = "     Summary [   0.012s] 5 tests run: 4 passed, 1 failed, 0 skipped"
SUMMARY_OF_SOME = "     Summary [   0.012s] 3/5 tests run: 2 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize(
    ("command", "output", "cut_short"),
    [
        ("cargo test", RERUN, True),
        ("cargo test --lib", RERUN, False),
        ("RUST_BACKTRACE=1 cargo +nightly test --all-features --lib -- --nocapture", RERUN, False),
        ("cargo test --test=api", RERUN, False),
        ("cargo test --bin x", RERUN, False),
        ("cargo test --doc", RERUN, False),
        ("cargo test --lib --test api", RERUN, True),
        ("cargo test --lib --bins", RERUN, True),
        ("cargo test --tests", RERUN, True),
        ("cargo test --test 'a*'", RERUN, True),
        ("cargo test --lib && cargo test --doc", RERUN, True),
        ("cargo test -- --lib", RERUN, True),
        ("cargo nextest run --lib", CANCELLED, True),
        ("cargo test --lib", RERUN_PART, True),
        ("cargo test --workspace --lib", RERUN_PART, True),
        ("cargo test -p a -p b --lib", RERUN_PART, True),
        ("cargo test --package=a --lib", RERUN_PART, False),
        ("cargo test -p a", RERUN_PART, True),
        ("cargo test --lib", f"{STOPS}", True),
        ("cargo nextest run", f"{CANCELLED}\n{SUMMARY_OF_ALL}", False),
        ("cargo nextest run", f"{CANCELLED}\n{SUMMARY_OF_SOME}", True),
        ("cargo nextest run", SUMMARY_OF_SOME, True),
    ],
)
def test_a_single_target_of_cargo_leaves_none_out(
    command: str, output: str, cut_short: bool
) -> None:
    assert read_report(output, command).cut_short is cut_short


LIBRARY = "     Running unittests src/lib.rs (target/debug/deps/a-01)\n\nrunning 0 tests\n"
NONE = "\ntest result: ok. 0 passed; 0 failed; 0 ignored\n"
OWN = "     Running tests/ui.rs (target/debug/deps/ui-02)\nall 12 cases hold\n"


@pytest.mark.parametrize(
    ("output", "idle"),
    [
        (f"{LIBRARY}{NONE}", True),
        (f"{LIBRARY}{NONE}{LIBRARY}{NONE}   Doc-tests a\n\nrunning 0 tests\n{NONE}", True),
        (f"{LIBRARY}{NONE}     Running `target/debug/a`\n", True),
        (f"{LIBRARY}{NONE}{OWN}", False),
        (f"{OWN}{LIBRARY}{NONE}", False),
        (f"{LIBRARY}{NONE}{OWN}   Doc-tests a\n\nrunning 0 tests\n{NONE}", False),
    ],
)
def test_a_target_without_cargo_s_harness_may_have_run_tests(output: str, idle: bool) -> None:
    report = read_report(output)
    assert (report.idle, report.ran) == (idle, False)


def test_a_list_of_failures_behind_a_cut_is_whole() -> None:
    cut = render(b"", 99)
    assert read_report(f"a{cut}{PYTEST}").listed
    assert not read_report(f"{PYTEST}{cut}a").listed
