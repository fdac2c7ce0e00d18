"""What is remembered of environments: the same on this machine's disk and in Modal's archive."""

from collections.abc import Callable
from pathlib import Path

import pytest

from graph.environment import KEPT_S, Environment, Recipe
from graph.environment_record import EnvironmentRecord, EnvironmentRecords
from graph.values import FolderCommand
from sandbox.environments import LocalEnvironmentRecords, kept_prefix
from tests.standins.shared_backend import FolderMount, SharedPlaces
from wiring.deployed.archived_environments import ArchivedEnvironments

NOW = 1_000_000.0


def local(folder: Path) -> EnvironmentRecords:
    return LocalEnvironmentRecords(folder / "environments", kept=())


def archived(folder: Path) -> EnvironmentRecords:
    return ArchivedEnvironments(SharedPlaces(folder).backend.archive, FolderMount(folder))


STORES = pytest.mark.parametrize("store", [local, archived])


def recipe(key: str, run_id: str = "run", age_s: float = 0.0) -> Recipe:
    command = FolderCommand(command="make tools", folder="web")
    return Recipe(key=key, run_id=run_id, made_at=NOW - age_s, commands=(command,))


@STORES
async def test_a_recipe_is_found_by_its_key_until_it_is_too_old(
    store: Callable[[Path], EnvironmentRecords], tmp_path: Path
) -> None:
    records = store(tmp_path)
    assert (await records.recipes("octo/app")).kept == ()
    await records.put_recipe("octo/app", recipe("a"))
    await records.put_recipe("octo/app", recipe("b", "other"))
    await records.put_recipe("octo/app", recipe("a", "later"))
    kept = await store(tmp_path).recipes("octo/app")
    assert [(each.key, each.run_id) for each in kept.kept] == [("b", "other"), ("a", "later")]
    assert kept.find("a", NOW + KEPT_S - 1) == recipe("a", "later")
    assert kept.find("a", NOW + KEPT_S) is None
    assert kept.find("c", NOW) is None
    assert (await records.recipes("octo/other")).kept == ()


@STORES
async def test_few_are_kept_and_old_ones_go(
    store: Callable[[Path], EnvironmentRecords], tmp_path: Path
) -> None:
    records = store(tmp_path)
    await records.put_recipe("octo/app", recipe("old", age_s=KEPT_S))
    for number in range(20):
        await records.put_recipe("octo/app", recipe(str(number)))
    keys = [each.key for each in (await records.recipes("octo/app")).kept]
    assert keys == [str(number) for number in range(4, 20)]


@STORES
@pytest.mark.parametrize("with_record", [True, False])
async def test_forgetting_takes_record_and_recipes(
    store: Callable[[Path], EnvironmentRecords], with_record: bool, tmp_path: Path
) -> None:
    records = store(tmp_path)
    assert not await records.forget("octo/app")
    await records.put_recipe("octo/app", recipe("a"))
    if with_record:
        made = EnvironmentRecord(
            repo="octo/app", sha="a", run_id="run", made_at=NOW, environment=Environment()
        )
        await records.put(made)
    assert await records.forget("octo/app")
    assert (await records.recipes("octo/app")).kept == ()
    assert await records.get("octo/app") is None
    assert not await records.forget("octo/app")


async def test_forgetting_takes_results_of_checks_and_what_set_ups_left(tmp_path: Path) -> None:
    asked: list[str] = []

    async def forget_set_ups(repo: str) -> bool:
        asked.append(repo)
        return True

    archive = SharedPlaces(tmp_path).backend.archive
    mount = FolderMount(tmp_path)
    mine, other = (f"baselines/{kept_prefix(repo)}1.json" for repo in ("octo/app", "octo/other"))
    await mount.keep({mine: b"{}", other: b"{}"})
    assert await ArchivedEnvironments(archive, forget_set_ups=forget_set_ups).forget("octo/app")
    assert (await archive.read(mine), await archive.read(other)) == (None, b"{}")
    here = LocalEnvironmentRecords(tmp_path / "here", kept=(), forget_set_ups=forget_set_ups)
    assert await here.forget("octo/app")
    assert asked == ["octo/app"] * 2


async def test_what_cannot_be_read_is_found_anew(tmp_path: Path) -> None:
    records = local(tmp_path)
    await records.put_recipe("octo/app", recipe("a"))
    (file,) = (tmp_path / "environments").glob("recipes-*")
    file.write_text("{")
    assert (await records.recipes("octo/app")).kept == ()
    await records.put_recipe("octo/app", recipe("b"))
    assert [each.key for each in (await records.recipes("octo/app")).kept] == ["b"]
