"""What a change does to tests and to what steers checks: by names and patterns, so hints alone."""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from sandbox.checks.parse_diff import FileDiff

Rule = Literal[
    "test_deleted",
    "test_removed",
    "assertions_removed",
    "test_skipped",
    "check_silenced",
    "runner_reached",
    "check_configuration",
]

_TEST_FOLDER: Final = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__|testing|e2e)/")
_TEST_NAME: Final = re.compile(
    r"test_.*|.*_(?:test|spec)\.\w+|.*[.-](?:test|spec)\.\w+|.*Tests?\.\w+|conftest\.py|tests?\.\w+"
)
_CHECK_NAMES: Final = frozenset((
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini",
    "tox.toml", "noxfile.py", "setup.cfg", "pyproject.toml", "ruff.toml", ".ruff.toml",
    "mypy.ini", ".mypy.ini", ".flake8",
    "pyrightconfig.json", ".coveragerc", "package.json", ".npmrc",
    ".yarnrc", ".yarnrc.yml", "tsconfig.json", "Makefile", "makefile", "GNUmakefile", "Rakefile",
    "bunfig.toml", "deno.json", "deno.jsonc", "phpunit.xml", "phpunit.xml.dist", "justfile",
    ".rspec", ".rubocop.yml", "mvnw", "gradlew",
))  # fmt: skip
# Told of, but not held against the base's: code and dependencies need them, or nothing here does.
_TOLD_OF: Final = re.compile(
    r"(?:.*/)?(?:Cargo\.toml|go\.mod|go\.work|pom\.xml|(?:build|settings)\.gradle(?:\.kts)?"
    r"|\.coding-agent\.toml|\.pre-commit-config\.yaml|\.github/workflows/.*)"
)
_CHECK_PATH: Final = re.compile(
    r"(?:^|/)(?:(?:jest|vitest|playwright|karma|babel)\.config\.\w+|\.(?:eslint|mocha)rc[^/]*|eslint\.config\.\w+|[^/]+\.mk|\.cargo/config(?:\.toml)?"
    r"|gradle/wrapper/[^/]+|node_modules/.*|[^/]+\.(?:dist|egg)-info/.*)$"
)
# In front of the runner's own module, where it is started from the folder that this lies in.
_SHADOWS: Final = re.compile(
    r"(?:^|/)(?:pytest|_pytest|unittest|pluggy|sitecustomize|usercustomize|tox|nox|mypy|ruff|flake8)"
    r"(?:\.py|/.*)$"
)
_MODULE: Final = re.compile(
    r"(?P<folder>(?:.+?/)??)(?P<name>\w+)(?:/__init__)?\.(?:py|pyc|(?:[^/]+\.)?so)"
)
_LIBRARY: Final = sys.stdlib_module_names | {
    *("iniconfig", "packaging", "pygments", "exceptiongroup", "tomli", "colorama", "coverage"),
}
# Lines come from the change, so that no pattern may take more than linear time on any of them.
_TEST: Final = re.compile(
    r"^\s*+(?:async\s++)?def\s++(?P<python>test\w*+)\s*+\("
    r"|^\s*+(?:it|test|specify)(?:\.\w++)*+\s*+\(?+\s*+(?P<quote>['\"`])(?P<named>.+?)(?P=quote)"
    r"|^func\s++(?P<go>(?:Test|Fuzz|Example)\w*+)\s*+\("
    r"|^\s*+(?:public\s++|private\s++)?(?:void|fun)\s++`?+(?P<java>\w[\w ]*+)`?+\s*+\("
    r"|^\s*+(?:async\s++)?fn\s++(?P<rust>\w++)\s*+\("
)
_SKIP: Final = re.compile(
    r"@(?:\w++\.)*+(?:skip|skipIf|skipUnless|skipif|xfail|expectedFailure)\b"
    r"|\b(?:pytest\.(?:skip|xfail|importorskip)|self\.skipTest|t\.Skip(?:f|Now)?)\s*+\("
    r"|\b(?:it|test|describe|context|suite|specify)\.(?:skip|todo|only|failing)\b"
    r"|(?<![.\w])[xf](?:it|describe|test|specify|context)\s*+\(\s*+['\"`]"
    r"|#\[ignore|@(?:Disabled|Ignore)\b"
)
_SUPPRESS: Final = re.compile(
    r"#\s*+(?:noqa|type:\s*+ignore|pragma:\s*+no cover|nosec|pylint:\s*+disable)"
    r"|eslint-disable|@ts-(?:ignore|nocheck|expect-error)|//\s*+nolint|#!?\[allow\("
    r"|\|\|\s*+true\b|--exit-zero|--passWithNoTests|continue-on-error"
)
_RUNNER: Final = re.compile(
    r"\bos\._exit\b|\b_pytest\b|\b(?:unittest|pytest)\.\w[\w.]*+\s*+=[^=]"
    r"|\b(?:process\.exit|process\.reallyExit|os\.Exit|System\.exit|process::exit)\s*+\(\s*+0?\s*+\)"
)
_ASSERT: Final = re.compile(
    r"\bassert\w*\b|\bexpect\s*+\(|\bself\.fail\b|\bt\.(?:Error|Fatal)f?\s*+\(|\brequire\.\w+\("
    r"|\bpytest\.raises\b|\bshould\b"
)


@dataclass(frozen=True)
class Hint:
    """One thing that a reader should look at; `fact` names the place, `message` leaves it out."""

    rule: Rule
    path: str
    fact: str
    message: str
    line: int | None = None


def is_test(path: str) -> bool:
    """Whether a file is one of tests, by its path."""
    return bool(_TEST_FOLDER.search(path) or _TEST_NAME.fullmatch(PurePosixPath(path).name))


def steers_checks(path: str) -> bool:
    """Whether a file says how checks run, or comes before what runs them, by its path."""
    name = PurePosixPath(path).name
    return name in _CHECK_NAMES or bool(_CHECK_PATH.search(path) or _SHADOWS.search(path))


def shadows_library(path: str, roots: Collection[str]) -> bool:
    """Whether a new file, where imports start, comes before a module that runners import."""
    match = _MODULE.fullmatch(path)
    if match is None or match["folder"] not in roots:
        return False
    return match["name"] in _LIBRARY or match["name"].startswith("pytest_")


def hints(files: Sequence[FileDiff]) -> list[Hint]:
    """All hints: what is gone first, then what is skipped, silenced and steered."""
    tests = [file for file in files if is_test(file.path) or is_test(file.old_path)]
    return [
        *_deleted(tests),
        *_removed_tests(files, tests),
        *_fewer_assertions(tests),
        *_marked("test_skipped", "skips or narrows tests", _SKIP, files),
        *_marked("check_silenced", "silences a check", _SUPPRESS, files),
        *_marked("runner_reached", "ends the process or reaches what runs it", _RUNNER, files),
        *_steering(files),
    ]


def _deleted(tests: Sequence[FileDiff]) -> Iterator[Hint]:
    for file in tests:
        if file.status == "deleted":
            fact = f"deleted test file: {file.path}"
            yield Hint("test_deleted", file.path, fact, "a test file is deleted")


def _removed_tests(files: Sequence[FileDiff], tests: Sequence[FileDiff]) -> Iterator[Hint]:
    """Tests that are defined in removed lines and nowhere in added ones: not moved, not edited."""
    defined = {name for file in files for _, line in file.added for name in _names(line)}
    for file in tests:
        for line in file.removed:
            for name in _names(line):
                if name not in defined:
                    fact = f"removed or renamed in tests: {name} in {file.path}"
                    message = f"a test is removed or renamed: {name}"
                    yield Hint("test_removed", file.path, fact, message)


def _names(line: str) -> Iterator[str]:
    if match := _TEST.match(line):
        names = match.groupdict()
        yield from (name.strip() for key, name in names.items() if name and key != "quote")


def _fewer_assertions(tests: Sequence[FileDiff]) -> Iterator[Hint]:
    for file in tests:
        before = sum(bool(_ASSERT.search(line)) for line in file.removed)
        after = sum(bool(_ASSERT.search(line)) for _, line in file.added)
        if after < before and file.status != "deleted":
            counted = f"{before} lines removed, {after} added"
            fact = f"fewer assertions: {file.path}, {counted}"
            yield Hint("assertions_removed", file.path, fact, f"fewer assertions: {counted}")


def _marked(
    rule: Rule, what: str, marker: re.Pattern[str], files: Sequence[FileDiff]
) -> Iterator[Hint]:
    """Places where a marker was added; one that only moved within its file is none."""
    for file in files:
        before = [line.strip() for line in file.removed]
        for number, line in file.added:
            if marker.search(line) and line.strip() not in before:
                fact = f"{what}: {file.path}:{number} {line.strip()}"
                yield Hint(rule, file.path, fact, f"{what}: {line.strip()}", number)


def _steering(files: Sequence[FileDiff]) -> Iterator[Hint]:
    for file in files:
        if steers_checks(file.path) or _TOLD_OF.fullmatch(file.path):
            fact = f"steers checks: {file.path}, {file.status}"
            yield Hint("check_configuration", file.path, fact, f"steers checks: {file.status}")
