"""The feed of runs: what its readers are given, how often, and whose; removals too."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from runs.feed import FeedItem, RemovedRow, RunFeed
from runs.model.run import Run
from runs.model.run_record import Caller, RunRecord
from runs.sqlite.store import SqliteStore
from tests.standins.sample_runs import add, append, run_of, text
from tests.support.polling import until

ME, YOU = Caller("me"), Caller("you")
TEAM = Caller("you", reads_repo=lambda repo_url: repo_url == "octocat/hello")
CHIEF = Caller("chief", operator=True)
PAUSE_S = 0.2


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "runs.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def feed(store: SqliteStore) -> AsyncIterator[RunFeed]:
    made = RunFeed(store, pause_s=PAUSE_S, look_s=PAUSE_S)
    yield made
    await made.close()


async def first(feed: RunFeed, caller: Caller, count: int, since: float | None = None) -> list[str]:
    """The owners of the first records that a reader is given."""
    async with asyncio.timeout(60), aclosing(feed.follow(caller, since)) as records:
        found: list[RunRecord] = []
        async for record in records:
            assert isinstance(record, RunRecord)
            found.append(record)
            if len(found) == count:
                break
    return [record.owner for record in found]


def seq_of(item: FeedItem) -> int:
    assert isinstance(item, RunRecord)
    return item.last_seq


async def mine(store: SqliteStore) -> Run:
    return await add(store, run_of("me"))


async def test_a_change_is_told(store: SqliteStore, feed: RunFeed) -> None:
    run = await mine(store)
    async with asyncio.timeout(60), aclosing(feed.follow(ME)) as records:
        assert seq_of(await anext(records)) == 0
        await append(store, run, text("a"))
        record = await anext(records)
    assert (record.run_id, seq_of(record)) == (run.run_id, 1)


async def test_of_many_changes_the_newest_is_told(store: SqliteStore, feed: RunFeed) -> None:
    run = await mine(store)
    async with asyncio.timeout(60), aclosing(feed.follow(ME)) as records:
        await anext(records)
        for number in range(50):
            await append(store, run, text(str(number)))
        told: list[int] = []
        while not told or told[-1] < 50:
            told.append(seq_of(await anext(records)))
    assert len(told) < 50


async def test_a_run_is_told_once_a_pause(store: SqliteStore, feed: RunFeed) -> None:
    run, loop = await mine(store), asyncio.get_running_loop()
    async with asyncio.timeout(60), aclosing(feed.follow(ME)) as records:
        await anext(records)
        begun = loop.time()
        for number in range(3):
            await append(store, run, text(str(number)))
            await anext(records)
    assert loop.time() - begun >= 2 * PAUSE_S


async def test_each_reader_is_told_of_runs_it_may_read(store: SqliteStore, feed: RunFeed) -> None:
    await add(store, run_of("me", request={"repo_url": "octocat/secret", "prompt": "p"}))
    await add(store, run_of("me"))
    await add(store, run_of("you", request={"repo_url": "octocat/secret", "prompt": "p"}))
    assert await first(feed, YOU, 1) == ["you"]
    assert await first(feed, TEAM, 2) == ["me", "you"]
    assert await first(feed, CHIEF, 3) == ["me", "me", "you"]


async def test_who_comes_back_is_told_what_changed_meanwhile(
    store: SqliteStore, feed: RunFeed
) -> None:
    run = await add(store, run_of("me", created_at=1.0, updated_at=1000.0))
    old = await add(store, run_of("you", updated_at=2000.0))
    assert await first(feed, CHIEF, 2, since=1000.0) == ["me", "you"]
    assert await first(feed, CHIEF, 1, since=2000.0) == ["you"]
    assert (run.owner, old.owner) == ("me", "you")


async def test_more_than_a_page_of_runs_that_changed_at_one_moment(
    store: SqliteStore, feed: RunFeed
) -> None:
    ids = {(await add(store, run_of("me", updated_at=1000.0))).run_id for _ in range(250)}
    seen = set[str]()
    async with asyncio.timeout(60), aclosing(feed.follow(ME, since=1000.0)) as records:
        while seen != ids:
            seen.add((await anext(records)).run_id)


async def test_another_process_changes_a_run(
    store: SqliteStore, feed: RunFeed, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "runs.db")
    await other.open()
    run = await add(store, run_of("me", updated_at=1000.0))
    async with asyncio.timeout(60), aclosing(feed.follow(ME)) as records:
        upcoming = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0)
        await append(other, await add(other, run_of("me")), text("a"))
        assert (await upcoming).run_id != run.run_id
    await other.close()


async def removals(
    feed: RunFeed, caller: Caller, count: int, since: float | None = None
) -> list[str]:
    """The ids of the first runs that are told as removed."""
    found: list[str] = []
    async with asyncio.timeout(60), aclosing(feed.follow(caller, since)) as items:
        while len(found) < count:
            item = await anext(items)
            found += [item.run_id] if isinstance(item, RemovedRow) else []
    return found


async def test_a_removal_is_told_to_those_who_could_read_the_run(
    store: SqliteStore, feed: RunFeed
) -> None:
    yours, mine, by_itself = [await add(store, run_of(owner)) for owner in ("you", "me", "me")]
    told = [asyncio.create_task(removals(feed, caller, 1)) for caller in (ME, CHIEF)]
    await until(lambda: len(feed._readers) == len(told))
    await store.delete(by_itself.run_id)
    await store.delete(yours.run_id, by="you")
    assert await told[1] == [yours.run_id]
    assert not told[0].done()
    await store.delete(mine.run_id, by="chief")
    assert await told[0] == [mine.run_id]


async def test_another_process_removes_a_run(
    store: SqliteStore, feed: RunFeed, tmp_path: Path
) -> None:
    run = await mine(store)
    other = SqliteStore(tmp_path / "runs.db")
    await other.open()
    async with asyncio.timeout(60), aclosing(feed.follow(ME)) as items:
        assert (await anext(items)).run_id == run.run_id
        await other.delete(run.run_id, by="me")
        item = await anext(items)
    await other.close()
    assert (type(item), item.run_id) == (RemovedRow, run.run_id)


async def test_who_comes_back_is_told_of_removals(store: SqliteStore, feed: RunFeed) -> None:
    begun = time.time()
    runs = [await mine(store) for _ in range(3)]
    for run in runs:
        await store.delete(run.run_id, by="me")
    assert await removals(feed, ME, 3, since=begun) == [run.run_id for run in runs]


async def test_a_closed_feed_ends_its_readers(store: SqliteStore, feed: RunFeed) -> None:
    reading = asyncio.create_task(first(feed, ME, 1))
    await asyncio.sleep(0)
    await feed.close()
    assert await reading == []
    assert await first(feed, ME, 1) == []
