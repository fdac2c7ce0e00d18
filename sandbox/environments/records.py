"""Records of environments in a folder of this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import ValidationError

from graph import (
    EnvironmentRecord,
    EnvironmentRecords,
    Recipe,
    Recipes,
    recipes_file,
    record_file,
)
from graph.files import write_whole
from sandbox.setup.archive_cache import remove_result
from sandbox.setup.cache_key import results_of

Forget = Callable[[str], Awaitable[bool]]
"""Removes what is kept of a repository; whether there was anything."""


def kept_prefix(repo: str) -> str:
    """What the names of all that is kept of a repository begin with."""
    return results_of(repo)


class LocalEnvironmentRecords(EnvironmentRecords):
    """One file each; forgetting also removes what folders `kept` of the repository.

    `forget_set_ups` removes what its set-ups left elsewhere.
    """

    def __init__(
        self, folder: Path, *, kept: tuple[Path, ...], forget_set_ups: Forget | None = None
    ) -> None:
        self._folder = folder
        self._kept = kept
        self._forget_set_ups = forget_set_ups

    async def get(self, repo: str) -> EnvironmentRecord | None:
        return await asyncio.to_thread(self._read, repo)

    async def put(self, record: EnvironmentRecord) -> None:
        await asyncio.to_thread(self._write, record)

    async def forget(self, repo: str) -> bool:
        elsewhere = await self._forget_set_ups(repo) if self._forget_set_ups else False
        return await asyncio.to_thread(self._remove, repo) or elsewhere

    async def recipes(self, repo: str) -> Recipes:
        return await asyncio.to_thread(self._read_recipes, repo)

    async def put_recipe(self, repo: str, recipe: Recipe) -> None:
        await asyncio.to_thread(self._write_recipe, repo, recipe)

    def _read_recipes(self, repo: str) -> Recipes:
        try:
            return Recipes.model_validate_json((self._folder / recipes_file(repo)).read_bytes())
        except (FileNotFoundError, ValidationError):
            return Recipes()  # what cannot be read is found anew

    def _write_recipe(self, repo: str, recipe: Recipe) -> None:
        recipes = self._read_recipes(repo).having(recipe)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._folder / recipes_file(repo), recipes.model_dump_json().encode())

    def _read(self, repo: str) -> EnvironmentRecord | None:
        try:
            return EnvironmentRecord.model_validate_json(self._file(repo).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None  # one that cannot be read is written anew

    def _write(self, record: EnvironmentRecord) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._file(record.repo), record.model_dump_json().encode())

    def _remove(self, repo: str) -> bool:
        for folder in self._kept:
            for made in folder.glob(f"{kept_prefix(repo)}*"):
                if made.suffix != ".lock":  # which somebody may hold
                    remove_result(made)
        known = [
            path for path in (self._file(repo), self._folder / recipes_file(repo)) if path.exists()
        ]
        for path in known:
            path.unlink(missing_ok=True)
        return bool(known)

    def _file(self, repo: str) -> Path:
        return self._folder / record_file(repo)
