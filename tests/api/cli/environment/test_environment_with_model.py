"""`environment --model`, `--write`: what is found is kept, written, and holds from there."""

import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from api.cli.environment.environment_command import forget_environments, try_environments
from tests.standins.messages_api.server import MessagesServer
from tests.standins.package_index import PackageIndex
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import commit_files
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import Cast, found, shell
from wiring.settings import Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, needs("pip")]
KEY = "sk-ant-for-tests-only-0123456789abcdef"
TEST = (
    "import tiny\nfrom unittest import TestCase\n"
    "class T(TestCase):\n    def test_a(self): assert tiny.ANSWER == 42\n"
)
MAIN = "python3 -m unittest discover -s tests -t ."


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    folder = tmp_path / "index"
    folder.mkdir()
    with PackageIndex(folder) as index:
        yield index


@pytest_asyncio.fixture
async def cast() -> Cast:
    return Cast()


@pytest_asyncio.fixture
async def settings(data_dir: Path, index: PackageIndex, cast: Cast) -> AsyncIterator[Settings]:
    async with MessagesServer(cast, key=KEY) as claude:
        yield Settings(
            data_dir=data_dir / "data",
            setup_hosts=(index.host,),
            anthropic_api_key=SecretStr(KEY),
            anthropic_base_url=claude.base_url,
        )


def checkout(folder: Path, **more: str) -> str:
    commit_files(folder, {"tests/__init__.py": "", "tests/test_a.py": TEST, **more})
    return str(folder)


def install(index: PackageIndex) -> str:
    return (
        "python3 -m pip install --quiet --user --break-system-packages"
        f" --index-url {index.url}/simple --trusted-host {index.host} tiny"
    )


def commit_settings(folder: str) -> dict[str, list[str]]:
    """Commit what was written, as the repository's own; what it says."""
    git(Path(folder), "add", "-A")
    git(Path(folder), "commit", "-qm", "Keep the set-up")
    return tomllib.loads((Path(folder) / ".coding-agent.toml").read_text())


async def test_a_model_finds_it_once_and_what_is_written_holds_without_one(
    settings: Settings,
    index: PackageIndex,
    cast: Cast,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo = checkout(tmp_path / "a")
    assert await try_environments(settings, [repo], write=False) == 1
    assert cast.setup_asked == []
    assert "does not run: No module named 'tiny'" in capsys.readouterr().out
    cast.setup = [shell(f"{install(index)} && {MAIN}"), found(install(index))]
    assert await try_environments(settings, [repo], write=True, with_model=True) == 0
    said = capsys.readouterr().out
    assert "model $ python3 -m pip install" in said
    assert "found by the model in run" in said
    assert "The model was asked." in said
    assert len(cast.setup_asked) == 2
    assert list((settings.data_dir / "runs").iterdir()) == []

    assert await try_environments(settings, [repo], write=False, with_model=True) == 0
    assert len(cast.setup_asked) == 2
    assert commit_settings(repo) == {"setup": [install(index)], "validate": [MAIN]}
    assert await forget_environments(settings, [repo]) == 0
    assert await try_environments(settings, [repo], write=False) == 0
    assert len(cast.setup_asked) == 2


async def test_what_is_forgotten_is_looked_for_again(
    settings: Settings, index: PackageIndex, cast: Cast, tmp_path: Path
) -> None:
    repo = checkout(tmp_path / "a")
    cast.setup = [found(), found(install(index))]
    assert await try_environments(settings, [repo], write=False, with_model=True) == 1
    assert await try_environments(settings, [repo], write=False, with_model=True) == 1
    assert len(cast.setup_asked) == 1
    assert await forget_environments(settings, [repo]) == 0
    assert await try_environments(settings, [repo], write=False, with_model=True) == 0
    assert len(cast.setup_asked) == 2


async def test_what_rules_found_is_written_so_that_it_holds_by_itself(
    settings: Settings, index: PackageIndex, tmp_path: Path
) -> None:
    where = f"--index-url {index.url}/simple\n--trusted-host {index.host}\n"
    repo = checkout(tmp_path / "a", **{"requirements.txt": f"{where}tiny\n"})
    assert await try_environments(settings, [repo], write=True) == 0
    written = commit_settings(repo)
    assert any("/home/agent/venvs/root" in command for command in written["setup"])
    assert await try_environments(settings, [repo], write=False) == 0
