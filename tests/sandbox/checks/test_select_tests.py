"""A check's command for some of its tests alone."""

import pytest

from sandbox.checks.select_tests import select_tests

PYTEST = "tests/test_a.py::test_b[x - y]"


@pytest.mark.parametrize(
    ("command", "test", "expected"),
    [
        ("python3 -m pytest -q", PYTEST, f"python3 -m pytest -q '{PYTEST}'"),
        (
            "PYTHONPATH=src python3 -m pytest -q tests",
            "tests/test_a.py",
            "PYTHONPATH=src python3 -m pytest -q tests/test_a.py",
        ),
        ("pytest -n 2", PYTEST, ""),
        ("pytest other/", PYTEST, ""),
        ("pytest; true", PYTEST, ""),
        (
            "python3 -m unittest discover -s tests",
            "test_b (test_a.ATest.test_b)",
            "python3 -m unittest discover -s tests -k '*test_a.ATest.test_b'",
        ),
        (
            "python3 -m unittest discover",
            "test_b (test_a.ATest)",
            "python3 -m unittest discover -k '*test_a.ATest.test_b'",
        ),
        (
            "python3 -m unittest discover",
            "test_a (unittest.loader._FailedTest.test_a)",
            "",
        ),
        ("go test ./...", "sum/pkg TestA/sub", "go test -count=1 -run '^(TestA)$' ./..."),
        ("go test ./...", "sum/pkg", ""),
        (
            "cargo test --no-fail-fast",
            "sum tests::adds",
            "cargo test --no-fail-fast -- --exact tests::adds",
        ),
        ("cargo test", "sum src/lib.rs - add", ""),
        ("make test", PYTEST, ""),
        ("'", PYTEST, ""),
    ],
)
def test_one_test_is_selected(command: str, test: str, expected: str) -> None:
    assert select_tests(command, [test]) == expected
