"""What is remembered of a repository's environment, and where."""

import hashlib
from typing import Final, Protocol

from graph.environment import Environment, Recipe
from graph.values import Base, Validation, Value

ENVIRONMENTS: Final = "environments"
"""Of the data folder, or of the archive that all functions see."""


_MOST_RECIPES: Final = 16


class EnvironmentRecord(Value):
    """What set-up did on a repository last; `made_at` in Unix seconds, in the run `run_id`."""

    repo: str
    sha: str
    run_id: str
    made_at: float
    environment: Environment
    baseline: Validation | None = None


class EnvironmentRecords(Protocol):
    """The newest record of each repository. Every method may raise StoreError."""

    async def get(self, repo: str) -> EnvironmentRecord | None: ...

    async def put(self, record: EnvironmentRecord) -> None: ...

    async def forget(self, repo: str) -> bool:
        """Remove all of it, so that set-up begins from nothing; whether there was anything."""
        ...

    async def recipes(self, repo: str) -> "Recipes":
        """What models found there."""
        ...

    async def put_recipe(self, repo: str, recipe: Recipe) -> None:
        """Keep it in place of the one by the same key."""
        ...


class Recipes(Value):
    """The recipes of one repository, the newest last."""

    kept: tuple[Recipe, ...] = ()

    def find(self, key: str, now: float) -> Recipe | None:
        """The one by that key, unless it is too old."""
        return next((each for each in self.kept if each.key == key and each.holds(now)), None)

    def having(self, recipe: Recipe) -> "Recipes":
        """With one more; without those that it outdates."""
        others = (
            each for each in self.kept if each.key != recipe.key and each.holds(recipe.made_at)
        )
        return Recipes(kept=(*others, recipe)[-_MOST_RECIPES:])


def repo_of(base: Base) -> str:
    """The name under which a base's environment is remembered: of a checkout its path."""
    return base.address if base.local else base.full_name.lower()


def record_file(repo: str) -> str:
    """The name of a record's file."""
    return f"{hashlib.sha256(repo.encode()).hexdigest()[:32]}.json"


def recipes_file(repo: str) -> str:
    """The name of the file of a repository's recipes."""
    return f"recipes-{record_file(repo)}"
