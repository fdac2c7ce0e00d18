"""Ruby: rspec, minitest by Rails or rake, test-unit; rubocop; bundler."""

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
from sandbox.ecosystems.named_code import ruby_names
from sandbox.ecosystems.project import Project

_TEST_TASK = re.compile(r"\b(?:TestTask|Test::Unit|Minitest)\b|\btask[ (]+:test\b")


def _tests(project: Project) -> Iterator[str]:
    """By bundler, where it is used."""
    gems = project.text(*(name for name in project.names if name.endswith((".gemspec", "Gemfile"))))
    if project.has(".rspec", "spec/spec_helper.rb") or re.search(r"\brspec\b", gems):
        yield f"{_bundled(project)}rspec"
    if project.has("bin/rails") and not re.search(r"\brspec-rails\b", gems):
        yield "bin/rails test"
    elif _TEST_TASK.search(project.text("Rakefile")):
        yield f"{_bundled(project)}rake test"


def _lints(project: Project) -> Iterator[str]:
    if project.has(".rubocop.yml"):
        yield f"{_bundled(project)}rubocop"


def _bundled(project: Project) -> str:
    return "bundle exec " if project.has("Gemfile") else ""


RUBY = Ecosystem(
    name="ruby",
    manifests=r"Gemfile|Rakefile|[^/]*\.gemspec|\.rspec",
    versions=program_versions(ruby="ruby --version", bundler="bundle --version"),
    locks=r"Gemfile\.lock",
    seen=r"spec/spec_helper\.rb|bin/rails|\.rubocop\.yml",
    tests=_tests,
    lints=_lints,
    test_calls=r"\b(?:rspec|rake|rails test)\b",
    lint_calls="rubocop",
    ends_first=r"(?<!\S)--fail-fast(?:=[1-9]\d*+)?(?![\w=./-])",
    reports=(
        ReportReader(
            "rspec",
            failures_like(
                # the line moves
                r"rspec (?:(\S[^']*?)(?::\d+|\[[\d:]+\])|'(\S.*?)(?::\d+|\[[\d:]+\])') # (.+)"
                r"|An error occurred while loading (\S.*?)\.?(?: - Did you mean\?.*)?"
            ),
            any_line(r"[1-9]\d* examples?, "),
        ),
        ReportReader(
            "minitest",
            failures_like(
                r"([^\s#][^#]*#\S.*?)(?: \[[^\]]{0,300}\])?:",
                below=r" *(?:\d+\) )?(?:Failure|Error):",
                until=".*",
            ),
            any_line(r"[1-9]\d* runs, "),
        ),
        ReportReader(
            "test-unit",
            failures_like(r"(?:Failure|Error): (\S+\([^)\s]+\))(?::.*)?"),
            any_line(r"[1-9]\d* tests, "),
        ),
    ),
    counts=r"(\d+ (?:examples?|runs|tests), (?:\d+ assertions, )?\d+ failures?"
    r"(?:, \d+ errors?)?).*",
    failures_begin=r"Failures:| *(?:\d+\) )?(?:Failure|Error):.*",
    lists_failed="Failed examples:",
    idle=any_line(r"No examples found\."),
    noise=r"[.F*ES]{2,200}",
    not_installed={"bundle": 7},  # the gems of a Gemfile
    lacking=r".*(cannot load such file -- \w\S*+).*",
    plan=install_where(
        "Gemfile", "bundle config set --global path /home/agent/.bundle/gems && bundle install"
    ),
    installs_only=only(r"bundle (?:install|config set \S+ \S+ \S+)"),
    install_reads=r"Gemfile|[^/]*\.gemspec|\.ruby-version",
    sources=r"[^/]+\.rb",
    names_of=ruby_names,
    definition=r"(?:class|module|def)\s",
    test_files=r"[^/]*_spec\.rb|spec/.*\.rb",
    test_line=r"[ \t]*(def test_|(it|test|specify) ['\"])",
    config=r"Rakefile|\.rspec|\.rubocop\.yml",
    test_definition=r"\s*+def\s++(test_\w++)|\s*+(?:it|specify)\s++(['\"])(.+?)\2",
    assertion=r"\bassert\w*\b|\bexpect\s*+\(|\bshould\b|\bmust_\w+",
    skip=r"(?<![.\w])(?:[xf](?:it|describe|specify|context)|skip|pending)\s++['\"]",
    suppression=r"#\s*+rubocop:\s*+(?:disable|todo)",
    runner_access=r"\bexit!|\bProcess\.exit\b",
)
