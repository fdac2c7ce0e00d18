"""The checks a repository names itself, found from its files without running any of them."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from graph import Check
from sandbox.discovery.javascript import javascript_lints, javascript_tests
from sandbox.discovery.makefile import make_checks
from sandbox.discovery.python import python_lints, python_tests
from sandbox.discovery.repository_facts import Facts, Package
from sandbox.discovery.ruby import ruby_lints, ruby_tests
from sandbox.discovery.rust_go_jvm import compiled_lints, compiled_tests

MOST_TESTS: Final = 40
MOST_LINTS: Final = 20


def found_checks(facts: Facts) -> tuple[Check, ...]:
    """Commands for what the packages of the repository configure, tests before lint."""
    packages = facts.packages()
    tests = _distinct(check for package in packages for check in _tests(package))
    lints = _distinct(check for package in packages for check in _lints(package))
    return (*tests[:MOST_TESTS], *lints[:MOST_LINTS])


def _tests(package: Package) -> Iterator[Check]:
    runners = [
        *python_tests(package),
        *javascript_tests(package),
        *compiled_tests(package),
        *ruby_tests(package),
    ]
    runners += make_checks(package, ("test", "check"), runners)
    return (_check(package, command, "test") for command in runners)


def _lints(package: Package) -> Iterator[Check]:
    linters = [
        *python_lints(package),
        *javascript_lints(package),
        *compiled_lints(package),
        *ruby_lints(package),
    ]
    linters += make_checks(package, ("lint",), linters)
    return (_check(package, command, "lint") for command in linters)


def _check(package: Package, command: str, kind: Literal["test", "lint"]) -> Check:
    return Check(command=command, source="repository", kind=kind, folder=package.folder)


def _distinct(checks: Iterable[Check]) -> list[Check]:
    return list({check.shell: check for check in checks}.values())
