"""Records of environments in the archive that all functions of a deployment see."""

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import ValidationError

from graph import (
    ENVIRONMENTS,
    EnvironmentRecord,
    EnvironmentRecords,
    Recipe,
    Recipes,
    recipes_file,
    record_file,
)
from runs.shared import Archive, Mount
from sandbox.environments import kept_prefix

BASELINES: Final = "baselines"
"""The archive's folder of results of checks on untouched bases."""


class ArchivedEnvironments(EnvironmentRecords):
    """Read from the archive; written by a function that has its `mount`.

    Forgetting also removes results of checks, and with `forget_set_ups` what set-ups left.
    """

    def __init__(
        self,
        archive: Archive,
        mount: Mount | None = None,
        forget_set_ups: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self._archive = archive
        self._mount = mount
        self._forget_set_ups = forget_set_ups

    async def get(self, repo: str) -> EnvironmentRecord | None:
        kept = await self._archive.read(_path(repo))
        try:
            return EnvironmentRecord.model_validate_json(kept) if kept else None
        except ValidationError:
            return None  # one that cannot be read is written anew

    async def put(self, record: EnvironmentRecord) -> None:
        """Others have it with the run's next commit: the next run makes one that is lost anew."""
        if self._mount:
            await self._mount.write({_path(record.repo): record.model_dump_json().encode()})

    async def forget(self, repo: str) -> bool:
        known = await self.get(repo) is not None or (await self.recipes(repo)).kept != ()
        await self._archive.remove(_path(repo))
        await self._archive.remove(_recipes_path(repo))
        for name in await self._archive.names(BASELINES):
            if name.startswith(kept_prefix(repo)):
                await self._archive.remove(f"{BASELINES}/{name}")
        elsewhere = await self._forget_set_ups(repo) if self._forget_set_ups else False
        return known or elsewhere

    async def recipes(self, repo: str) -> Recipes:
        kept = await self._archive.read(_recipes_path(repo))
        try:
            return Recipes.model_validate_json(kept) if kept else Recipes()
        except ValidationError:
            return Recipes()  # what cannot be read is found anew

    async def put_recipe(self, repo: str, recipe: Recipe) -> None:
        if self._mount:
            recipes = (await self.recipes(repo)).having(recipe)
            await self._mount.keep({_recipes_path(repo): recipes.model_dump_json().encode()})


def _path(repo: str) -> str:
    return f"{ENVIRONMENTS}/{record_file(repo)}"


def _recipes_path(repo: str) -> str:
    return f"{ENVIRONMENTS}/{recipes_file(repo)}"
