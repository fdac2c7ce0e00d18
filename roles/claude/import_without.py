"""Importing a library without an optional part of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def without(name: str) -> Iterator[None]:
    """While the block runs `name` cannot be imported, unless it has been already.

    By no thread: so let it be a module that nothing else imports.
    """
    ours = sys.modules.setdefault(name, cast("ModuleType", None)) is None
    try:
        yield
    finally:
        if ours:
            sys.modules.pop(name)
