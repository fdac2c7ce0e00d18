"""Attacks by whole runs, on the world of all of them."""

from tests.e2e.conftest import _needs_namespaces, world

__all__ = ["_needs_namespaces", "world"]
