"""Data folders of the tests of runs."""

from pathlib import Path

import pytest

from tests.standins.services.run_service import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)
