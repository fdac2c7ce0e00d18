"""Go: its own tests, vet and modules; golangci-lint."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

from sandbox.ecosystems.base import (
    Ecosystem,
    Lines,
    ReportReader,
    TestEnd,
    any_line,
    only,
    program_versions,
    where,
)
from sandbox.ecosystems.install_step import install_where
from sandbox.ecosystems.project import Project

_TEST = re.compile(r"\s*--- FAIL: (?P<id>.+?)(?: \([\d.]+s\))?")
_PACKAGE = re.compile(r"(?:FAIL|ok  )\t(?P<package>\S+)")


def _lints(project: Project) -> Iterator[str]:
    """Of those that are configured, or that the repository's own automation runs."""
    if project.has("go.mod"):
        if any(name.startswith(".golangci.") for name in project.names):
            yield "golangci-lint run"
        if project.is_run("go vet"):
            yield "go vet ./..."


def _failed(lines: Lines) -> Iterator[str]:
    """Tests as `--- FAIL: TestA/sub (0.00s)`, their package after them: `FAIL\\tpackage\\t0.1s`."""
    pending: list[str] = []
    for line in lines:
        if match := _TEST.fullmatch(line):
            pending.append(match["id"])
        elif match := _PACKAGE.match(line):
            yield from (f"{match['package']} {test}" for test in pending)
            if line.startswith("FAIL") and not pending:
                yield match["package"]
            pending = []
    yield from pending


_ID = re.compile(r"\S+ (?P<name>\w+)(?:/.*)?")


def _select(words: Sequence[str], tests: Sequence[str]) -> str:
    """A test inside another is run with that."""
    matches = [_ID.fullmatch(test) for test in tests]
    names = dict.fromkeys(match["name"] for match in matches if match)
    if words[:2] != ["go", "test"] or "-run" in words or None in matches:
        return ""
    return shlex.join([*words[:2], "-count=1", "-run", f"^({'|'.join(names)})$", *words[2:]])


_TOLD = re.compile(r"--- (?P<end>PASS|FAIL): (?P<id>\w+)\b.*")


def _tell(words: Sequence[str], files: Sequence[str], names: Collection[str]) -> str:
    folders = sorted({f"./{PurePosixPath(file).parent}" for file in files})
    if words[:2] != ["go", "test"]:
        return ""
    run = ["-run", f"^({'|'.join(sorted(names))})$"] if names else []
    return shlex.join([*words[:2], "-count=1", "-v", *run, *folders])


def _told(lines: Lines) -> Iterator[tuple[str, TestEnd]]:
    for match in filter(None, map(_TOLD.fullmatch, lines)):
        yield match["id"], "passed" if match["end"] == "PASS" else "failed"


GO = Ecosystem(
    name="go",
    manifests=r"go\.mod",
    versions=program_versions(go="go version", golangci_lint="golangci-lint --version"),
    locks=r"go\.sum|go\.work\.sum",
    seen=r"\.golangci\.(ya?ml|toml|json)",
    tests=where("go.mod", "go test ./..."),
    lints=_lints,
    test_calls=r"\bgo test\b",
    lint_calls=r"go vet|golangci-lint|gofmt|staticcheck",
    ends_first=r"(?<!\S)--?failfast(?:=true)?(?![\w=./-])",
    reports=(
        ReportReader(
            "go test", _failed, any_line(r" *--- FAIL: |ok  \t(?!.*\[no tests to run\]$)")
        ),
    ),
    failures_begin=r"\s*--- FAIL: .*|# [\w./-]+(?: \[.*\])?|panic: .*",
    cut_short=any_line("panic: "),
    idle=any_line(r"\?   \t\S+\t\[no test files\]|ok  \t.*\[no tests to run\]"),
    noise=r"=== (?:RUN|PAUSE|CONT|NAME) .*|\s*--- PASS: .*|(?:ok  |\?   )\t.*",
    select=_select,
    tell=_tell,
    told=_told,
    unloaded=r"FAIL\t\S+ \[(?:build|setup) failed\]",
    lacking=r".*(no required module provides package \S++).*",
    plan=install_where("go.sum", "go mod download"),
    installs_only=only("go mod download"),
    install_reads=r"go\.(?:mod|work)",
    sources=r"[^/]+\.go",
    definition=r"(?:func|type)\s",
    test_files=r"[^/]*_test\.go",
    test_line=r"func (Test|Fuzz|Example)",
    config=r"\.golangci\.(?:ya?ml|toml|json)",
    mixed_config=r"go\.(?:mod|work)",
    test_definition=r"func\s++((?:Test|Fuzz|Example)\w*+)\s*+\(",
    assertion=r"\bt\.(?:Error|Fatal)f?\s*+\(|\brequire\.\w+\(",
    skip=r"\bt\.Skip(?:f|Now)?\s*+\(",
    suppression=r"//\s*+nolint",
    runner_access=r"\bos\.Exit\s*+\(\s*+0?\s*+\)",
)
