"""Data folders and databases of the tests of runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.standins.services.run_service import House

if TYPE_CHECKING:
    from tests.standins.postgres_server import PostgresServer


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """A server for all tests of a process; its tests are slow."""
    from tests.standins.postgres_server import serving

    with serving() as server:
        yield server
