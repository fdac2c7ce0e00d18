"""What a change does to tests and to what steers checks: by names and patterns, so hints alone."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.changes.parse_diff import FileDiff
from sandbox.ecosystems.base import any_of, paths_like
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.ecosystems.test_files import defined_tests

_CONFIG: Final = paths_like(each.config for each in ECOSYSTEMS)
_MIXED_CONFIG: Final = paths_like(each.mixed_config for each in ECOSYSTEMS)
_ASSERTION: Final = any_of(each.assertion for each in ECOSYSTEMS)
_SKIP: Final = any_of(each.skip for each in ECOSYSTEMS)
_RUNNER_ACCESS: Final = any_of(each.runner_access for each in ECOSYSTEMS)
_DOCUMENT: Final = paths_like([r"[^/]+\.(?:md|markdown|rst|adoc|txt|html?|svg)"])
_SUPPRESSION: Final = re.compile(
    rf"(?:{any_of(each.suppression for each in ECOSYSTEMS).pattern})"
    r"[^\s#]*+(?:\s++[\w@/\[(][\w@/.,:\[\]()-]*+)*+"
)


@dataclass(frozen=True)
class Hint:
    """One thing that a reader should look at."""

    rule: str
    path: str
    message: str
    line: int | None = None

    @property
    def fact(self) -> str:
        """The message with its place."""
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


def steers_checks(path: str) -> bool:
    """Whether a file says how checks run, or comes before what runs them, by its path."""
    return _CONFIG.fullmatch(path) is not None


def shadows_library(path: str, starts: Collection[str]) -> bool:
    """Whether a new file comes before a module that runners import; they start in `starts`."""
    return any(ecosystem.shadows(path, starts) for ecosystem in ECOSYSTEMS)


def suppressions(lines: Iterable[str]) -> Counter[str]:
    """What silences a check in these lines, such as `# noqa: S108`, and in how many."""
    found = ((line, match) for line in lines if (match := _SUPPRESSION.search(line)))
    return Counter(match[0] for line, match in found if not _is_quoted(line, match.start()))


def _is_quoted(line: str, at: int) -> bool:
    """Whether a place of a line lies in a text of the code, such as one for a linter's own test."""
    return any(line.count(quote, 0, at) % 2 and line.find(quote, at) >= 0 for quote in "\"'`")


def hints(files: Sequence[FileDiff]) -> Iterator[Hint]:
    """All hints: what is gone first, then what is skipped, silenced and steered."""
    tests = [file for file in files if file.tests]
    for file in tests:
        if file.status == "deleted":
            yield Hint("test_deleted", file.path, "a test file is deleted")
    yield from _removed_tests(files, tests)
    yield from _fewer_assertions(tests)
    yield from _marked("test_skipped", "skips or narrows tests", _SKIP, files)
    yield from _silenced(files)
    reach = "ends the process or reaches what runs it"
    yield from _marked("runner_reached", reach, _RUNNER_ACCESS, files)
    for file in files:
        if steers_checks(file.path) or _MIXED_CONFIG.fullmatch(file.path):
            yield Hint("check_configuration", file.path, f"steers checks: {file.status}")


def _removed_tests(files: Sequence[FileDiff], tests: Sequence[FileDiff]) -> Iterator[Hint]:
    """Tests that are defined in removed lines and nowhere in added ones: not moved, not edited."""
    defined = {name for file in files for _, line in file.added for name in defined_tests(line)}
    for file in tests:
        for name in {name: 0 for line in file.removed for name in defined_tests(line)}:
            if name not in defined:
                yield Hint("test_removed", file.path, f"a test is removed or renamed: {name}")


def _fewer_assertions(tests: Sequence[FileDiff]) -> Iterator[Hint]:
    for file in tests:
        before = sum(map(bool, map(_ASSERTION.search, file.removed)))
        after = sum(bool(_ASSERTION.search(line)) for _, line in file.added)
        if after < before and file.status != "deleted":
            message = f"fewer assertions: {before} lines removed, {after} added"
            yield Hint("assertions_removed", file.path, message)


def _is_read_by_tools(file: FileDiff) -> bool:
    """Documents show code, which nothing runs."""
    return _DOCUMENT.fullmatch(file.path) is None


def _marked(
    rule: str, what: str, marker: re.Pattern[str], files: Sequence[FileDiff]
) -> Iterator[Hint]:
    """Places where a marker was added; one that only moved within its file is none."""
    for file in filter(_is_read_by_tools, files):
        before = set(map(str.strip, file.removed))
        for number, line in file.added:
            if marker.search(line) and line.strip() not in before:
                yield Hint(rule, file.path, f"{what}: {line.strip()}", number)


def _silenced(files: Sequence[FileDiff]) -> Iterator[Hint]:
    """Places where a check is silenced in a way that the file, as far as it is shown, had not.

    Lines that only moved, from another file too, silence nothing more.
    """
    moved = Counter(line.strip() for file in files for line in file.removed)
    for file in filter(_is_read_by_tools, files):
        before = suppressions(line[1:] for line in file.text.split("\n") if line[:1] in (" ", "-"))
        for number, line in file.added:
            silencing = not suppressions([line]).keys() <= before.keys()
            if silencing and moved[line.strip()]:
                moved[line.strip()] -= 1
            elif silencing:
                message = f"silences a check: {line.strip()}"
                yield Hint("check_silenced", file.path, message, number)
