"""The store that many processes share: the same contract as SQLite's, and what sharing adds."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.errors import RunNotFound, TooManyRuns
from runs.model.attempts import LeaseLost, Step
from runs.model.log_entry import Entry
from runs.model.run import Lease, Run
from runs.shared.run_version import RunVersion
from runs.shared.store import SharedStore
from runs.shared.version_chain import VersionChain
from runs.store.kept_runs import is_driven_elsewhere
from runs.store.protocol import IdempotencyKey, QueueState, RunQuery
from runs.store.role_calls import number_call
from tests.standins.sample_runs import run_of, text
from tests.standins.shared_backend import FolderMount, MemoryTable, SharedPlaces
from tests.support.polling import until

SLOTS = 4


@pytest.fixture
def shared(tmp_path: Path) -> SharedPlaces:
    return SharedPlaces(tmp_path)


@pytest.fixture
async def store(shared: SharedPlaces) -> AsyncIterator[SharedStore]:
    opened = SharedStore(shared.backend, service="one", slots=SLOTS)
    await opened.open()
    yield opened
    await opened.close()


def driver_of(shared: SharedPlaces, service: str = "driver") -> SharedStore:
    """A process that drives runs: it has the run's folder at hand."""
    mount = FolderMount(shared.root)
    return SharedStore(shared.backend, service=service, slots=SLOTS, mount=mount)


def held_by(service: str) -> Run:
    lease = Lease(service=service, token="t", until=1e12)
    return run_of(status="running", lease=lease)


async def append(store: SharedStore, run: Run, *words: str) -> None:
    await store.transact(run.run_id, lambda found: Step(found, tuple(map(text, words))))


async def test_of_many_writers_none_overwrites_another(shared: SharedPlaces) -> None:
    stores = [SharedStore(shared.backend, service=str(n), slots=SLOTS) for n in range(4)]
    run, _ = await stores[0].create(run_of(), None, lambda _: [])
    await asyncio.gather(
        *(append(store, run, f"{store.service}.{n}") for store in stores for n in range(3))
    )
    events = await stores[3].events(run.run_id, 0, 100)
    assert [event.seq for event in events] == list(range(1, 13))
    assert len({event.data["text"] for event in events}) == 12


async def test_what_a_driver_tells_outlasts_tables_and_tail(shared: SharedPlaces) -> None:
    driver, web = driver_of(shared), SharedStore(shared.backend, service="web", slots=SLOTS)
    run, _ = await web.create(held_by("driver"), None, lambda _: [text("queued")])
    await append(driver, run, "a", "b")
    await append(driver, run, "c")
    await append(driver, run, "end")
    ended = {"status": "failed", "lease": None}
    await driver.transact(run.run_id, lambda found: Step(found.replace(**ended)))
    before = await web.events(run.run_id, 0, 10)
    assert [event.data["text"] for event in before] == ["queued", "a", "b", "c", "end"]
    shared.expire()
    later = SharedStore(shared.backend, service="later", slots=SLOTS)
    assert await later.events(run.run_id, 0, 10) == before
    assert [found.run_id for found in await later.find(RunQuery(status="failed"))] == [run.run_id]
    assert (await later.count_runs()) == {"failed": 1}
    await append(later, run, "more")
    assert [event.seq for event in await later.events(run.run_id, 4, 10)] == [5, 6]
    await driver_of(shared, "next").archive_tail(run.run_id)
    shared.expire()
    assert (await later.events(run.run_id, 5, 10))[0].data == {
        "type": "role.text",
        "role": "coder",
        "text": "more",
    }


async def test_a_writer_that_died_halfway_has_written(
    store: SharedStore, shared: SharedPlaces
) -> None:
    """Only the entry that decides is there, not the copy for readers."""
    run, _ = await store.create(run_of(), None, lambda _: [])
    first = RunVersion.load(await shared.tables["changes"].get(f"{run.run_id}/1"))
    second = first.after(Step(first.run.replace(node="plan"), (text("a"),)), set())
    await shared.tables["changes"].put(f"{run.run_id}/{second.number}", second.dump())
    found = await store.get(run.run_id)
    assert found
    assert (found.node, found.last_seq) == ("plan", 1)
    await append(store, run, "b")
    assert [event.seq for event in await store.events(run.run_id, 0, 10)] == [1, 2]


async def test_a_change_whose_answer_is_lost_is_made_once(
    store: SharedStore, shared: SharedPlaces
) -> None:
    run, _ = await store.create(run_of(), None, lambda _: [])
    shared.tables["changes"].lost = 1
    await append(store, run, "a")
    assert [event.data["text"] for event in await store.events(run.run_id, 0, 10)] == ["a"]


async def test_a_change_that_a_client_asks_for_again_by_itself_is_made_once(
    store: SharedStore, shared: SharedPlaces
) -> None:
    """It is told then that the entry is there already: its own."""
    run, _ = await store.create(run_of(), None, lambda _: [])
    shared.tables["changes"].repeated.add(f"{run.run_id}/2")
    await append(store, run, "a")
    assert [event.data["text"] for event in await store.events(run.run_id, 0, 10)] == ["a"]


async def test_a_tail_that_takes_nothing_keeps_no_event_from_the_log(
    shared: SharedPlaces,
) -> None:
    """Nor is it told twice: who reads finds it in the record."""
    driver = driver_of(shared)
    run, _ = await driver.create(held_by("driver"), None, lambda _: [])
    shared.tail.is_full = True
    await append(driver, run, "a")
    shared.tail.is_full = False
    await append(driver, run, "b")
    web = SharedStore(shared.backend, service="web", slots=SLOTS, look_s=0.1)
    with web.watch(run.run_id):
        events = await web.events(run.run_id, 0, 10)
    assert [event.data["text"] for event in events] == ["a", "b"]
    await web.close()


async def test_a_row_that_fails_for_a_moment_has_no_change_made_twice(
    shared: SharedPlaces,
) -> None:
    driver = driver_of(shared)
    run, _ = await driver.create(held_by("driver"), None, lambda _: [])
    shared.tables["live"].failing = 1
    waiting = {"status": "waiting", "lease": None}
    await driver.transact(run.run_id, lambda found: Step(found.replace(**waiting), (text("once"),)))
    assert [event.data["text"] for event in await driver.events(run.run_id, 0, 10)] == ["once"]
    assert [found.run_id for found in await driver.find(RunQuery(status="waiting"))] == [run.run_id]


async def test_who_has_given_a_run_back_reads_it_by_one_call(shared: SharedPlaces) -> None:
    driver = driver_of(shared)
    run, _ = await driver.create(held_by("driver"), None, lambda _: [])
    await driver.transact(run.run_id, lambda found: Step(found.replace(lease=None)))
    tables = shared.tables["runs"], shared.tables["changes"]
    read = sum(table.read for table in tables)
    assert await driver.get(run.run_id)
    assert sum(table.read for table in tables) == read + 1


async def test_versions_after_one_that_is_known_are_found_by_few_reads(
    store: SharedStore, shared: SharedPlaces
) -> None:
    """Mostly there is none, or one."""
    run, _ = await store.create(run_of(), None, lambda _: [])
    chain, read = VersionChain(shared.backend), list[int]()
    known = await chain.newest(run.run_id)
    assert known
    for number in range(20):
        before = shared.tables["changes"].read
        assert (await chain.newest_after(known)).number == known.number + number
        read.append(shared.tables["changes"].read - before)
        await append(store, run, f"{number}")
    assert read[:2] == [1, 2]
    assert max(read) <= 10


async def test_a_repeat_enters_the_run_that_its_first_request_could_not(
    store: SharedStore, shared: SharedPlaces
) -> None:
    """The one that took the key died before its run was there; of two repeats one enters it."""
    key = IdempotencyKey("me", "k", "digest")
    lost, _ = await store.create(run_of("me"), key, lambda _: [])
    await until(lambda: lost.run_id in shared.tables["runs"].kept)
    for name in ("runs", "changes", "live"):
        shared.tables[name].kept.clear()
    other = SharedStore(shared.backend, service="two", slots=SLOTS)
    made = await asyncio.gather(
        *(each.create(run_of("me"), key, lambda _: []) for each in (store, other))
    )
    assert {run.run_id for run, _ in made} == {lost.run_id}
    assert sorted(new for _, new in made) == [False, True]


async def test_a_watcher_hears_of_others_and_others_cost_nothing(shared: SharedPlaces) -> None:
    """In a silence the record is looked at, and the tail is not read again."""
    driver = driver_of(shared)
    web = SharedStore(shared.backend, service="web", slots=SLOTS, look_s=0.1)
    run, _ = await web.create(held_by("driver"), None, lambda _: [])
    told: list[str | None] = []
    web.subscribe(told.append)
    with web.watch(run.run_id):
        await append(driver, run, "a")
        await until(lambda: run.run_id in told)
        assert [event.seq for event in await web.events(run.run_id, 0, 10)] == [1]
        shared.tail.items.clear()  # what is put now is not heard of
        await driver.transact(run.run_id, lambda found: Step(found.replace(node="plan")))
        told.clear()
        await until(lambda: run.run_id in told)
        found = await web.get(run.run_id)
        assert found
        assert found.node == "plan"
        for _ in range(3):
            told.clear()
            await until(lambda: run.run_id in told)
        assert shared.tail.read == 1
    await web.close()


async def test_only_who_drives_numbers_a_role_call(shared: SharedPlaces) -> None:
    driver, other = driver_of(shared), driver_of(shared, "other")
    run, _ = await driver.create(held_by("driver"), None, lambda _: [])
    assert [(await number_call(driver, run.run_id)).fence for _ in range(2)] == [1, 2]
    assert (
        await is_driven_elsewhere(driver, run.run_id),
        await is_driven_elsewhere(other, run.run_id),
    ) == (
        False,
        True,
    )
    with pytest.raises(LeaseLost):
        await number_call(other, run.run_id)
    await driver.delete(run.run_id)
    with pytest.raises(RunNotFound):
        await number_call(driver, run.run_id)
    assert not any(run.run_id in key for key in shared.tables["changes"].kept)


async def test_a_long_log_is_in_several_files_that_are_read_as_one(shared: SharedPlaces) -> None:
    driver, web = driver_of(shared), SharedStore(shared.backend, service="web", slots=SLOTS)
    run, _ = await web.create(held_by("driver"), None, lambda _: [])
    for number in range(12):
        await append(driver, run, f"{number} " + "x" * 60_000)
    files = sorted(path.name for path in (shared.root / "runs" / run.run_id / "events").iterdir())
    assert files == ["00000001-driver.jsonl", "00000006-driver.jsonl", "00000011-driver.jsonl"]
    told = [event.data["text"].split()[0] for event in await web.events(run.run_id, 0, 100)]
    assert told == [str(number) for number in range(12)]
    assert [event.seq for event in await web.events(run.run_id, 4, 3)] == [5, 6, 7]


async def test_a_new_driver_adds_no_key_that_the_log_has(shared: SharedPlaces) -> None:
    """Its claim has no key, but what it says of the role's work was said by the driver before."""
    first = driver_of(shared)
    run, _ = await first.create(held_by("driver"), None, lambda _: [])
    await first.transact(run.run_id, lambda found: Step(found, (text("a", "x"), text("b", "y"))))
    second = driver_of(shared, "next")
    await append(second, run, "claimed")
    again = (text("a", "x"), text("b", "y"), text("c", "z"), text("c", "z"))
    for _ in range(2):
        await second.transact(run.run_id, lambda found: Step(found, again))
    events = await second.events(run.run_id, 0, 10)
    assert [event.data["text"] for event in events] == ["a", "b", "claimed", "c"]


class LateTable(MemoryTable):
    """Answers at once that a value is put, and puts it when `arrive` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.on_the_way: list[tuple[str, Any]] = []
        self.is_late = False

    async def put(self, key: str, value: Any) -> None:
        if self.is_late:
            self.on_the_way.append((key, value))
        else:
            await super().put(key, value)

    async def arrive(self) -> None:
        for key, value in self.on_the_way:
            await super().put(key, value)


async def test_a_late_copy_brings_no_old_version_back(
    shared: SharedPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an hour: then nothing is on its way any more, and the entries go."""
    late = LateTable()
    backend = dataclasses.replace(shared.backend, runs=late)
    stores = [SharedStore(backend, service=name, slots=SLOTS) for name in ("one", "two")]
    run, _ = await stores[0].create(run_of(), None, lambda _: [])
    late.is_late = True
    await append(stores[0], run, "0")
    late.is_late = False
    began, minute = time.time(), 60.0
    for number in range(1, 60):
        monkeypatch.setattr(time, "time", lambda at=began + number * minute: at)
        await append(stores[number % 2], run, f"{number}")
    await late.arrive()
    assert (await late.get(run.run_id))["run"]["last_seq"] == 1
    read = late.read + shared.tables["changes"].read
    found = await stores[0].get(run.run_id)
    assert found
    assert found.last_seq == 60
    assert late.read + shared.tables["changes"].read - read < 20
    await append(stores[1], run, "60")
    events = await stores[0].events(run.run_id, 0, 100)
    assert [event.data["text"] for event in events] == [str(number) for number in range(61)]


async def test_entries_of_old_versions_become_marks_and_go_after_an_hour(
    store: SharedStore, shared: SharedPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = await store.create(run_of(), None, lambda _: [])
    began = time.time()
    for number in range(200):
        monkeypatch.setattr(time, "time", lambda at=began + number * 30.0: at)
        await append(store, run, "x" * 1000)
    kept = shared.tables["changes"].kept
    numbers = sorted(int(key.rpartition("/")[2]) for key in kept)
    assert numbers == list(range(numbers[0], 202))
    assert 119 < len(numbers) < 126
    assert sum(len(value) > 100 for value in kept.values()) < 8
    await store.delete(run.run_id)
    assert not kept


async def test_many_starts_in_several_processes_hold_one_limit(shared: SharedPlaces) -> None:
    limit = 7
    stores = [SharedStore(shared.backend, service=str(n), slots=SLOTS) for n in range(3)]

    def admit(queue: QueueState) -> list[Entry]:
        if queue.waiting >= limit - SLOTS and not queue.free_slots:
            raise TooManyRuns("full")
        return []

    async def start(store: SharedStore) -> Run:
        return (await store.create(run_of(), None, admit))[0]

    told = await asyncio.gather(
        *(start(store) for store in stores for _ in range(6)), return_exceptions=True
    )
    runs = [each for each in told if isinstance(each, Run)]
    assert len(runs) == limit
    assert all(isinstance(each, TooManyRuns) for each in told if not isinstance(each, Run))
    ended = {"status": "failed", "lease": None}
    await stores[0].transact(
        runs[0].run_id, lambda found: Step(found.replace(**ended), (text("the end"),))
    )
    assert await start(stores[1])
    with pytest.raises(TooManyRuns):
        await start(stores[2])
