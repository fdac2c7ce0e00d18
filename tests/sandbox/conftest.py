"""A sample run for the tests of trees, changes and checks."""

from pathlib import Path

import pytest

from tests.sandbox.sample_run import SampleRun, sample_run


@pytest.fixture
def run(data_dir: Path) -> SampleRun:
    """A run over a small repository."""
    return sample_run(data_dir, {"hello.txt": "hello\n", "src/app.py": "print('hello')\n"})
