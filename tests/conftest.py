"""Fixtures that several rooms' tests share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder whose parents the sandbox's user can pass."""
    root = Path(tempfile.mkdtemp(prefix="coding-agent-", dir="/tmp"))
    root.chmod(0o711)
    yield root
    shutil.rmtree(root, ignore_errors=True)
