"""Checks asked of a base: the caller's, then what the repository says or what its files tell."""

from pathlib import Path

import pytest

from graph.base_services import FoundChecks
from sandbox.checks.service import SandboxChecks
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

UNITTEST = "python3 -m unittest discover -s tests -t ."
PYTEST = "python3 -m pytest -q"
SAMPLE: dict[str, str | bytes] = {
    "tests/__init__.py": "",
    "tests/test_app.py": "from unittest import TestCase\n",
}


@pytest.fixture
def sample(data_dir: Path) -> SampleRun:
    """A run over a repository with a test."""
    return sample_run(data_dir, SAMPLE)


async def find_all(run: SampleRun, *caller: str, only: bool = False) -> FoundChecks:
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    return await checks.find(RUN, run.base, caller, only)


async def find(run: SampleRun, *caller: str, only: bool = False) -> list[tuple[str, str]]:
    found = await find_all(run, *caller, only=only)
    return [(check.source, check.command) for check in found.checks]


async def test_finds_what_the_caller_and_the_repository_name(sample: SampleRun) -> None:
    assert await find(sample, "make x", "make x", " ") == [
        ("caller", "make x"),
        ("repository", UNITTEST),
    ]
    assert sample.trees() == ["plan"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("CHANGELOG.md", "# Changes\n\n## [Unreleased](https://x/compare)\n", "CHANGELOG.md"),
        ("CHANGES.rst", "Unreleased\n----------\n", "CHANGES.rst"),
        ("CHANGES.md", "## NEXT (UNRELEASED)\n", "CHANGES.md"),
        ("CHANGELOG.rst", "`Unreleased <https://x>`__\n----\n", "CHANGELOG.rst"),
        ("CHANGELOG.md", "## 1.0\n\n- Unreleased code is refused.\n", ""),
        ("changelog.d/12.change.md", "It greets.\n", "changelog.d/"),
        (".changeset/config.json", "{}", ".changeset/"),
    ],
)
async def test_finds_where_changes_are_noted(
    data_dir: Path, name: str, text: str, place: str
) -> None:
    assert (await find_all(sample_run(data_dir, {**SAMPLE, name: text}))).changelog == place


async def test_a_found_check_that_the_caller_names_is_the_callers(sample: SampleRun) -> None:
    assert await find(sample, UNITTEST) == [("caller", UNITTEST)]


async def test_only_the_callers_checks(sample: SampleRun) -> None:
    assert await find(sample, "make x", only=True) == [("caller", "make x")]
    assert await find(sample, only=True) == []


async def test_the_repositorys_own_settings_take_the_place_of_what_is_found(
    data_dir: Path,
) -> None:
    own = "setup = ['a']\nvalidate = ['b', 'c', 'b']\nother = 1\n"
    run = sample_run(data_dir, {**SAMPLE, ".coding-agent.toml": own})
    assert await find(run, "c", "d") == [("caller", "c"), ("caller", "d"), ("repository", "b")]
    assert await find(run, "d", only=True) == [("caller", "d")]
    found = await find_all(run, only=True)
    assert len(found.notes) == 1


@pytest.mark.parametrize("own", [b"setup = [", b"\xff\xfe", b"#" * 70_000])
async def test_own_settings_that_cannot_be_read_are_told_and_left_out(
    data_dir: Path, own: bytes
) -> None:
    run = sample_run(data_dir, {**SAMPLE, ".coding-agent.toml": own})
    found = await find_all(run)
    assert [check.command for check in found.checks] == [UNITTEST]
    assert "left out" in found.notes[0]


async def test_a_repository_without_checks_has_none(run: SampleRun) -> None:
    assert await find(run) == []


async def test_plain_test_functions_beside_a_list_of_requirements_are_a_package_s_tests(
    data_dir: Path,
) -> None:
    files: dict[str, str | bytes] = {
        "front/package.json": '{"scripts": {"test": "node x"}}',
        "back/requirements.txt": "flask\n",
        "back/tests/test_app.py": "def test_a():\n    assert True\n",
    }
    found = await find_all(sample_run(data_dir, files))
    assert [(check.folder, check.command, check.main) for check in found.checks] == [
        ("back", "python3 -m pytest -q", False),
        ("front", "CI=true npm test", False),
    ]


async def test_the_first_test_of_the_top_or_the_only_package_is_the_main_check(
    data_dir: Path, sample: SampleRun
) -> None:
    assert [check.main for check in (await find_all(sample)).checks] == [True]
    inner = {f"back/{name}": content for name, content in SAMPLE.items()}
    (data_dir / "inner").mkdir()
    run = sample_run(data_dir / "inner", {**inner, "back/setup.py": ""})
    assert [check.main for check in (await find_all(run)).checks] == [True]


@pytest.mark.parametrize(
    ("run", "main"),
    [("make test", "make test"), ("pytest -n 4", PYTEST), ("make docs", PYTEST)],
)
async def test_the_main_check_is_what_ci_runs(data_dir: Path, run: str, main: str) -> None:
    files: dict[str, str | bytes] = {
        "pytest.ini": "",
        "Makefile": "test:\n\t./all-tests\n",
        ".github/workflows/ci.yml": f"jobs: {{a: {{steps: [{{run: {run}}}]}}}}",
    }
    found = await find_all(sample_run(data_dir, files))
    assert [check.command for check in found.checks] == [PYTEST, "make test"]
    assert [check.command for check in found.checks if check.main] == [main]
