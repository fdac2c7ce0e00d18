"""Two real servers, of which one takes over: what was told as kept is kept, once."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from graph.errors import StoreUnavailable
from runs.model.attempts import Step
from runs.model.run import Run
from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.store import PostgresStore
from tests.standins.postgres_server import PostgresServer, following, serving
from tests.standins.sample_runs import add, append, text
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
NEW_XID = "SELECT pg_current_xact_id()"


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    with serving() as server:
        server.execute("CREATE DATABASE records")
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    with following(primary) as server:
        yield server


@asynccontextmanager
async def opened(*folders: Path) -> AsyncIterator[PostgresStore]:
    hosts = ",".join(map(str, folders))
    url = f"postgresql://agent@/records?host={hosts}&target_session_attrs=read-write"
    store = PostgresStore(ConnectionOptions(url, answer_s=60.0), listens=False)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def texts(store: PostgresStore, run: Run) -> list[str]:
    return [event.data["text"] for event in await store.events(run.run_id, 0, 10)]


async def test_a_server_takes_over_within_a_change(
    primary: PostgresServer, standby: PostgresServer
) -> None:
    async with opened(primary.folder, standby.folder) as store:
        run = await add(store)
        await append(store, run, text("kept"))

        def lose(found: Run) -> Step:
            primary.stop(signal.SIGQUIT)
            return Step(found, (text("lost"),))

        with pytest.raises(StoreUnavailable):
            await store.transact(run.run_id, lose)
        with pytest.raises(StoreUnavailable):
            await append(store, run, text("read only"))
        await asyncio.to_thread(standby.promote)
        await append(store, run, text("later"))
        assert await texts(store, run) == ["kept", "later"]


async def test_a_change_that_the_other_server_never_had_is_not_told_as_kept(
    primary: PostgresServer, standby: PostgresServer, tmp_path: Path
) -> None:
    """Although its number is that of another transaction there, which was carried out."""
    place = tmp_path / "standby"
    async with opened(primary.folder, place) as store:
        run = await add(store)
        await append(store, run, text("kept"))
        standby.stop()
        lost = asyncio.create_task(append(store, run, text("lost")))
        await until(lambda: bool(primary.execute(WAITS)))
        primary.stop(signal.SIGQUIT)
        await asyncio.to_thread(standby.start)
        await asyncio.to_thread(standby.promote)
        for _ in range(20):
            standby.execute(NEW_XID)
        place.symlink_to(standby.folder)
        with pytest.raises(StoreUnavailable):
            await lost
        await append(store, run, text("later"))
        assert await texts(store, run) == ["kept", "later"]
