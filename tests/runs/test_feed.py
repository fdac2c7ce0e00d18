"""The feed of runs: what its readers are given, how often, and whose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from runs.feed import RunFeed
from runs.model.run import Run
from runs.model.run_record import Caller, RunRecord
from runs.sqlite.store import SqliteStore
from tests.standins.sample_runs import add, append, run_of, text

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
    made = RunFeed(store, pause_s=PAUSE_S)
    yield made
    await made.close()


async def first(feed: RunFeed, caller: Caller, count: int, since: float | None = None) -> list[str]:
    """The owners of the first records that a reader is given."""
    async with asyncio.timeout(30), aclosing(feed.follow(caller, since)) as records:
        found: list[RunRecord] = []
        async for record in records:
            found.append(record)
            if len(found) == count:
                break
    return [record.owner for record in found]


async def mine(store: SqliteStore) -> Run:
    return await add(store, run_of("me"))


async def test_a_change_is_told(store: SqliteStore, feed: RunFeed) -> None:
    run = await mine(store)
    async with asyncio.timeout(30), aclosing(feed.follow(ME)) as records:
        assert (await anext(records)).last_seq == 0
        await append(store, run, text("a"))
        record = await anext(records)
    assert (record.run_id, record.last_seq) == (run.run_id, 1)


async def test_of_many_changes_the_newest_is_told(store: SqliteStore, feed: RunFeed) -> None:
    run = await mine(store)
    async with asyncio.timeout(30), aclosing(feed.follow(ME)) as records:
        await anext(records)
        for number in range(50):
            await append(store, run, text(str(number)))
        told: list[int] = []
        while not told or told[-1] < 50:
            told.append((await anext(records)).last_seq)
    assert len(told) < 50


async def test_a_run_is_told_once_a_pause(store: SqliteStore, feed: RunFeed) -> None:
    run, loop = await mine(store), asyncio.get_running_loop()
    async with asyncio.timeout(30), aclosing(feed.follow(ME)) as records:
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
    async with asyncio.timeout(30), aclosing(feed.follow(ME, since=1000.0)) as records:
        while seen != ids:
            seen.add((await anext(records)).run_id)


async def test_another_process_changes_a_run(
    store: SqliteStore, feed: RunFeed, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "runs.db")
    await other.open()
    run = await add(store, run_of("me", updated_at=1000.0))
    async with asyncio.timeout(30), aclosing(feed.follow(ME)) as records:
        upcoming = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0)
        await append(other, await add(other, run_of("me")), text("a"))
        assert (await upcoming).run_id != run.run_id
    await other.close()


async def test_a_closed_feed_ends_its_readers(store: SqliteStore, feed: RunFeed) -> None:
    reading = asyncio.create_task(first(feed, ME, 1))
    await asyncio.sleep(0)
    await feed.close()
    assert await reading == []
    assert await first(feed, ME, 1) == []
