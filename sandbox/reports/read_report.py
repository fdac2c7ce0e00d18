"""Reports of test runners: which tests failed, by the lines that each runner writes.

What is read here tells new failures from known ones; whether a check failed is told by its exit
code alone.
"""

import re
from collections import Counter
from dataclasses import dataclass

from sandbox.core.output import CUT_LINE
from sandbox.ecosystems.base import any_of
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.reports.compiler_diagnostics import diagnostics

_LONGEST = 200
_LONGEST_LINE = 1000
_COUNTS = any_of(each.counts for each in ECOSYSTEMS)
_ENDS_FIRST = any_of(each.ends_first for each in ECOSYSTEMS)
_LACKING = any_of(each.lacking for each in ECOSYSTEMS)
_LISTS = any_of(each.lists_failed for each in ECOSYSTEMS)
_NOT_RUN = frozenset(("skipped", "deselected", "ignored", "pending", "todo", "warning", "warnings"))
_NUMBER = re.compile(r"(?P<before>\d{1,9}) (?P<word>\w+)|\b(?P<name>\w++):? (?P<behind>\d{1,9})")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class Report:
    """What a check's output says of tests.

    `failed`: ids of those that failed. Where it names none, what it says of places in files stands
    for them: the errors of a compiler or a linter. `ran`: whether any test came to its end, and not
    just failed to be loaded. `counts`: how many passed and failed, in the runner's words, added up.
    `lacking`: the first that it says of a module or a tool that is not installed. `idle`: whether
    it says that no test was run. `cut_short`: whether it says that tests were left out after others
    had failed; `stops_at_first`: that it ended at so many failures, whichever came first, or that
    its command lets it. `listed`: whether it lists at its end, behind any cut, what failed.
    `of_tests`: whether those that failed are tests.
    """

    failed: frozenset[str]
    ran: bool
    counts: str = ""
    lacking: str = ""
    idle: bool = False
    cut_short: bool = False
    stops_at_first: bool = False
    listed: bool = False
    of_tests: bool = False


def read_report(output: str, command: str = "") -> Report:
    """Reads the output of any runner it knows, of several too, and what command it is of."""
    lines = [line[:_LONGEST_LINE].rstrip() for line in output.split("\n")]
    readers = [reader for ecosystem in ECOSYSTEMS for reader in ecosystem.reports]
    tests = {_lasting(test) for reader in readers for test in reader.failed(lines)}
    failed = tests or map(_lasting, diagnostics(lines))
    ran, sums = any(reader.ran(lines) for reader in readers), _sums(lines)
    cut = max((n for n, line in enumerate(lines) if CUT_LINE.fullmatch(line)), default=-1)
    return Report(
        failed=frozenset(failed),
        ran=ran,
        counts=", ".join(f"{number} {word}" for word, number in sums.items())[:_LONGEST],
        lacking=next(filter(None, map(_lacking, lines)), ""),
        idle=not ran and _is_idle(lines, sums),
        cut_short=any(
            each.cut_short(lines) and not each.runs_one(command, lines) for each in ECOSYSTEMS
        ),
        stops_at_first=any(each.stops_at_first(lines) for each in ECOSYSTEMS)
        or _ENDS_FIRST.search(command) is not None,
        of_tests=bool(tests),
        listed=any(map(_LISTS.fullmatch, lines[cut + 1 :])),
    )


def _is_idle(lines: list[str], sums: Counter[str]) -> bool:
    told = not any(each.tells_too_little(lines) for each in ECOSYSTEMS)
    return (told and _tells_of_none(sums)) or any(each.idle(lines) for each in ECOSYSTEMS)


def _tells_of_none(sums: Counter[str]) -> bool:
    """Whether tests are counted, and none of them ran."""
    return bool(sums) and not any(number for word, number in sums.items() if word not in _NOT_RUN)


def _sums(lines: list[str]) -> Counter[str]:
    """`2 failed, 3 passed`: numbers are added up by the words at their side."""
    sums: Counter[str] = Counter()
    for match in filter(None, map(_COUNTS.fullmatch, lines)):
        text = next(filter(None, match.groups()))
        for found in _NUMBER.finditer(text):
            word = found["word"] or found["name"].lower()
            sums[word] += int(found["before"] or found["behind"])
    return sums


def _lacking(line: str) -> str:
    match = _LACKING.fullmatch(line)
    return next(filter(None, match.groups()), "")[:_LONGEST] if match else ""


def _lasting(test: str) -> str:
    """An id that the same test has in the next process, too."""
    return _ADDRESS.sub("0x", test)[:_LONGEST]
