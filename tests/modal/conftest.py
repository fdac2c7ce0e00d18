"""The local Modal control plane, as a fixture."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.modal_plane import Plane, connected
from tests.modal_plane import modal_plane as open_plane
from tests.modal_plane.availability import need_containers
from tests.modal_plane.report import pytest_runtest_makereport

__all__ = ["modal_plane", "pytest_runtest_makereport"]


@pytest_asyncio.fixture
async def modal_plane() -> AsyncIterator[Plane]:
    """A plane of its own, to which this process's client is connected; no container may fall."""
    need_containers()
    async with open_plane() as plane, connected(plane):
        yield plane
        assert not plane.errors, "\n".join(plane.errors)
