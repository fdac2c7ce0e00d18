"""Reports of test runners: which tests failed, by the lines that each runner writes.

What is read here tells new failures from known ones; whether a check failed is told by its exit
code alone.
"""

import re
from collections import Counter
from dataclasses import dataclass

from sandbox.ecosystems.base import any_of
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.reports.compiler_diagnostics import diagnostics

_LONGEST = 200
_LONGEST_LINE = 1000
_COUNTS = any_of(each.counts for each in ECOSYSTEMS)
_LACKING = any_of(each.lacking for each in ECOSYSTEMS)
_NUMBER = re.compile(r"(?P<before>\d{1,9}) (?P<word>\w+)|\b(?P<name>\w++):? (?P<behind>\d{1,9})")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class Report:
    """What a check's output says of tests.

    `failed`: ids of those that failed. Where it names none, what it says of places in files stands
    for them: the errors of a compiler or a linter. `ran`: whether any test came to its end, and not
    just failed to be loaded. `counts`: how many passed and failed, in the runner's words, added up.
    `lacking`: the first that it says of a module or a tool that is not installed.
    """

    failed: frozenset[str]
    ran: bool
    counts: str = ""
    lacking: str = ""


def read_report(output: str) -> Report:
    """Reads the output of any runner it knows, of several too."""
    lines = [line[:_LONGEST_LINE].rstrip() for line in output.split("\n")]
    readers = [reader for ecosystem in ECOSYSTEMS for reader in ecosystem.reports]
    tests = {_lasting(test) for reader in readers for test in reader.failed(lines)}
    failed = tests or map(_lasting, diagnostics(lines))
    return Report(
        failed=frozenset(failed),
        ran=any(reader.ran(lines) for reader in readers),
        counts=_counts(lines),
        lacking=next(filter(None, map(_lacking, lines)), ""),
    )


def _counts(lines: list[str]) -> str:
    """`2 failed, 3 passed`: numbers are added up by the words at their side."""
    sums: Counter[str] = Counter()
    for match in filter(None, map(_COUNTS.fullmatch, lines)):
        text = next(filter(None, match.groups()))
        for found in _NUMBER.finditer(text):
            word = found["word"] or found["name"].lower()
            sums[word] += int(found["before"] or found["behind"])
    return ", ".join(f"{number} {word}" for word, number in sums.items())[:_LONGEST]


def _lacking(line: str) -> str:
    match = _LACKING.fullmatch(line)
    return next(filter(None, match.groups()), "")[:_LONGEST] if match else ""


def _lasting(test: str) -> str:
    """An id that the same test has in the next process, too."""
    return _ADDRESS.sub("0x", test)[:_LONGEST]
