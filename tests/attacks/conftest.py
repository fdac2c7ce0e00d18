"""Sandboxes, the trusted side and its forge, for attacks on them."""

from tests.forge.conftest import earlier, first_commit, forge, opened, running_forge, side
from tests.sandbox.conftest import _needs_namespaces, sandbox

__all__ = [
    "_needs_namespaces",
    "earlier",
    "first_commit",
    "forge",
    "opened",
    "running_forge",
    "sandbox",
    "side",
]
