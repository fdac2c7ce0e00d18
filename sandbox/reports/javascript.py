"""Reports of JavaScript's test runners: jest, vitest, mocha, node's own, ava, and TAP."""

import re
from collections.abc import Iterator
from typing import Final

_FILE = re.compile(r"\s*FAIL\s+(?P<file>\S.*?)(?: \([\d.]+ m?s\))?(?: \(\d+ MB heap size\))?")
_JEST_TEST = re.compile(r"  ● (?P<id>\S.*)")  # what a test printed is indented further
_JEST_NOTES = ("Console", "Validation Warning", "Deprecation Warning")
_MOCHA_COUNT = re.compile(r"  \d+ failing")
_MOCHA_ENTRY = re.compile(r"  (?P<number>\d+)\) (?P<title>\S.*)")
_MOCHA_INDENT = 7
_SUBTEST = re.compile(r"(?P<indent> *)# Subtest: (?P<name>\S.*)")
_NOT_OK = re.compile(r"(?P<indent> *)not ok \d+(?: -)? (?P<name>\S.*)")
_EXCUSED = re.compile(r" # (?:todo|skip)\b", re.IGNORECASE)
_NODE_PLACE = re.compile(r"test at (?P<file>\S.*?):\d+:\d+")
_NODE_TEST = re.compile(r"✖ (?P<name>\S.*?)(?: \([\d.]+ms\))?")
_AVA = re.compile(r"\s*✘ \[fail\]: (?P<id>\S.*)")


def _jest_and_vitest(lines: list[str]) -> Iterator[str]:
    """jest: `FAIL file`, then `  ● suite … test`; vitest: ` FAIL  file > suite > test`."""
    file = ""
    for line in lines:
        if "\t" not in line and (match := _FILE.fullmatch(line)):
            file = match["file"]
            if " > " in file or file.endswith("]"):
                yield file
        elif file and (match := _JEST_TEST.fullmatch(line)) and match["id"] not in _JEST_NOTES:
            yield f"{file} > {match['id']}"


def _mocha(lines: list[str]) -> Iterator[str]:
    """Below `  2 failing`, in order: `  1) suite`, each inner title a line, further indented."""
    expected = 0
    titles: list[str] = []
    for line in [*lines, ""]:
        if titles and _is_inner_title(line, len(titles)):
            titles.append(line.strip())
            continue
        if titles:
            yield " > ".join(titles).removesuffix(":")
            titles = []
        if _MOCHA_COUNT.match(line):
            expected = 1
        elif (match := _MOCHA_ENTRY.fullmatch(line)) and match["number"] == str(expected):
            titles = [match["title"]]
            expected += 1


def _is_inner_title(line: str, level: int) -> bool:
    return len(line) - len(line.lstrip(" ")) == _MOCHA_INDENT + 2 * (level - 1) < len(line)


def _tap(lines: list[str]) -> Iterator[str]:
    """`not ok 1 - name`, inner tests indented by four, below `# Subtest: name` of each suite."""
    suites: dict[int, str] = {}
    for line in lines:
        if match := _SUBTEST.fullmatch(line):
            suites[len(match["indent"])] = match["name"]
        elif (match := _NOT_OK.fullmatch(line)) and not _EXCUSED.search(line):
            indent = len(match["indent"])
            outer = [suites[level] for level in range(0, indent, 4) if level in suites]
            yield " > ".join([*outer, match["name"]])


def _node(lines: list[str]) -> Iterator[str]:
    """node's list at the end: `test at file:1:2`, then `✖ name (0.5ms)`."""
    file = ""
    for line in lines:
        if match := _NODE_PLACE.fullmatch(line):
            file = match["file"]
        elif file and (match := _NODE_TEST.fullmatch(line)):
            yield f"{file} > {match['name']}"
            file = ""


def _ava(lines: list[str]) -> Iterator[str]:
    """`  ✘ [fail]: suite name`."""
    for line in lines:
        if match := _AVA.fullmatch(line):
            yield match["id"]


JAVASCRIPT: Final = (_jest_and_vitest, _mocha, _tap, _node, _ava)
