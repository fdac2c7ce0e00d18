"""Runs found and counted through their rows, whatever was removed and counted meanwhile."""

import asyncio
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from graph.values import Status
from runs.model.attempts import Step
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Run
from runs.shared.run_index import RunIndex
from runs.shared.store import SharedStore
from runs.shared.version_chain import VersionChain
from runs.store.protocol import RunQuery
from tests.standins.sample_runs import run_of
from tests.standins.shared_backend import SharedPlaces

ENDS: tuple[Status, ...] = ("succeeded", "failed", "cancelled")


def usage(cost: float) -> Entry:
    data = {"type": "usage", "role": "coder", "model": "m", "input_tokens": 1, "costUsd": cost}
    return entry_of("", data)


def end(status: str) -> Entry:
    return entry_of("", {"type": "run.finished", "status": status})


def store_of(shared: SharedPlaces, service: str) -> SharedStore:
    """With an index that reads anew each time."""
    index = partial(RunIndex, fresh_s=-1.0)
    return SharedStore(shared.backend, service=service, slots=9, index=index)


class Told:
    """What the runs should come to, kept beside the store."""

    def __init__(self, shared: SharedPlaces) -> None:
        self.shared = shared
        self.stores = [store_of(shared, str(n)) for n in range(3)]
        self.runs: dict[str, Run] = {}
        self.cost = 0.0
        self.ends = Counter[str]()

    @property
    def any_store(self) -> SharedStore:
        return random.choice(self.stores)

    async def start(self) -> None:
        run, _ = await self.any_store.create(run_of(), None, lambda _: [usage(1)])
        self.runs[run.run_id] = run
        self.cost += 1

    async def change(self, run_id: str) -> None:
        """End a run that goes on, resume one that has ended."""
        before, live = self.runs[run_id], self.shared.tables["live"]
        line = await live.get(run_id)
        if before.final:
            entries: tuple[Entry, ...] = ()
            after = before.replace(status="running", attempt=before.attempt + 1)
        else:
            after = before.replace(status=random.choice(ENDS))
            entries = (usage(0.5), end(after.status))
            self.cost += 0.5
            self.ends[after.status] += 1
        wanted = {"status": after.status, "attempt": after.attempt}
        await self.any_store.transact(run_id, lambda found: Step(found.replace(**wanted), entries))
        self.runs[run_id] = after
        if after.final and random.random() < 0.3:
            await live.put(run_id, line)  # by one that was held up

    async def touch(self, run_id: str) -> None:
        """Change what no line says."""
        await self.any_store.transact(run_id, lambda found: Step(found.replace(node="code")))

    async def tidy(self) -> None:
        """A janitor that may end before it is done."""
        work = asyncio.create_task(self.any_store.refresh())
        for _ in range(random.randrange(random.choice((30, 100, 300, 1_000, 3_000)))):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled() or work.exception() is None

    async def remove(self, run_id: str) -> None:
        """Only what has ended is removed."""
        if self.runs[run_id].final:
            await self.any_store.delete(run_id)
            del self.runs[run_id]

    async def hold(self, store: SharedStore) -> None:
        statuses = Counter(run.status for run in self.runs.values())
        assert await store.count_runs() == dict(statuses)
        event_totals = await store.event_totals()
        assert dict(event_totals.by_name("cost_usd")) == {("coder", "m"): pytest.approx(self.cost)}
        assert dict(event_totals.by_name("run_ends")) == {
            (name,): n for name, n in self.ends.items()
        }
        assert await self.listed(store) == sorted(self.runs, reverse=True)
        failed = [each for each in self.runs.values() if each.status == "failed"]
        newest = sorted((run.run_id for run in failed), reverse=True)
        assert await self.listed(store, status="failed", limit=7) == newest

    async def listed(self, store: SharedStore, **query: Any) -> list[str]:
        """Page after page."""
        found: list[str] = []
        while True:
            before = found[-1] if found else None
            runs = await store.find(RunQuery(**{"limit": 20, **query}, before=before))
            found += [run.run_id for run in runs]
            if not runs:
                return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_counting_removed_runs_changes_no_answer(tmp_path: Path, seed: int) -> None:
    """Two janitors at a time, and readers that know nothing yet or what was true before."""
    random.seed(seed)
    shared = SharedPlaces(tmp_path)
    told = Told(shared)
    for _ in range(30):
        for _ in range(random.randrange(1, 6)):
            await told.start()
        some = random.sample(sorted(told.runs), min(9, len(told.runs)))
        changes = [told.change(run_id) for run_id in some[:6]]
        touches = [told.touch(run_id) for run_id in some[6:]]
        await asyncio.gather(*changes, *touches, told.tidy(), told.tidy())
        await told.hold(told.any_store)
        await asyncio.gather(*map(told.remove, some[:2]), told.tidy(), told.tidy())
        await told.hold(store_of(shared, "new"))


async def test_a_run_removed_while_its_row_is_looked_at_does_not_come_back(tmp_path: Path) -> None:
    """A janitor is ahead of the removal by each number of steps."""
    for ahead in range(40):
        shared = SharedPlaces(tmp_path / str(ahead))
        store = store_of(shared, "one")
        run, _ = await store.create(run_of(), None, lambda _: [usage(1)])
        await store.transact(run.run_id, lambda run: Step(run.replace(status="failed"), ()))
        index = RunIndex(shared.backend, VersionChain(shared.backend), fresh_s=-1.0)
        its_turn = crc32(run.run_id.encode()) % 144 * 600.0
        work = asyncio.create_task(index.refresh(its_turn))
        for _ in range(ahead):
            await asyncio.sleep(0)
        await store.delete(run.run_id)
        await work
        assert await store_of(shared, "new").count_runs() == {}, ahead


async def test_a_listing_reads_each_row_once(
    tmp_path: Path,
) -> None:
    shared = SharedPlaces(tmp_path)
    store = SharedStore(shared.backend, service="one", slots=9)
    for _ in range(2_000):
        await store.create(run_of(status="failed"), None, lambda _: [])
    await store.refresh()
    reader = SharedStore(shared.backend, service="two", slots=9)
    for table in shared.tables.values():
        table.read = 0
    assert len(await reader.find(RunQuery(status="failed", limit=20))) == 20
    assert await reader.count_runs() == {"failed": 2_000}
    assert {name: table.read for name, table in shared.tables.items()} == {
        **dict.fromkeys(shared.tables, 0),
        "runs": 20,
        "changes": 20,
        "ended": 2_000,
        "totals": 1,
    }
