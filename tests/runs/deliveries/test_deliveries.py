"""What both kinds of deliveries promise: kept once, worked off by one, forgotten in the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runs.deliveries import Deliveries, SqlDeliveries, TableDeliveries
from runs.deliveries.protocol import (
    KEPT_S,
    LEASE_S,
    LONGEST_PAUSE_S,
    MOST_ATTEMPTS,
    THREADS_KEPT_S,
)
from runs.deliveries.sql_deliveries import THREADS_OF, range_of
from runs.sql import Dialect, SqlStore
from runs.sql.dialect import Clock
from runs.sqlite import SqliteStore
from tests.standins.shared_backend import SharedPlaces


@asynccontextmanager
async def over(store: SqlStore) -> AsyncIterator[Deliveries]:
    await store.open()
    yield SqlDeliveries(store.writer, store.dialect)
    await store.close()


@pytest.fixture(
    params=["sqlite", "dicts", pytest.param("postgres", marks=pytest.mark.slow)],
)
async def deliveries(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deliveries]:
    if request.param == "dicts":
        yield TableDeliveries(SharedPlaces(tmp_path).backend.deliveries)
        return
    if request.param == "sqlite":
        store: SqlStore = SqliteStore(tmp_path / "runs.db")
    else:
        server = request.getfixturevalue("postgres")
        from runs.postgres import ConnectionOptions, PostgresStore

        store = PostgresStore(ConnectionOptions(server.new_database()))
    async with over(store) as made:
        yield made


async def test_a_delivery_is_kept_once(deliveries: Deliveries) -> None:
    assert await deliveries.add("d1", {"a": 1}, 10)
    for _ in range(10):
        assert not await deliveries.add("d1", {"a": 2}, 11)
    claimed = await deliveries.claim(12)
    assert claimed
    assert (claimed.name, claimed.body, claimed.attempt) == ("d1", {"a": 1}, 1)
    await deliveries.finish("d1", 13)
    assert not await deliveries.add("d1", {"a": 3}, 14)
    assert await deliveries.claim(1000) is None


async def test_one_is_at_work_on_it(deliveries: Deliveries) -> None:
    await deliveries.add("d1", {}, 1)
    assert await deliveries.claim(3)
    assert await deliveries.claim(3) is None


async def test_the_oldest_comes_first(deliveries: Deliveries) -> None:
    await deliveries.add("later", {}, 2)
    await deliveries.add("first", {}, 1)
    names = [claimed.name for _ in range(2) if (claimed := await deliveries.claim(3))]
    assert names == ["first", "later"]


async def test_what_a_dead_one_claimed_is_worked_off_by_another(deliveries: Deliveries) -> None:
    await deliveries.add("d1", {}, 1)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        claimed = await deliveries.claim(attempt * LEASE_S * 2)
        assert claimed
        assert claimed.attempt == attempt
        assert await deliveries.claim(attempt * LEASE_S * 2 + LEASE_S / 2) is None
    assert await deliveries.claim(1e9) is None


async def test_a_postponed_one_waits(deliveries: Deliveries) -> None:
    await deliveries.add("d1", {}, 1)
    await deliveries.claim(2)
    await deliveries.postpone("d1", 20)
    assert await deliveries.claim(19) is None
    assert await deliveries.claim(21)


async def test_the_longest_pause_holds_where_clocks_differ(deliveries: Deliveries) -> None:
    """Another machine's clock is a little behind that of who postponed it."""
    await deliveries.add("d1", {}, 1e6)
    assert await deliveries.claim(1e6)
    await deliveries.postpone("d1", 1e6 + LONGEST_PAUSE_S)
    assert await deliveries.claim(1e6 - 2) is None
    assert not await deliveries.has_work(1e6 - 2)
    assert await deliveries.claim(1e6 + LONGEST_PAUSE_S + 1)


async def test_a_clock_that_was_set_back_postpones_nothing(deliveries: Deliveries) -> None:
    await deliveries.add("d1", {}, 1e6)
    assert await deliveries.claim(1e6 + 1)
    await deliveries.postpone("d1", 1e6 + 60)
    assert await deliveries.claim(1e6 + 59) is None
    day_before = 1e6 - 86_400
    assert await deliveries.has_work(day_before)
    assert await deliveries.claim(day_before)
    assert await deliveries.claim(day_before + 1) is None


async def test_work_is_what_waits_and_what_is_to_be_looked_after(deliveries: Deliveries) -> None:
    assert not await deliveries.has_work(1)
    await deliveries.add("d1", {}, 1)
    assert await deliveries.has_work(2)
    await deliveries.claim(2)
    assert not await deliveries.has_work(3)
    await deliveries.finish("d1", 3)
    assert not await deliveries.has_work(LEASE_S * 2)
    await deliveries.keep_thread("o/r#1", {}, 3, live=True)
    assert await deliveries.has_work(4)


async def test_a_claim_holds_where_the_clocks_of_machines_differ(tmp_path: Path) -> None:
    """One machine's clock is an hour behind the database's, as it noted itself."""
    store, late = SqliteStore(tmp_path / "runs.db"), Clock()
    late.ahead_s = 3600.0
    async with over(store) as made:
        other = SqlDeliveries(store.writer, Dialect(late))
        await made.add("d1", {}, 5000)
        assert await other.claim(1401)
        assert await made.claim(5002) is None
        await made.postpone("d1", 5010)
        assert await other.claim(1409) is None
        assert await other.claim(1411)


async def test_finished_ones_are_forgotten(deliveries: Deliveries) -> None:
    for name, at in (("old", 1.0), ("new", 50.0)):
        await deliveries.add(name, {}, at)
        await deliveries.finish(name, at)
    await deliveries.forget(KEPT_S + 10)
    assert await deliveries.add("old", {}, 60)
    assert not await deliveries.add("new", {}, 60)


async def test_threads_where_nothing_happens_are_forgotten(deliveries: Deliveries) -> None:
    await deliveries.keep_thread("o/r#1", {}, 1, live=False)
    await deliveries.keep_thread("o/r#2", {}, 50, live=False)
    await deliveries.keep_thread("o/r#3", {}, 1, live=True)
    await deliveries.forget(THREADS_KEPT_S + 10)
    assert await deliveries.thread("o/r#1") is None
    assert await deliveries.thread("o/r#2") == {}
    assert await deliveries.live_threads() == ["o/r#3"]
    assert len(await deliveries.threads_of("o/r#")) >= 1
    assert await deliveries.threads_of("o/r#33") == []
    assert await deliveries.threads_of("o/_#") == []


async def test_what_was_said_is_forgotten_once_it_is_worked_off(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    async with over(store) as made:
        await made.add("d1", {"text": "what was said"}, 1)
        await made.finish("d1", 2)
        rows = await store.writer.read(
            lambda connection: list(connection.execute("SELECT body FROM deliveries"))
        )
    assert [row[0] for row in rows] == [""]


async def test_threads_are_kept(deliveries: Deliveries) -> None:
    assert await deliveries.thread("o/r#1") is None
    await deliveries.keep_thread("o/r#1", {"comment": 1}, 1, live=True)
    await deliveries.keep_thread("o/r#2", {"comment": 2}, 1, live=True)
    for before in (None, {"comment": 2}):
        kept = await deliveries.keep_thread("o/r#1", {"comment": 9}, 2, live=False, before=before)
        assert not kept, "it is not as it was before"
    known = {"comment": 1}
    assert await deliveries.keep_thread("o/r#1", {"comment": 3}, 2, live=False, before=known)
    assert await deliveries.thread("o/r#1") == {"comment": 3}
    assert await deliveries.live_threads() == ["o/r#2"]


async def test_the_threads_of_a_repository_are_none_of_its_neighbours(
    deliveries: Deliveries,
) -> None:
    for name in ("o/r#10", "o/r#2", "o/r$1", "o/r-x#1", "o/r.x#1", "o/r!#1", "o/rx#1", "o/_#1"):
        await deliveries.keep_thread(name, {"name": name}, 1, live=False)
    assert await deliveries.threads_of("o/r#") == [{"name": "o/r#10"}, {"name": "o/r#2"}]
    assert await deliveries.threads_of("o/_#") == [{"name": "o/_#1"}]


async def test_the_threads_of_a_repository_are_found_by_the_primary_key(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    async with over(store):
        rows = await store.writer.read(
            lambda to: list(to.execute(f"EXPLAIN QUERY PLAN {THREADS_OF}", range_of("o/r#")))
        )
    (step,) = [row[3] for row in rows]
    assert step.startswith("SEARCH threads USING INDEX")
