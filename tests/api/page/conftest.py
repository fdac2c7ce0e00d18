"""One browser and one service for all tests of a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.page.page_world import PageWorld, page_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("page")) as world:
        yield world
