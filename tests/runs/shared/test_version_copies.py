"""Copies of newest versions, which come a while after the entries that decide."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph import Status
from runs.model.attempts import Step
from runs.shared.backend import StorageBackend
from runs.shared.store import SharedStore
from tests.standins.sample_runs import run_of, text
from tests.standins.shared_backend import MemoryTable, SharedPlaces

_TURNS = 200


class SlowTable(MemoryTable):
    """Others have many turns until a value is there; the most that are put at once are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.most = 0

    async def put(self, key: str, value: Any) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await super().put(key, value)
        self.under_way -= 1


def slow_backend(root: Path) -> tuple[StorageBackend, SlowTable]:
    copies = SlowTable()
    return replace(SharedPlaces(root).backend, runs=copies), copies


async def test_those_of_several_writers_come_one_after_the_other(tmp_path: Path) -> None:
    backend, copies = slow_backend(tmp_path)
    store = SharedStore(backend, service="one", slots=1)
    run, _ = await store.create(run_of(), None, lambda _: [])

    async def append(word: str) -> None:
        await store.transact(run.run_id, lambda found: Step(found, (text(word),)))

    await asyncio.gather(*map(append, "abc"))
    await store.close()
    assert copies.most == 1
    assert not copies.under_way
    assert (await copies.get(run.run_id))["version"] == 4


@pytest.mark.parametrize("status", ["failed", "waiting"])
async def test_that_of_a_stop_is_there_once_readers_hear_of_it(
    tmp_path: Path, status: Status
) -> None:
    """They may remove the run at once, which a copy that comes later would bring back."""
    backend, copies = slow_backend(tmp_path)
    store = SharedStore(backend, service="one", slots=1)
    run, _ = await store.create(run_of(status="running"), None, lambda _: [])
    under_way: list[int] = []
    store.subscribe(lambda _: under_way.append(copies.under_way))
    await store.transact(run.run_id, lambda found: Step(found.replace(status=status)))
    assert under_way == [0]
    other = SharedStore(backend, service="two", slots=1)
    await other.delete(run.run_id)
    await store.close()
    assert await other.get(run.run_id) is None
