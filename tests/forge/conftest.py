"""A forge with one repository, and the trusted side over it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.forge.trusted_side import TrustedSide, make_repository
from tests.standins.github import GitHubStandIn


@pytest.fixture(scope="session")
def running_forge() -> Iterator[GitHubStandIn]:
    """One server for all tests; it has a thread and an event loop of its own."""
    server = GitHubStandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def forge(running_forge: GitHubStandIn) -> GitHubStandIn:
    running_forge.forget_all()
    return running_forge


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("made") / "source")


@pytest.fixture
async def side(
    forge: GitHubStandIn, first_commit: Path, tmp_path: Path, rules_cache: Path
) -> AsyncIterator[TrustedSide]:
    source = tmp_path / "source"
    shutil.copytree(first_commit, source)
    hosted = await forge.add_repository("octo/sample", source)
    opened = TrustedSide.open(forge, hosted, source, tmp_path / "runs", rules_cache)
    yield opened
    await opened.github.close()
