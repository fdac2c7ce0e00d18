"""Reports of Ruby's test runners: rspec, minitest, test-unit."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_RSPEC = re.compile(
    r"rspec (?P<quote>'?)(?P<file>\S.*?)(?::\d+|\[[\d:]+\])(?P=quote) # (?P<name>.+)"
)
_RSPEC_LOADING = re.compile(r"An error occurred while loading (?P<file>\S.*?)\.?")
_MINITEST_KIND = re.compile(r" *(?:\d+\) )?(?:Failure|Error):")
_MINITEST = re.compile(r"(?P<id>[^\s#][^#]*#\S.*?)(?: \[[^\]]{0,300}\])?:")
_TEST_UNIT = re.compile(r"(?:Failure|Error): (?P<id>\S+\([^)\s]+\))(?::.*)?")


def _rspec(lines: list[str]) -> Iterator[str]:
    """`rspec ./spec/sum_spec.rb:12 # Sum adds`, without the line, which moves."""
    for line in lines:
        if match := _RSPEC.fullmatch(line):
            yield f"{match['file']} {match['name'].strip()}"
        elif match := _RSPEC_LOADING.fullmatch(line):
            yield match["file"]


def _minitest(lines: list[str]) -> Iterator[str]:
    """`  1) Failure:`, then `SumTest#test_adds [test/sum_test.rb:9]:`."""
    for kind, line in pairwise(lines):
        if _MINITEST_KIND.fullmatch(kind) and (match := _MINITEST.fullmatch(line)):
            yield match["id"]


def _test_unit(lines: list[str]) -> Iterator[str]:
    """`Failure: test_adds(SumTest)`."""
    for line in lines:
        if match := _TEST_UNIT.fullmatch(line):
            yield match["id"]


RUBY: Final = (_rspec, _minitest, _test_unit)
