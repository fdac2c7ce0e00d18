"""The checks of a Ruby package: rspec, minitest by Rails or rake; rubocop."""

import re
from collections.abc import Iterator

from sandbox.discovery.repository_facts import Package

_TEST_TASK = re.compile(r"\b(?:TestTask|Test::Unit|Minitest)\b|\btask[ (]+:test\b")


def ruby_tests(package: Package) -> Iterator[str]:
    """By bundler, where it is used."""
    gems = "\n".join(
        package.text(name) for name in package.names if name.endswith((".gemspec", "Gemfile"))
    )
    if package.has(".rspec", "spec/spec_helper.rb") or re.search(r"\brspec\b", gems):
        yield f"{_bundled(package)}rspec"
    if package.has("bin/rails") and not re.search(r"\brspec-rails\b", gems):
        yield "bin/rails test"
    elif _TEST_TASK.search(package.text("Rakefile")):
        yield f"{_bundled(package)}rake test"


def ruby_lints(package: Package) -> Iterator[str]:
    if package.has(".rubocop.yml"):
        yield f"{_bundled(package)}rubocop"


def _bundled(package: Package) -> str:
    return "bundle exec " if package.has("Gemfile") else ""
