"""Which tests failed, read from whole outputs of runners, compilers and linters."""

# ruff: noqa: RUF001 - as the runners write it
from pathlib import Path

import pytest

from sandbox.reports.read_report import read_report

OUTPUTS = Path(__file__).parent / "outputs"

TESTS = {
    "cargo": {
        "sum tests::adds",
        "sum tests::panics",
        "sum tests::prints",
        "whole whole",
        "sum src/lib.rs - add",
    },
    "cargo_nextest": {"sum tests::adds", "sum::whole waits", "sum::whole deep::aborts"},
    "deno": {
        "adds in ./src/sum_test.ts",
        "steps ... second step ... inner in ./src/sum_test.ts",
        "prints in ./src/sum_test.ts",
        "./src/throw_test.ts",
        "sum ... adds numbers in ext:deno_node/testing.ts",
    },
    "go_test": {
        "example.com/sum TestAdd",
        "example.com/sum TestAdd/negative_numbers",
        "example.com/broken",
    },
    "gradle": {
        "demo.SumTest > adds()",
        "SumTest > Inner > deep()",
        "SumTest > parts(int) > [2] 2",
    },
    "jest": {
        "src/sum.test.js > sum › deep › adds numbers",
        "src/sum.test.js > sum › logs",
        "src/sum.test.js > sum › each 2",
        "src/sum.test.js > sum ›   trailing",
        "src/sum.test.js > top",
        "src/one.test.js > slow",
        "src/gone.test.js > Test suite failed to run",
    },
    "minitest": {"SumTest#test_adds", "Sum::deep#test_0001_adds big numbers"},
    "mocha": {
        "top",
        "sum > logs",
        "sum > multi",
        "sum > slow",
        "sum > ends: with colon:",
        "sum > string",
        "sum > deep > adds numbers",
        'sum > hooked > "before all" hook for "never"',
        'sum > each > "after each" hook: clean up for "first"',
    },
    "mocha_tap": {
        "top",
        "sum logs",
        "sum multi",
        "sum slow",
        "sum ends: with colon:",
        "sum string",
        "sum deep adds numbers",
        'sum hooked "before all" hook for "never"',
        'sum each "after each" hook: clean up for "first"',
    },
    "node_spec": {"a.test.js > adds", "a.test.js > inner"},
    "node_spec_todo": {"a.test.js > inner", "a.test.js > named (1ms) # TODO"},
    "node_tap": {"adds", "suite > inner", "suite"},
    "pytest": {
        "tests/test_gone.py",
        "tests/test_more.py::test_fixture",
        "tests/test_more.py::test_text[a - b]",
        "tests/test_more.py::test_text[c[d]]",
        *(f"tests/test_sum.py::SumTest::test_{name}" for name in ("breaks", "fails", "parts")),
    },
    "rails": {"UserTest#test_has_a_name"},
    "rspec": {
        "./spec/gone_spec.rb",
        "./spec/sum_spec.rb Sum adds numbers",
        "./spec/sum_spec.rb Sum behaves like a number is small",
    },
    "surefire": {
        "demo.SumTest.adds",
        "demo.SumTest.breaks",
        "demo.SumTest.parts(int)[2]",
        "demo.SumTest$Inner.deep",
    },
    "surefire_old": {"adds(demo.OldTest)", "breaks(demo.OldTest)"},
    "test_unit": {"test_adds(SumTest)", "test_breaks(SumTest)"},
    "unittest": {
        "tests.test_gone (unittest.loader._FailedTest.tests.test_gone)",
        "test_breaks (tests.test_sum.SumTest.test_breaks)",
        "test_fails (tests.test_sum.SumTest.test_fails)",
        "test_parts (tests.test_sum.SumTest.test_parts) (part=2)",
    },
    "vitest": {
        "src/gone.test.ts [ src/gone.test.ts ]",
        "src/hook.test.ts > hooked",
        "src/sum.test.ts > sum > deep > adds numbers",
        "src/sum.test.ts > sum > logs",
        "src/sum.test.ts > sum > each 2",
        "src/sum.test.ts > sum > has > inside",
        "src/sum.test.ts > top",
        "src/x.test.ts > fake",  # a test printed it, and prints it again the next time
        "fake.ts > no",
    },
}
UNDEFINED = "a.py: F821 Undefined name `undefined`"
UNUSED = {f"a.py: F401 [*] `{name}` imported but unused" for name in ("os", "sys")}
UNSORTED = "a.py: I001 [*] Import block is un-sorted or un-formatted"
SYMBOL = "/workspace/src/test/java/demo/Broken.java: cannot find symbol"
DENO_LINT = {
    "bad.ts: error[no-explicit-any]: `any` type is not allowed": 2,
    "bad.ts: error[no-unused-vars]: `b` is never used": 2,
    "bad.ts: error[prefer-const]: `b` is never reassigned": 2,
    "sum_test.ts: error[no-unused-vars]: `describe` is never used": 1,
    "sum_test.ts: error[no-unused-vars]: `it` is never used": 1,
}
PROBLEMS = {
    "deno_lint": {
        f"/workspace/src/{place}{again}"
        for place, repeats in DENO_LINT.items()
        for again in ("", " (2)")[:repeats]
    },
    "eslint": {
        "/workspace/a.js: 'a' is assigned a value but never used no-unused-vars",
        "/workspace/a.js: Missing semicolon semi",
        "/workspace/a.js: 'b' is assigned a value but never used no-unused-vars",
        "/workspace/bad.js: Parsing error: The keyword 'let' is reserved",
        "/workspace/sub dir/b.js: 'b' is assigned a value but never used no-unused-vars",
        "/workspace/sub dir/b.js: 'c' is assigned a value but never used no-unused-vars",
    },
    "go_vet": {
        './sum.go: fmt.Printf format %d has arg "x" of wrong type string',
        "./broken.go: expected declaration",
    },
    "javac": {SYMBOL, f"{SYMBOL} (2)"},
    "mypy": {
        "a.py: error: Incompatible types in assignment (expression has type"
        f' "str", variable has type "int") [assignment]{again}'
        for again in ("", " (2)")
    },
    "pyright": {'/workspace/a.py: error: Type "str" is not assignable to declared type "int"'},
    "rubocop": {
        "lib/sum.rb: C: [Correctable] Style/FrozenStringLiteralComment: Missing frozen comment.",
        "lib/sum.rb: W: Lint/UselessAssignment: Useless assignment to variable - c.",
    },
    "ruff": {UNSORTED, UNDEFINED, *UNUSED},
    "ruff_concise": {UNSORTED, UNDEFINED, *UNUSED},
    "rustc": {"src/lib.rs: error[E0308]: mismatched types"},
    "rustfmt": {"/workspace/src/lib.rs: Diff in", "/workspace/tests/whole.rs: Diff in"},
    "tsc": {
        "t.ts: error TS2322: Type 'number' is not assignable to type 'string'.",
        "t.ts: error TS7006: Parameter 'a' implicitly has an 'any' type.",
    },
}


def read(name: str) -> str:
    return (OUTPUTS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("runner", TESTS)
def test_reads_the_failed_tests(runner: str) -> None:
    report = read_report(read(runner))
    assert report.failed == TESTS[runner]
    assert report.ran


@pytest.mark.parametrize("tool", PROBLEMS)
def test_reads_the_problems_where_no_test_is_named(tool: str) -> None:
    report = read_report(read(tool))
    assert report.failed == PROBLEMS[tool]
    assert not report.ran


def test_every_sample_is_read() -> None:
    assert {path.stem for path in OUTPUTS.iterdir()} == {*TESTS, *PROBLEMS}


def test_lines_above_a_problem_do_not_make_another_of_it() -> None:
    lines = [f"a.py:{number}:1: F401 unused" for number in (1, 2)]
    moved = [f"a.py:{number}:9: F401 unused" for number in (7, 30)]
    assert read_report("\n".join(lines)) == read_report("\n".join(moved))
    assert read_report(lines[0]).failed < read_report("\n".join(lines)).failed


@pytest.mark.parametrize(
    "output",
    [
        "12:01:03: error: late",
        "2026-01-02 12:01:03.123: error: late",
        "127.0.0.1:8080: connection refused",
        "a.py:3: note: see",
        "src/lib.rs:4:36: warning: unneeded `return` statement",
        "warning: unused\n --> src/lib.rs:4:36",
        "  1:1  error  no file above",
        "    at Object.<anonymous> (/workspace/a.js:1:2)",
        "make: *** [Makefile:2: test] Error 1",
    ],
)
def test_what_is_no_problem_of_a_place_is_none(output: str) -> None:
    assert read_report(output).failed == frozenset()


@pytest.mark.parametrize(
    ("output", "ran"),
    [
        ("", False),
        ("ERROR tests/test_a.py - ModuleNotFoundError\n1 error in 0.10s", False),
        ("== 1 passed, 1 error in 0.10s ==", True),
        ("3 failed, 2 passed in 12.00s (0:00:12)", True),
        ("no tests ran in 0.01s", False),
        ("Ran 0 tests in 0.000s", False),
        ("Ran 2 tests in 0.001s", True),
        (f"{'=' * 70}\nERROR: a (unittest.loader._FailedTest.a)\nRan 1 test in 0.1s", False),
        (f"{'=' * 70}\nERROR: a (unittest.loader._FailedTest.a)\nRan 2 tests in 0.1s", True),
        ("FAIL\texample.com/a [build failed]", False),
        ("ok  \texample.com/a\t0.01s", True),
        ("Test Suites: 1 failed, 1 total\nTests:       0 total", False),
        ("Tests:       1 skipped, 2 passed, 3 total", True),
        (" Test Files  1 failed (1)\n      Tests  no tests", False),
        ("  0 passing (2ms)\n  1 failing", True),
        ("[INFO] Tests run: 0, Failures: 0", False),
        ("0 examples, 0 failures, 1 error occurred outside of examples", False),
        ("> Task :test FAILED", False),
        ("     Summary [   0.012s] 500 tests run: 500 passed, 0 skipped", True),
        ("     Summary [   0.012s] 1/2 tests run: 0 passed, 1 failed, 0 skipped", True),
        ("     Summary [   0.001s] 0 tests run: 0 passed, 4 skipped", False),
        ("error: could not compile `sum` (lib) due to 1 previous error", False),
    ],
)
def test_tells_whether_tests_ran(output: str, ran: bool) -> None:
    assert read_report(output).ran is ran
