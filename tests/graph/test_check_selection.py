"""Which of many checks are run for a change."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.machine.check_selection import MOST_LINTS, MOST_TESTS, near_checks
from graph.values import Check


def check(folder: str, kind: Literal["test", "lint"] = "test") -> Check:
    return Check(command=f"{kind} {folder}", source="repository", kind=kind, folder=folder)


FOUND = (
    check(""),
    check("packages/a"),
    check("packages/b"),
    check("packages/b/inner"),
    check("packages/bee"),
    check("", "lint"),
    check("packages/b", "lint"),
)


@pytest.mark.parametrize(
    ("paths", "commands"),
    [
        ((), ("test ", "lint ")),
        (("README.md",), ("test ", "lint ")),
        (("packages/a/x.js",), ("test packages/a", "test ", "lint ")),
        (("packages/a",), ("test ", "lint ")),
        (
            ("packages/b/inner/x.js",),
            ("test packages/b/inner", "test packages/b", "test ", "lint packages/b", "lint "),
        ),
        (
            ("packages/bee/x.js", "packages/a/y.js"),
            ("test packages/a", "test packages/bee", "test ", "lint "),
        ),
    ],
)
def test_the_package_that_holds_a_changed_file_comes_first(
    paths: tuple[str, ...], commands: tuple[str, ...]
) -> None:
    assert tuple(near.command for near in near_checks(FOUND, paths)) == commands


def test_packages_stand_for_a_repository_that_names_no_check_of_its_own() -> None:
    packages = (*(check(f"p{number}") for number in range(12)), check("", "lint"))
    near = near_checks(packages, ("README.md",))
    assert [one.folder for one in near] == [*(f"p{number}" for number in range(8)), ""]
    assert near_checks(packages, ("p8/x",)) == (packages[8], packages[-1])


FOLDERS = st.sampled_from(["", "a", "a/b", "a/b/c", "ab", "x"])
CHECKS = st.builds(check, FOLDERS, st.sampled_from(["test", "lint"]))


@given(st.lists(CHECKS), st.lists(FOLDERS.map(lambda folder: f"{folder}/file".strip("/"))))
def test_tests_come_before_lint_and_neither_is_too_many(
    found: list[Check], paths: list[str]
) -> None:
    near = near_checks(found, paths)
    kinds = [one.kind for one in near]
    assert kinds == sorted(kinds, reverse=True)
    assert kinds.count("test") <= MOST_TESTS
    assert kinds.count("lint") <= MOST_LINTS
    assert bool(kinds.count("test")) == any(one.kind == "test" for one in found)
