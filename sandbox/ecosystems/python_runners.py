"""Python's test runners, pytest and unittest: what they report, and commands for some tests."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

from sandbox.ecosystems.base import Lines, TestEnd, failures_like

_SUMMARY = "=== short test summary info ==="
_UNLOADED = "unittest.loader._FailedTest"
_UNITTEST_RAN = re.compile(r"Ran (\d{1,9}) tests? in ")
_UNITTEST_SKIPPED = re.compile(r"(?:OK|FAILED) \((?:.*, )?skipped=(\d{1,9})")
_NONE_RAN = re.compile(r"(?:=+ )?no tests ran in ")
_UNITTEST_PROGRESS = re.compile(r"[sE]*+[.Fxu][.sEFxu]*+$|.*\.\.\. (?:ok|FAIL|expected failure)$")
unittest_failures = failures_like(r"(?:FAIL|ERROR): (\S.*)", below="={70}", until=".*")
_pytest_summary = failures_like(
    r"(?:FAILED|ERROR|SUBFAIL(?:ED)?(?:\[.*?\])?) (\S.*)",
    below="=+ short test summary info =+",
    until="=.*",
)


def pytest_failures(lines: Lines) -> Iterator[str]:
    """`tests/test_a.py::test_b[x - y] - AssertionError`, without the message."""
    for text in _pytest_summary(lines):
        parameters = text.find("[", text.find("::") + 1)
        end = text.find("] - ", parameters) if 0 <= parameters < text.find(" - ") else -1
        yield text[: end + 1] if end >= 0 else text.split(" - ", 1)[0]


_ADDED_OPTIONS = re.compile(r"(?m)^[ \t]*+addopts[ \t]*+=.*(?:\n(?:[ \t\r\]\"'].*)?)*")
_SHORT = r"-[hlqsv]*+x\w*+"
"""Of pytest, `-x` and what is written into one word with it."""
_ENDS_FIRST = re.compile(rf"(?<![\w-])(?:{_SHORT}|--exitfirst|--maxfail)(?![\w-])")
ENDS_FIRST = (
    r"(?<!\S)(?:--exitfirst|--failfast|--maxfail[= ][1-9]\d*+)(?![\w=./-])"
    rf"|\bpy\.?test\b(?:(?!\bpy\.?test\b)[^&|;\n])* {_SHORT}(?![\w=./-])"
)


def through_all(settings: str) -> str:
    """An option by which pytest ends at no failure, where its settings let it."""
    options = "\n".join(_ADDED_OPTIONS.findall(settings))
    return " --maxfail=0" if _ENDS_FIRST.search(options) else ""


def unittest_ran(lines: Lines) -> bool:
    """`Ran 2 tests in 0.001s`: what could not be loaded, or was skipped, counts there, too.

    It skips classes that it does not count: then what it says of each test decides.
    """
    counted, skipped = _unittest_counts(lines)
    unloaded = sum(_UNLOADED in test for test in unittest_failures(lines))
    return counted - skipped > unloaded or (counted > unloaded and _some_ended(lines))


def is_idle(lines: Lines) -> bool:
    """pytest says so; of unittest all tests that it counts were skipped."""
    counted, skipped = _unittest_counts(lines)
    skips_all = 0 < counted <= skipped and not _some_ended(lines)
    return skips_all or any(map(_NONE_RAN.match, lines))


def _some_ended(lines: Lines) -> bool:
    """Whether unittest says of a test how it ended: by a mark in its line of dots, or by a word."""
    return any(map(_UNITTEST_PROGRESS.match, lines))


def _unittest_counts(lines: Lines) -> tuple[int, int]:
    """How many tests unittest counts in all its runs, and how many of them were skipped."""
    counted, skipped = (
        sum(int(match[1]) for match in map(pattern.match, lines) if match)
        for pattern in (_UNITTEST_RAN, _UNITTEST_SKIPPED)
    )
    return counted, skipped


_PYTEST_ID = re.compile(r"[^\s:]+\.py(?:::.+)?")
_UNITTEST_ID = re.compile(r"(?P<name>\w+) \((?P<place>[\w.]+)\)")


def select(words: Sequence[str], tests: Sequence[str]) -> str:
    match words:
        case [_, "-m", "pytest", *options] | ["pytest" | "py.test", *options]:
            return _select_pytest(words, options, tests)
        case [_, "-m", "unittest", "discover", *_]:
            matches = [_UNITTEST_ID.fullmatch(test) for test in tests]
            named = [match for match in matches if match and _UNLOADED not in match["place"]]
            patterns = (f"*{m['place'].removesuffix('.' + m['name'])}.{m['name']}" for m in named)
            selected = [word for pattern in patterns for word in ("-k", pattern)]
            return shlex.join([*words, *selected]) if len(named) == len(tests) else ""
    return ""


def _select_pytest(words: Sequence[str], options: Sequence[str], tests: Sequence[str]) -> str:
    """Paths that hold all of them are narrowed; any other word may be the value of an option."""
    given = [option for option in options if not option.startswith("-")]
    for path in given:
        if path != "." and not all(test.startswith(path.removeprefix("./")) for test in tests):
            return ""
    if not all(map(_PYTEST_ID.fullmatch, tests)):
        return ""
    return shlex.join([*(word for word in words if word not in given), *tests])


_TOLD_PYTEST = re.compile(r"(?P<end>PASSED|FAILED) (?P<id>\S+\.py::.*)")
_TOLD_UNITTEST = re.compile(r"(?P<id>\w+ \([\w.]+\)) \.\.\. (?P<end>ok|FAIL|ERROR)\b")
_IMPORT_ERROR = re.compile(r" - (?:ImportError|ModuleNotFoundError)\b")
_WIDE = "COLUMNS=1000"
"""Behind a long id there is no room on a narrow line for why a test failed."""
_UNITTEST_HEAD = re.compile(r"ERROR: (?P<id>\w+ \([\w.]+\)).*")
_RAISED = re.compile(r"(?:ImportError|ModuleNotFoundError)\b")


def tell(words: Sequence[str], files: Sequence[str], names: Collection[str]) -> str:
    match words:
        case [_, "-m", "pytest", *options] | ["pytest" | "py.test", *options]:
            selected = _select_pytest(words, options, files)
            return f"{_WIDE} {selected} -rA" if selected else ""
        case [_, "-m", "unittest", "discover", *_]:
            stems = [f"*{PurePosixPath(file).stem}.*" for file in files]
            patterns = [f"*.{name}" for name in sorted(names)] or stems
            return shlex.join([*words, "-v", *(w for each in patterns for w in ("-k", each))])
    return ""


def told(lines: Lines) -> Iterator[tuple[str, TestEnd]]:
    unimported = frozenset(_unimported(lines))
    for line in lines:
        if match := _TOLD_PYTEST.fullmatch(line):
            test = next(pytest_failures([_SUMMARY, f"FAILED {match['id']}"]))
            failed: TestEnd = "not_importable" if _IMPORT_ERROR.search(line) else "failed"
            yield test, "passed" if match["end"] == "PASSED" else failed
        elif (match := _TOLD_UNITTEST.match(line)) and _UNLOADED not in match["id"]:
            failed = "not_importable" if match["id"] in unimported else "failed"
            yield match["id"], "passed" if match["end"] == "ok" else failed


def _unimported(lines: Lines) -> Iterator[str]:
    """Tests of unittest that failed as they imported something: by their parts of its report."""
    test = ""
    for line in lines:
        if match := _UNITTEST_HEAD.fullmatch(line):
            test = match["id"]
        elif line.startswith("=====") or _UNITTEST_RAN.match(line):
            test = ""
        elif test and _RAISED.match(line):
            yield test


def probe(words: Sequence[str]) -> str:
    """Asks for the module, which is not run."""
    match words:
        case [python, "-m", module, *_] if re.fullmatch(
            r"[\w./-]*python[\d.]*", python
        ) and re.fullmatch(r"[\w.]+", module):
            find = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
            return f'{python} -c "{find}" {module.partition(".")[0]}'
    return ""
