"""Ids of tests whose file a change moves."""

import pytest

from sandbox.changes.moved_tests import moved_ids
from sandbox.changes.parse_diff import file_diffs


def moved(old: str, new: str) -> str:
    return (
        f"diff --git a/{old} b/{new}\nsimilarity index 100%\nrename from {old}\nrename to {new}\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "folder", "test", "found"),
    [
        ("tests/test_a.py", "tests/unit/test_a.py", "", "tests/test_a.py::T::test_b[a]",
         ["tests/unit/test_a.py::T::test_b[a]"]),
        ("back/tests/test_a.py", "back/tests/test_c.py", "back", "tests/test_a.py::test_b",
         ["tests/test_c.py::test_b"]),
        ("tests/test_a.py", "tests/test_c.py", "", "test_b (tests.test_a.T.test_b)",
         ["test_b (tests.test_c.T.test_b)"]),
        ("src/a.test.js", "test/a.test.js", "", "src/a.test.js > adds", ["test/a.test.js > adds"]),
        ("tests/test_a.py", "tests/test_c.py", "", "tests/test_b.py::test_a", []),
        ("app/[id]/a.test.js", "app/b/a.test.js", "", "app/[id]/a.test.js > adds",
         ["app/b/a.test.js > adds"]),
        ("tests/a b_test.py", "tests/c.py", "", "tests/a b_test.py::test_b",
         ["tests/c.py::test_b"]),
        ("test_a.py", "test_c.py", "", "my-test_a.py::test_b", []),
        ("tests/test_a.py", "tests/test_c.py", "", "more/tests/test_a.py::test_a", []),
        ("app.py", "core.py", "", "app.py: F401 unused", []),
        ("back/test_a.py", "back/test_b.py", "front", "test_a.py::test_a", []),
    ],
)  # fmt: skip
def test_a_moved_test_has_the_id_of_its_new_place(
    old: str, new: str, folder: str, test: str, found: list[str]
) -> None:
    ids = moved_ids([test], file_diffs(moved(old, new)), folder)
    assert ids == dict.fromkeys(found, test)


def test_what_is_copied_into_another_file_is_not_moved() -> None:
    diff = "diff --git a/tests/test_a.py b/tests/test_a.py\ndeleted file mode 100644\n"
    assert moved_ids(["tests/test_a.py::test_b"], file_diffs(diff), "") == {}


def test_very_many_tests_are_moved_at_once() -> None:
    """Each id is gone over once, however many files are moved."""
    count = 50_000
    files = file_diffs("".join(moved(f"tests/test_{n}.py", f"t/test_{n}.py") for n in range(count)))
    tests = [f"tests/test_{n}.py::test_a" for n in range(count)]
    ids = moved_ids(tests, files, "")
    assert ids == {f"t/test_{n}.py::test_a": f"tests/test_{n}.py::test_a" for n in range(count)}
