"""Importing a library without an optional one, which it would take along wherever that lies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def without(name: str) -> Iterator[None]:
    """While the block runs `name` cannot be imported, unless it has been already."""
    ours = sys.modules.setdefault(name, cast("ModuleType", None)) is None
    try:
        yield
    finally:
        if ours:
            sys.modules.pop(name)
