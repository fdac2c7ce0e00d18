"""Whole runs, each over real HTTP, git, sandbox and SQLite; only Claude's replies are scripted."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.sandbox.local_tree import missing
from tests.support.whole_runs.world import World


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    """Skip where no sandbox can be made; a machine that checks changes must be able to."""
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """One forge, one Claude and one service for all runs of a file; prompts keep them apart."""
    async with World.open() as world, world.serving():
        yield world
