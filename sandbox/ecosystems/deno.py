"""Deno: its own tests, linter, formatter and tasks."""

import re
from collections.abc import Iterator

from sandbox.ecosystems.base import (
    Ecosystem,
    ReportReader,
    any_line,
    failures_like,
    only,
    program_versions,
)
from sandbox.ecosystems.install_step import install_where
from sandbox.ecosystems.named_code import javascript_names
from sandbox.ecosystems.project import Project

_CONFIG = ("deno.json", "deno.jsonc")


def _tests(project: Project) -> Iterator[str]:
    """The task `test`, else all tests: what they may do is limited by the sandbox alone."""
    if project.has(*_CONFIG):
        yield "deno task test" if _names(project, "test") else "deno test --allow-all"


def _lints(project: Project) -> Iterator[str]:
    """Of those that are configured, or that the repository's own automation runs."""
    if project.has(*_CONFIG):
        for name, command in {"lint": "deno lint", "fmt": "deno fmt --check"}.items():
            if _names(project, name) or project.is_run(command):
                yield command


def _names(project: Project, key: str) -> bool:
    """Whether a task or a part of the configuration has this name."""
    return re.search(rf'"{key}"\s*+:', project.text(*_CONFIG)) is not None


DENO = Ecosystem(
    name="deno",
    manifests=r"deno\.jsonc?",
    versions=program_versions(deno="deno --version"),
    locks=r"deno\.lock",
    tests=_tests,
    lints=_lints,
    test_calls=r"\bdeno (?:task )?test\b",
    lint_calls=r"deno (?:lint|fmt|check)",
    ends_first=r"(?<!\S)--fail-fast(?:=[1-9]\d*+)?(?![\w=./-])",
    reports=(
        ReportReader(
            "deno test",
            failures_like(
                r"(\S.*?) => (\S.*?):\d+:\d+|(\S.*?) \(uncaught error\)",
                below=" FAILURES",
                until=r".*\S.*",
                between=" in ",
            ),
            any_line(r" *\S.* \.\.\. (?:ok|FAILED) \("),
        ),
    ),
    counts=r"(?:ok|FAILED) \| (\d+ passed(?: \(\d+ steps?\))? \| \d+ failed).*",
    plan=install_where("deno.lock", "deno install --frozen"),
    installs_only=only(r"deno install(?: -\S+)*"),
    install_reads=r"deno\.jsonc?|package\.json",
    sources=r"[^/]+\.[cm]?[jt]sx?",
    names_of=javascript_names,
    is_served=True,
    definition=r"export\b",
    test_files=r"[^/]*[._]test\.[cm]?[jt]sx?",
    test_line=r"[ \t]*Deno\.test",
    config=r"deno\.jsonc?",
    test_definition=r"\s*+Deno\.test(?:\.\w++)*+\s*+\(\s*+(['\"`])(.+?)\1",
    assertion=r"\bassert\w*\b|\bexpect\s*+\(",
    skip=r"\bDeno\.test\.(?:ignore|only)\b",
    suppression=r"deno-(?:lint|fmt|coverage)-ignore",
    runner_access=r"\bDeno\.exit\s*+\(\s*+0?\s*+\)",
)
