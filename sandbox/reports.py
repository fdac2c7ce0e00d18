"""Reports of test runners: which tests failed, by the lines that each runner writes.

What is read here tells new failures from known ones; whether a check failed is told by its exit
code alone.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

_LONGEST = 200

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")

_PYTEST_SUMMARY = re.compile(r"=+ short test summary info =+")
_PYTEST = re.compile(r"(?:FAILED|ERROR|SUBFAIL(?:ED)?(?:\[.*?\])?) (?P<id>\S.*)")
_UNITTEST = re.compile(r"(?:FAIL|ERROR): (?P<id>\S.*)")
_UNITTEST_RULE = "=" * 70
_GO_TEST = re.compile(r"\s*--- FAIL: (?P<id>.+?)(?: \([\d.]+s\))?")
_GO_PACKAGE = re.compile(r"(?:FAIL|ok  )\t(?P<package>\S+)")
_CARGO_TARGET = re.compile(r"\s+(?:Running (?:unittests )?(?P<target>\S+)|Doc-tests (?P<doc>\S+))")
_CARGO_TEST = re.compile(r"test (?P<id>\S.*?) \.\.\. FAILED")
_DOC_LINE = re.compile(r" \(line \d+\)$")  # moves with every line above it
_JS_FILE = re.compile(r"\s*FAIL\s+(?P<file>\S.*?)(?: \([\d.]+ m?s\))?")
_JEST_TEST = re.compile(r"\s+● (?P<id>\S.*)")
_JEST_NOTES = ("Console", "Validation Warning", "Deprecation Warning")


def failed_tests(output: str) -> frozenset[str]:
    """Ids of the failed tests that a check's output names; empty where no runner is recognised.

    Reads pytest, unittest, jest, vitest, go test and cargo test, also several in one output.
    """
    lines = [line.rstrip() for line in output.split("\n")]
    readers = (_pytest, _unittest, _go, _cargo, _javascript)
    return frozenset(_lasting(test) for reader in readers for test in reader(lines))


def _lasting(test: str) -> str:
    """An id that the same test has in the next process, too."""
    return _ADDRESS.sub("0x", test)[:_LONGEST]


def _pytest(lines: list[str]) -> Iterator[str]:
    """The short summary: `FAILED tests/test_a.py::test_b[x - y] - AssertionError`."""
    in_summary = False
    for line in lines:
        if line.startswith("="):
            in_summary = _PYTEST_SUMMARY.fullmatch(line) is not None
        elif in_summary and (match := _PYTEST.fullmatch(line)):
            yield _node_id(match["id"])


def _node_id(text: str) -> str:
    """A pytest id without the message after it; its parameters may hold ` - ` too."""
    parameters = text.find("[", text.find("::") + 1)
    end = text.find("] - ", parameters) if 0 <= parameters < text.find(" - ") else -1
    return text[: end + 1] if end >= 0 else text.split(" - ", 1)[0]


def _unittest(lines: list[str]) -> Iterator[str]:
    """A heading below a double rule: `FAIL: test_b (tests.test_a.ATest.test_b)`."""
    for rule, line in pairwise(lines):
        if rule == _UNITTEST_RULE and (match := _UNITTEST.fullmatch(line)):
            yield match["id"]


def _go(lines: list[str]) -> Iterator[str]:
    """Tests as `--- FAIL: TestA/sub (0.00s)`, their package after them: `FAIL\\tpackage\\t0.1s`."""
    pending: list[str] = []
    for line in lines:
        if match := _GO_TEST.fullmatch(line):
            pending.append(match["id"])
        elif match := _GO_PACKAGE.match(line):
            yield from (f"{match['package']} {test}" for test in pending)
            if line.startswith("FAIL") and not pending:
                yield match["package"]
            pending = []
    yield from pending


def _cargo(lines: list[str]) -> Iterator[str]:
    """`test module::name ... FAILED`, below the line that names the target."""
    target = ""
    for line in lines:
        if match := _CARGO_TARGET.match(line):
            target = match["target"] or match["doc"]
        elif match := _CARGO_TEST.fullmatch(line):
            yield _DOC_LINE.sub("", f"{target} {match['id']}".strip())


def _javascript(lines: list[str]) -> Iterator[str]:
    """jest: `FAIL file`, then `  ● suite … test`; vitest: ` FAIL  file > suite > test`."""
    file = ""
    for line in lines:
        if "\t" not in line and (match := _JS_FILE.fullmatch(line)):
            file = match["file"]
            if " > " in file or file.endswith("]"):
                yield file
        elif file and (match := _JEST_TEST.fullmatch(line)) and match["id"] not in _JEST_NOTES:
            yield f"{file} > {match['id']}"
