"""What a change does to tests and checks, told to the reviewer as facts that it can look at."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from roles.change_diff import FileDiff
from roles.fenced import fenced

_TEST_FOLDER: Final = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__|testing|e2e)/")
_TEST_NAME: Final = re.compile(
    r"test_.*|.*_(?:test|spec)\.\w+|.*[.-](?:test|spec)\.\w+|.*Tests?\.\w+|conftest\.py|tests?\.\w+"
)
_CHECK_NAMES: Final = frozenset((
    "conftest.py", "pytest.ini", "tox.ini", "noxfile.py", "setup.cfg", "pyproject.toml",
    "ruff.toml", ".ruff.toml", "mypy.ini", ".coveragerc", ".pre-commit-config.yaml", "package.json",
    "tsconfig.json", "Makefile", "Cargo.toml", "go.mod", "pom.xml", "build.gradle",
    "build.gradle.kts", "Rakefile", ".rspec", ".coding-agent.toml",
))  # fmt: skip
_CHECK_PATH: Final = re.compile(
    r"(?:^|/)(?:\.github/workflows/.*|(?:jest|vitest|playwright|karma)\.config\.\w+"
    r"|\.(?:eslint|mocha)rc[^/]*|eslint\.config\.\w+)$"
)
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
_ASSERT: Final = re.compile(
    r"\bassert\w*\b|\bexpect\s*+\(|\bself\.fail\b|\bt\.(?:Error|Fatal)f?\s*+\(|\brequire\.\w+\("
    r"|\bpytest\.raises\b|\bshould\b"
)
_MAX_FACTS: Final = 40
_MAX_FACT: Final = 160
_MAX_BYTES: Final = 5_000


def is_test(path: str) -> bool:
    """Whether a file is one of tests, by its path."""
    return bool(_TEST_FOLDER.search(path) or _TEST_NAME.fullmatch(PurePosixPath(path).name))


def facts(files: Sequence[FileDiff]) -> str:
    """The facts as a part of the reviewer's opening."""
    tests = [file for file in files if is_test(file.path) or is_test(file.old_path)]
    found = [
        *(f"deleted test file: {file.path}" for file in tests if file.status == "deleted"),
        *_removed_tests(files, tests),
        *_fewer_assertions(tests),
        *_marked("skips or narrows tests", _SKIP, files),
        *_marked("silences a check", _SUPPRESS, files),
        *(f"steers checks: {file.path}, {file.status}" for file in files if _steers(file.path)),
    ]
    changed = ", ".join(file.path for file in tests if file.status != "deleted")
    told = [f"tests changed or added: {changed or 'none'}"[: 4 * _MAX_FACT]]
    told += [fact[:_MAX_FACT] for fact in found[:_MAX_FACTS]]
    if len(found) > _MAX_FACTS:
        told.append(f"and {len(found) - _MAX_FACTS} more")
    heading = "What the diff does to tests and checks, found by a program; look where it matters:"
    return f"{heading}\n{fenced('test_facts', chr(10).join(told), _MAX_BYTES)}"


def _removed_tests(files: Sequence[FileDiff], tests: Sequence[FileDiff]) -> Iterator[str]:
    """Tests that are defined in removed lines and nowhere in added ones: not moved, not edited."""
    defined = {name for file in files for _, line in file.added for name in _names(line)}
    for file in tests:
        for line in file.removed:
            for name in _names(line):
                if name not in defined:
                    yield f"removed or renamed in tests: {name} in {file.path}"


def _names(line: str) -> Iterator[str]:
    if match := _TEST.match(line):
        names = match.groupdict()
        yield from (name.strip() for key, name in names.items() if name and key != "quote")


def _fewer_assertions(tests: Sequence[FileDiff]) -> Iterator[str]:
    for file in tests:
        before = sum(bool(_ASSERT.search(line)) for line in file.removed)
        after = sum(bool(_ASSERT.search(line)) for _, line in file.added)
        if after < before and file.status != "deleted":
            yield f"fewer assertions: {file.path}, {before} lines removed, {after} added"


def _marked(what: str, marker: re.Pattern[str], files: Sequence[FileDiff]) -> Iterator[str]:
    """Places where a marker was added; one that only moved within its file is none."""
    for file in files:
        before = [line.strip() for line in file.removed]
        for number, line in file.added:
            if marker.search(line) and line.strip() not in before:
                yield f"{what}: {file.path}:{number} {line.strip()}"


def _steers(path: str) -> bool:
    return PurePosixPath(path).name in _CHECK_NAMES or bool(_CHECK_PATH.search(path))
