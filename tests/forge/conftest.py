"""A forge with one repository, and the trusted side over it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standins.github import GitHubStandIn
from tests.standins.github_server.repository import HostedRepository
from tests.support.trusted_side import TrustedSide, make_repository


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


@dataclass(frozen=True)
class Earlier:
    """A repository as it was first hosted, and what a run over it left in the kept bases."""

    hosted: HostedRepository
    bases: Path


@pytest.fixture(scope="session")
def earlier(
    running_forge: GitHubStandIn, first_commit: Path, tmp_path_factory: pytest.TempPathFactory
) -> Earlier:
    folder = tmp_path_factory.mktemp("earlier")

    async def run() -> Earlier:
        hosted = await running_forge.add_repository("octo/sample", first_commit)
        side = TrustedSide.open(running_forge, hosted, first_commit, folder / "runs")
        await side.prepare()
        await side.github.close()
        return Earlier(hosted, folder / "bases")

    return asyncio.run(run())


@pytest.fixture
async def opened(
    earlier: Earlier, forge: GitHubStandIn, first_commit: Path, tmp_path: Path, rules_cache: Path
) -> AsyncIterator[TrustedSide]:
    source = shutil.copytree(first_commit, tmp_path / "source")
    shutil.copytree(earlier.bases, tmp_path / "bases")
    hosted = forge.host_again(earlier.hosted)
    runs = tmp_path / "runs"
    shutil.copytree(rules_cache, tmp_path / "secret-rules", copy_function=os.link)
    side = TrustedSide.open(forge, hosted, source, runs, rules_cache, first_commit)
    yield side
    await side.github.close()


@pytest.fixture
def side(opened: TrustedSide) -> TrustedSide:
    """One that has worked on the repository before."""
    return opened


@pytest.fixture
def new_side(opened: TrustedSide) -> TrustedSide:
    """One that has no kept base."""
    shutil.rmtree(opened.runs.parent / "bases")
    return opened
