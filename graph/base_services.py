"""What makes the trees of a base ready and tries its checks there, as Protocols."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from graph.environment import Environment, Recipe
from graph.events.run_events import Emit, unheard
from graph.values import Base, Check, CommandReport, FolderCommand, Validation, Value


class FoundChecks(Value):
    """What the base was found to ask for.

    `notes` are what a reader should know, a sentence each. `changelog`: where changes are noted.
    """

    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    changelog: str = ""


class Environments(Protocol):
    """What makes the trees of a base ready."""

    async def prepare(
        self, run_id: str, base: Base, setup: tuple[str, ...], deadline: float, emit: Emit = unheard
    ) -> Environment:
        """Find the set-up of a base, run it, and keep what it leaves for every tree.

        `setup` are the caller's own commands, which come first. What cannot be had of what nobody
        asked for is left out, part by part. Called again it finds what it made. Raises SetupFailed
        where a command of the caller or of the repository fails, and SandboxError.
        """
        ...

    async def extend(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        commands: tuple[FolderCommand, ...],
        deadline: float,
        emit: Emit = unheard,
    ) -> Environment:
        """The environment with commands that a model found, run after its own.

        They are run in a tree that is made from nothing but what the environment's own commands
        leave. Raises SetupFailed at the first that fails, and SandboxError.
        """
        ...


class Baselines(Protocol):
    """Runs checks where nothing was changed yet."""

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        checks: tuple[Check, ...],
        deadline: float,
        emit: Emit = unheard,
        tell: Callable[[CommandReport], None] = unheard,
    ) -> Validation:
        """How the found checks end on the untouched base, each run once and kept.

        `tell` hears of each as it ends. With half a command's weight; ended where the task is
        cancelled. Raises SandboxError.
        """
        ...


@dataclass(frozen=True)
class PreparationRequest:
    """What one run wants to be ready: `setup` is the caller's own, `deadline` Unix seconds."""

    run_id: str
    base: Base
    setup: tuple[str, ...]
    checks: tuple[Check, ...]
    deadline: float

    @property
    def main(self) -> Check | None:
        """The test command by which the environment is judged."""
        tests = [check for check in self.checks if check.kind == "test"]
        return next((check for check in tests if check.main), tests[0] if tests else None)


@dataclass(frozen=True)
class Prepared:
    """What was made ready: by `rules`, and with a recipe where one is kept or was found."""

    environment: Environment
    rules: Environment
    recipe: Recipe | None = None
