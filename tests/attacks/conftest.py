"""The trusted side and its forge, for attacks on what leaves it."""

from tests.forge.conftest import earlier, first_commit, forge, opened, running_forge, side

__all__ = ["earlier", "first_commit", "forge", "opened", "running_forge", "side"]
