"""`environment`: set-up and checks of checkouts, tried in real sandboxes without a model."""

import tomllib
from pathlib import Path

import pytest
import typer

from api.cli.environment.environment_command import forget_environments, try_environments
from tests.support.sandbox.sample_run import commit_files
from wiring.settings import Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

TEST = "from unittest import TestCase\nclass T(TestCase):\n    def test_a(self): assert {}\n"
UNITTEST = "python3 -m unittest discover -s tests -t ."


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir / "data", setup_hosts=())


def with_tests(folder: Path, holds: str, own: str = "") -> str:
    files: dict[str, str | bytes] = {"tests/__init__.py": "", "tests/test_a.py": TEST.format(holds)}
    if own:
        files[".coding-agent.toml"] = own
    commit_files(folder, files)
    return str(folder)


async def test_a_main_check_that_runs_is_success_and_nothing_of_the_trial_stays(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await try_environments(settings, [with_tests(tmp_path / "a", "1")], write=True) == 0
    said = capsys.readouterr().out
    assert "passes on the base" in said
    assert "The main check runs." in said
    assert "It is used once it is committed." in said
    written = tomllib.loads((tmp_path / "a" / ".coding-agent.toml").read_text())
    assert written == {"setup": [], "validate": [UNITTEST]}
    assert list((settings.data_dir / "runs").iterdir()) == []


CI = """\
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    services:
      db: postgres:16
      cache: {image: "redis:7"}
    steps:
      - run: python3 -m unittest discover -s tests -t .
"""


async def test_services_of_ci_are_written_as_a_line_to_take(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = settings.model_copy(update={"setup_hosts": ("localhost:9",)})
    files: dict[str, str | bytes] = {
        "tests/__init__.py": "",
        "tests/test_a.py": TEST.format("1"),
        ".github/workflows/test.yml": CI,
    }
    commit_files(tmp_path / "a", files)
    assert await try_environments(named, [str(tmp_path / "a")], write=True) == 0
    written = (tmp_path / "a" / ".coding-agent.toml").read_text()
    assert '# services = ["postgres", "redis"]  # where it is installed\n' in written
    assert tomllib.loads(written)["validate"] == [UNITTEST]
    assert f"runs  {UNITTEST}" in capsys.readouterr().out


async def test_a_check_that_fails_on_the_base_runs_too(settings: Settings, tmp_path: Path) -> None:
    assert await try_environments(settings, [with_tests(tmp_path / "a", "0")], write=False) == 0


async def test_a_check_none_of_whose_tests_came_to_its_end_does_not_run(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "raise RuntimeError('the data is not here')\n" + TEST.format("1")
    commit_files(tmp_path / "a", {"tests/__init__.py": "", "tests/test_a.py": broken})
    assert await try_environments(settings, [str(tmp_path / "a")], write=False) == 1
    said = capsys.readouterr().out
    assert "The main check does not run: no test came to its end: FAILED" in said


async def test_what_a_base_has_not_is_told(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = with_tests(tmp_path / "a", "1")
    (tmp_path / "a" / "tests" / "test_a.py").write_text("not committed")
    assert await try_environments(settings, [repo], write=False) == 0
    assert "Uncommitted" in capsys.readouterr().out


async def test_several_repositories_are_a_table_and_all_must_run(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_files(tmp_path / "none", {"README": "x"})
    failing = with_tests(tmp_path / "setup", "1", "setup = ['echo no such wheel; exit 3']\n")
    lacking = with_tests(tmp_path / "lacking", "1", "validate = ['no-such-tool --all']\n")
    repos = [with_tests(tmp_path / "good", "1"), str(tmp_path / "none"), failing, lacking]
    assert await try_environments(settings, repos, write=False) == 1
    rows = capsys.readouterr().out.rpartition("REPOSITORY")[2].splitlines()[1:]
    assert "passed" in rows[0]
    assert "no test command was found" in rows[1]
    assert "set-up command" in rows[2]
    assert "unavailable" in rows[3]
    assert "not found" in rows[3]


async def test_what_is_known_is_forgotten(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = with_tests(tmp_path / "a", "1")
    await try_environments(settings, [repo], write=False)
    capsys.readouterr()
    assert await forget_environments(settings, [repo]) == 0
    assert capsys.readouterr().out == f"{repo}: forgotten\n"
    assert await forget_environments(settings, [repo]) == 0
    assert capsys.readouterr().out == f"{repo}: nothing is known of it\n"


async def test_a_file_of_settings_that_is_there_is_left_as_it_is(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = with_tests(tmp_path / "a", "1", "validate = ['true']\n")
    await try_environments(settings, [repo], write=True)
    assert "left as it is" in capsys.readouterr().out
    assert (tmp_path / "a" / ".coding-agent.toml").read_text() == "validate = ['true']\n"


@pytest.mark.parametrize("repo", ["octo/app", "https://github.com/octo/app"])
async def test_only_a_checkout_is_written_to(settings: Settings, repo: str) -> None:
    with pytest.raises(typer.BadParameter, match="checkouts of this machine"):
        await try_environments(settings, [repo], write=True)


async def test_settings_of_the_repository_that_are_refused_are_named(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = with_tests(tmp_path / "a", "1", 'env = {LD_PRELOAD = "x", APP = "y"}\n')
    assert await try_environments(settings, [repo], write=False) == 0
    assert "`env` may not set `LD_PRELOAD`: left out." in capsys.readouterr().out
