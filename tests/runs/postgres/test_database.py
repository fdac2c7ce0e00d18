"""A database that is killed, full, locked, slow or cut off: clear errors, and no half work."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from graph.errors import (
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
    VersionChanged,
)
from runs.model.attempts import Step
from runs.model.log_entry import Entry, entry_of
from runs.model.run import Lease, Run
from runs.postgres.connection_options import ConnectionOptions
from runs.postgres.database import PostgresDatabase
from runs.postgres.schema import MIGRATIONS
from runs.postgres.store import PostgresStore
from runs.sql.outcome_rows import select_outcomes
from runs.store.outcome import Outcome
from runs.store.protocol import QueueState, RunQuery
from tests.standins.certificate import NAME, make_certificate
from tests.standins.cutting_proxy import cutting_proxy
from tests.standins.postgres_server import PostgresServer, serving, stopped
from tests.standins.sample_runs import add, append, run_of, text
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[PostgresStore]:
    database = {name: options.pop(name) for name in ("lock_s", "answer_s") if name in options}
    store = PostgresStore(ConnectionOptions(url, **database), **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def database_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def kill(server: PostgresServer, url: str) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database_of(url)}' AND pid <> pg_backend_pid()"
    )


async def test_a_session_that_was_killed_between_two_calls_is_not_noticed(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url) as store:
        run = await add(store)
        for _ in range(3):
            kill(postgres, url)
            assert await store.get(run.run_id) == run
            kill(postgres, url)
            run = await append(store, run, text("a"))
        assert len(await store.events(run.run_id, 0, 10)) == 3


async def test_a_session_that_is_killed_within_a_change_keeps_none_of_it(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url) as store:
        run = await add(store)

        def killed(found: Run) -> Step:
            kill(postgres, url)
            return Step(found, (text("lost"),))

        with pytest.raises(StoreUnavailable):
            await store.transact(run.run_id, killed)
        assert await store.events(run.run_id, 0, 10) == []
        await append(store, run, text("kept"))
        assert len(await store.events(run.run_id, 0, 10)) == 1


@pytest.mark.parametrize(("cut", "kept"), [("before", 0), ("after", 1)])
async def test_a_change_whose_end_is_not_heard_of_is_asked_after(
    postgres: PostgresServer, cut: str, kept: int
) -> None:
    """As where another server takes over in the middle of a transaction."""
    name = database_of(postgres.new_database())
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        url = f"postgresql://agent@/{name}?host={folder}"
        with cutting_proxy(postgres.folder, Path(folder)) as proxy:
            async with opened(url, listens=False) as store:
                run = await add(store)
                proxy.cut = cut
                if kept:
                    assert (await append(store, run, text("a"))).last_seq == 1
                else:
                    with pytest.raises(StoreUnavailable):
                        await append(store, run, text("a"))
                assert proxy.cut is None
                assert len(await store.events(run.run_id, 0, 10)) == kept


async def test_a_full_disk(postgres: PostgresServer) -> None:
    """What the server says where a table can grow no further."""
    url = postgres.new_database()
    async with opened(url) as store:
        run = await add(store)
        postgres.execute(
            "CREATE FUNCTION coding_agent.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';"
            " END $$; CREATE TRIGGER refuse BEFORE INSERT ON coding_agent.events"
            " EXECUTE FUNCTION coding_agent.refuse()",
            database_of(url),
        )
        with pytest.raises(StoreFull, match="No space left") as raised:
            await append(store, run, text("a"))
        assert "database's disk" in raised.value.hint
        postgres.execute("DROP TRIGGER refuse ON coding_agent.events", database_of(url))
        await append(store, run, text("a"))


async def test_a_database_that_only_reads_is_waited_for(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    only_reads = f"ALTER DATABASE {database_of(url)} SET default_transaction_read_only TO"
    async with opened(url) as store:
        run = await add(store)
        postgres.execute(f"{only_reads} on")
        kill(postgres, url)
        with pytest.raises(StoreUnavailable, match="read-only") as raised:
            await append(store, run, text("a"))
        assert "takes writes" in raised.value.hint
        with pytest.raises(StoreUnavailable):
            await store.probe()
        assert await store.get(run.run_id) == run
        postgres.execute(f"{only_reads} off")
        kill(postgres, url)
        await append(store, run, text("a"))


async def test_a_table_that_another_session_locks(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with opened(url, lock_s=0.1) as store:
        run = await add(store)
        async with opened(url) as other:

            def hold(_: Run) -> None:
                with pytest.raises(StoreLocked, match="locked by another session"):
                    asyncio.run_coroutine_threadsafe(append(store, run, text("a")), loop).result()

            loop = asyncio.get_running_loop()
            await other.transact(run.run_id, hold)
        await append(store, run, text("a"))
        assert len(await store.events(run.run_id, 0, 10)) == 1


async def test_an_answer_that_does_not_come_is_not_waited_for(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with opened(url, answer_s=1.0, listens=False, connections=1) as store:
        run = await add(store)
        rows = postgres.execute(
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{database_of(url)}'"
        )
        with stopped(*(row[0] for row in rows)):
            await append(store, run, text("by another session"))
        with stopped(*postgres.processes), pytest.raises(StoreUnavailable):
            await append(store, run, text("lost"))
        await append(store, run, text("kept"))
        assert len(await store.events(run.run_id, 0, 10)) == 2


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer") as raised:
        async with opened(f"postgresql://me:hush-hush@/name?host={tmp_path}"):
            pass
    assert "CODING_AGENT_DATABASE_URL" in raised.value.hint
    assert "hush-hush" not in f"{raised.value}{raised.value.hint}"


async def test_a_store_that_opens_without_its_database_works_once_that_is_there() -> None:
    with serving() as server:
        url = server.new_database()
        server.stop()
        async with opened(url, opens_without=True) as store:
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await add(store)
            server.start()
            run = await add(store)
            async with opened(url) as other:
                with store.watch(run.run_id):
                    heard = asyncio.Event()
                    store.subscribe(lambda _: heard.set())
                    await append(other, run, text("a"))
                    await asyncio.wait_for(heard.wait(), 30)


async def test_a_store_that_opens_without_its_database_says_what_is_wrong_with_it(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url, migrations=(*MIGRATIONS, "CREATE TABLE more (a TEXT)")):
        pass
    async with opened(url, opens_without=True) as store:
        with pytest.raises(VersionChanged, match="newer version"):
            await store.get("none")


async def test_more_callers_than_connections_wait_their_turn(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with opened(url, connections=2) as store:
        runs = await asyncio.gather(*(add(store) for _ in range(30)))
        found = await asyncio.gather(*(store.get(run.run_id) for run in runs))
        assert list(found) == list(runs)
        rows = postgres.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database_of(url)}'"
        )
        assert rows == [(3,)]  # and the one that listens


async def test_changes_by_several_processes_are_one_after_the_other(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url) as one, opened(url) as other:
        run = await add(one)

        def spend(found: Run) -> Step:
            cost = found.request.get("max_cost_usd") or 0.0
            return Step(
                found.replace(request={**found.request, "max_cost_usd": cost + 1}), (text("a"),)
            )

        await asyncio.gather(
            *(store.transact(run.run_id, spend) for store in (one, other) for _ in range(10))
        )
        found = await one.get(run.run_id)
        assert found
        assert (found.request["max_cost_usd"], found.last_seq) == (20.0, 20)


async def test_another_process_hears_of_a_change_at_once_and_where_it_was_not_told(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url) as one, opened(url) as other:
        told: list[str | None] = []
        other.subscribe(told.append)
        await until(lambda: None in told)  # it listens from then on
        run = await add(one)
        await append(one, run, text("a"))
        await until(lambda: told.count(run.run_id) == 2)
        told.clear()
        with other.watch(run.run_id):
            await until(lambda: run.run_id in told)  # it was looked at, and is known as it is
            told.clear()
            postgres.execute(
                f"UPDATE coding_agent.runs SET doc = doc WHERE run_id = '{run.run_id}'",
                database_of(url),
            )
            await until(lambda: run.run_id in told)
        assert await other.attended() is False


async def test_text_that_postgresql_does_not_keep(postgres: PostgresServer) -> None:
    async with opened(postgres.new_database()) as store:
        run = await add(store, run_of("o\0wner", request={"repo_url": "a/b", "prompt": "\0"}))
        assert await store.get("\0\ud800") is None
        found = await store.find(RunQuery(owner="o\0wner"))
        assert [each.run_id for each in found] == [run.run_id]
        broken = Entry("", 0.0, {"type": "role.text"}, '{"type":"role.text","text":"\ud800"}')
        await append(store, run, broken)
        (event,) = await store.events(run.run_id, 0, 10)
        assert event.data["text"] == "\N{REPLACEMENT CHARACTER}"


async def test_several_processes_make_the_tables_at_once(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    stores = [PostgresStore(ConnectionOptions(url)) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await add(store)
    assert len(await stores[0].find(RunQuery())) == 4
    await asyncio.gather(*(store.close() for store in stores))


async def test_an_older_database_is_brought_up_to_date_and_a_newer_one_left_alone(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with opened(url) as store:
        run = await add(store)
    more = (*MIGRATIONS, "CREATE TABLE more (a TEXT); CREATE TABLE again (a TEXT)")
    async with opened(url, migrations=more) as store:
        assert await store.get(run.run_id) == run
    tables = postgres.execute("SELECT count(*) FROM coding_agent.again", database_of(url))
    assert tables == [(0,)]
    with pytest.raises(VersionChanged, match="newer version"):
        async with opened(url):
            pass


async def test_runs_of_an_older_database_have_outcomes_too(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    published: dict[str, Any] = {"published_at": 9.5, "pr_number": 2**40, "pr_draft": True}
    run = run_of(reason="not_validated", visits={"nul \0": 1}, **published)
    run = run.replace(request={**run.request, "prompt": 'nul \0, not "\\u0000"'})
    async with opened(url) as store:
        await add(store, run)
        await add(store)
    columns = ("repo_url", "published_at", "pr_number", "pr_draft", "reason")
    drops = ", ".join(f"DROP COLUMN {column}" for column in columns)
    tables = "totals, deliveries, threads"
    older = f"ALTER TABLE runs {drops}; DROP TABLE {tables}; UPDATE version SET number = 3"
    postgres.execute(f"SET search_path TO coding_agent; {older}", database_of(url))
    async with opened(url) as store:
        runs = await store.find(RunQuery())
        assert await store.outcomes(None, 0.0) == [Outcome.of(found) for found in runs]
        assert runs[1].pr_number == 2**40


@pytest.mark.parametrize("owner", [None, "ann"])
async def test_figures_are_read_without_the_records(
    postgres: PostgresServer, owner: str | None
) -> None:
    url = postgres.new_database()
    name = database_of(url)
    async with opened(url) as store:
        await add(store)
    postgres.execute("VACUUM ANALYZE coding_agent.runs", name)
    for way in ("seqscan", "bitmapscan"):  # cheaper where there is one run
        postgres.execute(f"ALTER DATABASE {name} SET enable_{way} TO off")
    postgres.execute(f"ALTER DATABASE {name} SET search_path TO coding_agent")
    sql, values = select_outcomes(owner, 1.0)
    for key, value in values.items():
        sql = sql.replace(f":{key}", repr(value))
    plan = "\n".join(row[0] for row in postgres.execute(f"EXPLAIN {sql}", name))
    assert "Index Only Scan" in plan
    assert "runs_by_outcome" in plan
    assert "Sort" not in plan


async def test_what_events_add_up_to_is_of_all_processes_and_stays_when_runs_go(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    retried = {"type": "retry", "what": "clone", "attempt": 1, "waitMs": 0, "code": "x"}
    async with opened(url, slots=2) as one, opened(url, slots=2, listens=False) as other:
        runs = [await add(one) for _ in range(4)]
        assert await one.queue_state() == QueueState(waiting=2, free_slots=0)
        assert await other.attended()
        twice = (entry_of("", retried), entry_of("", retried))
        changes = [append(store, run, *twice) for run in runs for store in (one, other)]
        await asyncio.gather(*changes)
        for run in runs:
            await other.delete(run.run_id)
        for store in (one, other):
            totals = await store.event_totals()
            assert totals
            assert list(totals.by_name("retries")) == [(("clone",), 16.0)]
        assert await one.queue_state() == QueueState(waiting=0, free_slots=2)
    async with opened(url) as store:
        assert await store.event_totals() is None


async def test_a_user_who_may_make_nothing_is_told_so(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    postgres.execute("CREATE ROLE reader LOGIN", database_of(url))
    with pytest.raises(StoreError, match="permission denied") as raised:
        async with opened(url.replace("agent@", "reader@")):
            pass
    assert "GRANT CREATE" in raised.value.hint


async def test_text_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(StoreError, match="LATIN1") as raised:
        async with opened(postgres.url("latin")):
            pass
    assert "UTF8" in raised.value.hint


async def test_a_lease_that_ended_is_due_by_the_databases_clock(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with opened(url) as store:
        now = float(postgres.execute("SELECT extract(epoch FROM now())")[0][0])
        for until_s in (now - 1, now + 60):
            lease = Lease(service="other", token="t", until=until_s)
            run = await add(store, run_of(status="running", lease=lease))
        store._dialect.clock.ahead_s = 30.0  # as if this machine's clock were behind
        assert len(await store.due(now - 30, frozenset(), 10)) == 1
        assert len(await store.due(now + 31, frozenset(), 10)) == 2
        found = await store.get(run.run_id)
        assert found
        assert found.lease
        assert found.lease.until == pytest.approx(now + 30)


async def test_a_server_is_talked_to_over_tls_and_its_certificate_checked(tmp_path: Path) -> None:
    with serving() as server:
        server.stop()
        certificate = server.start_over_tls()
        there = f"postgresql://agent@{NAME}:{server.port}/postgres?sslmode=verify-full&sslrootcert="
        another = tmp_path / "another.pem"
        another.write_text(make_certificate()[0])
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            async with opened(f"{there}{another}"):
                pass
        async with opened(f"{there}{certificate}") as store:
            await add(store)
            rows = server.execute(
                "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                " WHERE application_name = 'coding-agent'"
            )
            assert rows == [(True,)]
        server.stop()
        server.start(f"listen_addresses={NAME}")
        with pytest.raises(StoreUnavailable, match="SSL"):
            async with opened(there.replace("verify-full", "require").partition("&")[0]):
                pass


async def test_a_call_for_which_no_connection_gets_free_says_where_to_look(
    postgres: PostgresServer,
) -> None:
    options = ConnectionOptions(postgres.new_database(), answer_s=1.0)
    database, begun, free = PostgresDatabase(options, connections=1), asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        free.wait()

    await database.open()
    long = asyncio.create_task(database.use(hold))
    await begun.wait()
    with pytest.raises(StoreUnavailable, match="busy") as raised:
        await database.use(lambda _: None)
    assert "pg_stat_activity" in raised.value.hint
    free.set()
    await long
    await database.close()
