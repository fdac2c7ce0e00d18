"""Readers of a log: whatever they and the writer do when, each sees every event once, in order."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runs.model import transitions
from runs.model.attempts import Ending, Step
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Lease, Run
from runs.model.run_id import new_run_id
from runs.model.run_record import LoggedEvent
from runs.shared.store import SharedStore
from runs.sqlite.store import SqliteStore
from runs.store.event_log import EventLog
from runs.store.protocol import Store
from tests.standins.services.run_service import REQUEST
from tests.standins.shared_backend import FolderMount, SharedPlaces
from tests.support.polling import until

LEASE = Lease(service="s", token="t", until=1e12)
KEYS = st.sampled_from(["", "", "k1", "k2", "k3", "k4"])


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(folder / "runs.db")
    await store.open()
    yield store
    await store.close()


async def new_run(store: Store) -> Run:
    run = Run(run_id=new_run_id(), owner="local", request=REQUEST, status="running", lease=LEASE)
    return (await store.create(run, None, lambda _: []))[0]


def text(words: str, key: str = "") -> Entry:
    return entry_of(key, {"type": "role.text", "role": "coder", "text": words})


async def append(store: Store, run: Run, *entries: Entry) -> None:
    await store.transact(run.run_id, lambda found: Step(found, entries))


async def finish(store: Store, run: Run) -> None:
    await store.transact(
        run.run_id,
        lambda found: transitions.finish(
            found, token="t", now=time.time(), ending=Ending(status="failed")
        ),
    )


async def read(log: EventLog, run: Run, after: int = 0) -> list[LoggedEvent]:
    async with asyncio.timeout(60):
        return [event async for event in log.tail(run.run_id, after)]


@settings(max_examples=25)
@given(
    batches=st.lists(st.lists(KEYS, max_size=4), max_size=8),
    readers=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), max_size=4),
)
def test_any_interleaving_of_readers_and_batches(
    batches: list[list[str]], readers: list[tuple[int, int]]
) -> None:
    """A reader joins before the n-th batch, with what it has seen already."""

    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with opened(Path(folder)) as store:
                log, run = EventLog(store), await new_run(store)
                tails: list[tuple[int, asyncio.Task[list[LoggedEvent]]]] = []
                for turn in range(9):
                    for joins, after in readers:
                        if joins == turn:
                            tails.append((after, asyncio.create_task(read(log, run, after))))
                    if turn < len(batches):
                        keys = batches[turn]
                        await append(store, run, *[text(f"{turn}", key) for key in keys])
                    await asyncio.sleep(0)
                await finish(store, run)
                logged = await read(log, run)
                expected = [key for batch in batches for key in batch]
                unkeyed, keyed = expected.count(""), len({key for key in expected if key})
                assert [event.seq for event in logged] == list(range(1, len(logged) + 1))
                assert len(logged) == unkeyed + keyed + 1
                assert logged[-1].type == "run.finished"
                for after, tail in tails:
                    assert await tail == logged[after:]

    asyncio.run(play())


async def test_a_reader_far_behind_gets_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log, run = EventLog(store), await new_run(store)
        await append(store, run, *[text(str(number)) for number in range(500)])
        await finish(store, run)
        assert [event.seq for event in await read(log, run)] == list(range(1, 502))
        assert [event.seq for event in await read(log, run, 499)] == [500, 501]
        assert await read(log, run, 501) == []
        assert await read(log, run, 9999) == []


async def test_a_reader_goes_on_over_an_attempts_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log, run = EventLog(store), await new_run(store)
        await finish(store, run)
        resumed = entry_of("", {"type": "run.resumed", "attempt": 2, "reason": "resumed"})
        await store.transact(
            run.run_id, lambda found: Step(found.replace(status="running"), (resumed,))
        )
        tail = asyncio.create_task(read(log, run))
        await asyncio.sleep(0.05)
        assert not tail.done()
        await finish(store, run)
        assert [event.type for event in await tail] == [
            "run.finished",
            "run.resumed",
            "run.finished",
        ]


async def test_readers_in_another_process_see_events_soon(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, opened(tmp_path) as other:
        run = await new_run(store)
        tails = [asyncio.create_task(read(EventLog(other), run)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await append(store, run, text("a"))
        await finish(store, run)
        async with asyncio.timeout(60):
            assert [len(await tail) for tail in tails] == [2, 2, 2]


async def test_a_reader_ends_with_a_removed_run_and_with_the_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log = EventLog(store)
        first, second = await new_run(store), await new_run(store)
        tails = [asyncio.create_task(read(log, run)) for run in (first, second)]
        await asyncio.sleep(0.05)
        await store.delete(first.run_id)
        assert await tails[0] == []
        assert not tails[1].done()
        log.close()
        assert await tails[1] == []
        assert await read(log, second) == []


async def test_a_slow_reader_keeps_no_writer_waiting(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log, run = EventLog(store), await new_run(store)
        await append(store, run, *[text("x") for _ in range(300)])
        slow = log.tail(run.run_id)
        assert (await anext(slow)).seq == 1
        await asyncio.wait_for(append(store, run, text("y")), 1)
        assert [event.seq async for event in _first(slow, 300)] == list(range(2, 302))
        await slow.aclose()


async def test_nothing_stays_of_readers_that_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log, run = EventLog(store), await new_run(store)
        tails = [asyncio.create_task(read(log, run)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert len(log._changes) == 1
        for tail in tails:
            tail.cancel()
        await asyncio.gather(*tails, return_exceptions=True)
        await append(store, run, text("a"))
        await asyncio.sleep(0)
        assert len(log._changes) == 0


async def _first(events: AsyncIterator[LoggedEvent], count: int) -> AsyncIterator[LoggedEvent]:
    for _ in range(count):
        yield await anext(events)


async def test_waiting_for_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        log, run = EventLog(store), await new_run(store)
        assert await log.wait(new_run_id(), 5) is None
        early = await log.wait(run.run_id, 0.05)
        assert early
        assert not early.final
        wait = asyncio.create_task(log.wait(run.run_id, 5))
        await append(store, run, text("a"))
        await asyncio.sleep(0.05)
        assert not wait.done()
        await finish(store, run)
        ended = await wait
        assert ended
        assert ended.final


async def test_who_follows_a_run_of_another_process_reads_no_record_for_its_events(
    tmp_path: Path,
) -> None:
    places = SharedPlaces(tmp_path)
    driver, web = (
        SharedStore(places.backend, service=name, slots=1, mount=mount)
        for name, mount in (("s", FolderMount(tmp_path)), ("web", None))
    )
    run, seen = await new_run(web), [0]

    async def follow() -> None:
        async for event in EventLog(web).tail(run.run_id):
            seen.append(event.seq)  # noqa: PERF401 - each is waited for

    following, reads = asyncio.create_task(follow()), list[int]()
    for number in range(1, 6):
        await append(driver, run, text(str(number)))
        await until(partial(seen.__contains__, number))
        reads.append(places.tables["runs"].read)
    assert reads[2:] == [reads[2]] * 3
    await finish(driver, run)
    await following
    assert seen == list(range(7))
    await web.close()


async def test_readers_that_keep_up_do_not_ask_the_store(tmp_path: Path) -> None:
    """Each new event reaches them from memory; the store is asked at their start and at the end."""

    class CountedStore(SqliteStore):
        asked = 0

        async def events(self, *given: Any, **more: Any) -> list[LoggedEvent]:
            self.asked += 1
            return await super().events(*given, **more)

    store = CountedStore(tmp_path / "runs.db")
    await store.open()
    log, run = EventLog(store), await new_run(store)
    tails = [asyncio.create_task(read(log, run)) for _ in range(10)]
    for number in range(30):
        await append(store, run, text(str(number)))
        await asyncio.sleep(0.005)
    await finish(store, run)
    for tail in tails:
        assert [event.seq for event in await tail] == list(range(1, 32))
    assert store.asked <= 10 * 6
    await store.close()
