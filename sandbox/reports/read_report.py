"""Reports of test runners: which tests failed, by the lines that each runner writes.

What is read here tells new failures from known ones; whether a check failed is told by its exit
code alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sandbox.reports.compiler_diagnostics import diagnostics
from sandbox.reports.javascript import JAVASCRIPT
from sandbox.reports.jvm import JVM
from sandbox.reports.ruby import RUBY

_LONGEST = 200
_LONGEST_LINE = 1000

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")

_PYTEST_SUMMARY = re.compile(r"=+ short test summary info =+")
_PYTEST = re.compile(r"(?:FAILED|ERROR|SUBFAIL(?:ED)?(?:\[.*?\])?) (?P<id>\S.*)")
_UNITTEST = re.compile(r"(?:FAIL|ERROR): (?P<id>\S.*)")
_UNITTEST_RULE = "=" * 70
_UNLOADED = "unittest.loader._FailedTest"
_GO_TEST = re.compile(r"\s*--- FAIL: (?P<id>.+?)(?: \([\d.]+s\))?")
_GO_PACKAGE = re.compile(r"(?:FAIL|ok  )\t(?P<package>\S+)")
_CARGO_TARGET = re.compile(
    r"\s+(?:Running (?:unittests )?(?P<target>\S+)(?: \(\S*?(?P<crate>[^/\s]+)-[0-9a-f]+\))?"
    r"|Doc-tests (?P<doc>\S+))"
)
_CARGO_TEST = re.compile(r"test (?P<id>\S.*?)(?: - should panic)? \.\.\. FAILED")
_DOC_LINE = re.compile(r" \(line \d+\)$")  # moves with every line above it
_RAN = re.compile(
    r"(?:=+ )?(?:\d+ \w+, )*[1-9]\d* (?:passed|failed)\b.* in [\d.]+s"  # pytest
    r"| *Tests:? +(?:\d+ (?:skipped|todo), )*[1-9]\d* (?:passed|failed)\b"  # jest, vitest
    r"|test \S.* \.\.\. (?:ok|FAILED)$"  # cargo
    r"| *--- FAIL: |ok  \t"  # go
    r"|  [1-9]\d* (?:passing|failing)\b"  # mocha
    r"| *(?:not )?ok [1-9]\d*\b"  # TAP
    r"|. (?:pass|fail) [1-9]\d*$"  # node
    r"|(?:\[\w+\] )?Tests run: [1-9]\d*,"  # Surefire
    r"|[1-9]\d* (?:examples?|runs|tests), "  # rspec, minitest, test-unit
)
_GRADLE_RAN = (" PASSED", " FAILED")
_UNITTEST_RAN = re.compile(r"Ran (?P<count>\d{1,9}) tests? in ")


@dataclass(frozen=True)
class Report:
    """What a check's output says of tests.

    `failed`: ids of those that failed. Where it names none, what it says of places in files stands
    for them: the errors of a compiler or a linter. `ran`: whether any test came to its end, and not
    just failed to be loaded.
    """

    failed: frozenset[str]
    ran: bool


def read_report(output: str) -> Report:
    """Reads the output of any runner it knows, of several too."""
    lines = [line[:_LONGEST_LINE].rstrip() for line in output.split("\n")]
    tests = {_lasting(test) for reader in _READERS for test in reader(lines)}
    failed = tests or map(_lasting, diagnostics(lines))
    return Report(failed=frozenset(failed), ran=_ran(lines))


def _ran(lines: list[str]) -> bool:
    if any(_RAN.match(line) or _is_gradle_test(line) for line in lines):
        return True
    counts = (match for line in lines if (match := _UNITTEST_RAN.match(line)))
    unloaded = sum(_UNLOADED in test for test in _unittest(lines))
    return sum(int(match["count"]) for match in counts) > unloaded


def _is_gradle_test(line: str) -> bool:
    return line.endswith(_GRADLE_RAN) and " > " in line and not line.startswith(">")


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
            target = match["crate"] or match["target"] or match["doc"]
        elif match := _CARGO_TEST.fullmatch(line):
            yield _DOC_LINE.sub("", f"{target} {match['id']}".strip())


_READERS = (_pytest, _unittest, _go, _cargo, *JAVASCRIPT, *JVM, *RUBY)
