"""The store on a real SQLite file."""

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.errors import (
    VersionChanged,
)
from graph.spending import Spend
from runs.model.run import Lease
from runs.model.run_record import encode
from runs.model.run_view import SHOWN
from runs.sql.outcome_rows import select_outcomes
from runs.sql.queries import COUNT_RUNS, Query, select_events, select_runs
from runs.sqlite.schema import MIGRATIONS
from runs.sqlite.store import SqliteStore
from runs.store.outcome import Outcome
from runs.store.protocol import RunQuery
from tests.standins.sample_runs import add, append, run_of, text
from tests.support.command.warm_command import ROOT
from tests.support.polling import until


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "data" / "runs.db")
    await opened.open()
    yield opened
    await opened.close()


async def test_two_processes_share_a_file(store: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "data" / "runs.db")
    await other.open()
    run = await add(store)
    told: list[str | None] = []
    other.subscribe(told.append)
    await append(store, run, text("a"))
    await until(lambda: bool(told), within_s=2)
    assert told == [None]
    is_held = Lease(service=other.service, token="t", until=1e12)
    await add(store, run_of(status="running", lease=is_held))
    assert await store.dead_services() == frozenset()
    await other.close()
    assert await store.dead_services() == {other.service}


async def test_files_are_for_their_owner_alone(store: SqliteStore, tmp_path: Path) -> None:
    await append(store, await add(store), text("a"))
    folder = tmp_path / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"runs.db", "runs.db-wal", "runs.db-shm"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_a_file_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.touch(mode=0o644)
    store = SqliteStore(path)
    await store.open()
    await store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_an_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    older = SqliteStore(path)
    await older.open()
    run = await add(older)
    await older.close()
    newer = SqliteStore(
        path, migrations=(*MIGRATIONS, "CREATE TABLE more (a TEXT); CREATE TABLE again (a TEXT)")
    )
    await newer.open()
    assert await newer.get(run.run_id) == run
    await newer.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT count(*) FROM again").fetchone() == (0,)
    connection.close()


async def test_runs_of_an_older_file_are_found_by_what_newer_ones_are(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run = run_of("me", pr_url="https://host/a/b/pull/1", spend=Spend(cost_usd=1.5), created_at=7.0)
    run = run.replace(request={**run.request, "max_cost_usd": 2.0}, published_at=9.0, pr_number=1)
    run = run.replace(pr_draft=True, reason="not_validated")
    older = sqlite3.connect(path)
    for script in MIGRATIONS[:3]:
        older.executescript(script)
    older.execute("PRAGMA user_version = 3")
    older.execute(
        "INSERT INTO runs VALUES (?, 'me', 'failed', 'a/b', 1, 1, NULL, NULL, 0, ?, ?)",
        (run.run_id, run.model_dump_json(exclude={"request"}), run.run_id),
    )
    older.execute("INSERT INTO requests VALUES (?, ?)", (run.run_id, encode(run.request)))
    older.commit()
    older.close()
    store = SqliteStore(path)
    await store.open()
    assert await store.find(RunQuery(pr_url="https://host/a/b/pull/1")) == [run]
    assert await store.outcomes(None, 0.0) == [Outcome.of(run)]
    await store.close()
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT created_at, not_before, cost_usd, max_cost_usd FROM runs")
        assert rows.fetchall() == [(7.0, 0.0, 1.5, 2.0)]
    connection.close()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select_events("r", 0, 99, SHOWN), "events_by_type"),
        (select_runs(RunQuery()), "runs_by_order"),
        (select_runs(RunQuery(owner="me")), "runs_by_owner"),
        (select_runs(RunQuery(owner="me", before="b")), "runs_by_owner"),
        (select_runs(RunQuery(repo="a/b")), "runs_by_repo"),
        (select_runs(RunQuery(status="failed")), "runs_by_status"),
        (select_runs(RunQuery(pr_url="u")), "runs_by_pull_request"),
        (select_runs(RunQuery(changed_since=1.0)), "runs_by_change"),
        ((COUNT_RUNS, {}), "runs_by_status"),
        (select_outcomes(None, 1.0), "COVERING INDEX runs_by_outcome"),
        (select_outcomes("me", 1.0), "runs_by_owner"),
    ],
)
async def test_what_is_asked_often_is_found_by_an_index(
    store: SqliteStore, tmp_path: Path, query: Query, index: str
) -> None:
    sql, values = query
    with sqlite3.connect(tmp_path / "data" / "runs.db") as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        plan = " ".join(row[3] for row in rows)
    connection.close()
    assert index in plan
    assert "SCAN events" not in plan


async def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    newer = SqliteStore(path, migrations=(*MIGRATIONS, "CREATE TABLE more (a TEXT)"))
    await newer.open()
    await newer.close()
    with pytest.raises(VersionChanged, match="newer version"):
        await SqliteStore(path).open()


async def test_two_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "runs.db") for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await add(store)
    assert len(await stores[0].find(RunQuery())) == 4
    await asyncio.gather(*(store.close() for store in stores))
    assert os.listdir(tmp_path / "services") == []  # noqa: PTH208 - a list to compare


_OTHER = """
import asyncio, sys
from pathlib import Path
from runs.sqlite.store import SqliteStore
from runs.store.protocol import RunQuery

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    print(len(await store.find(RunQuery())))
    await store.close()

asyncio.run(main())
"""


async def test_what_is_written_after_another_process_left_is_there(tmp_path: Path) -> None:
    """Who closes a file last removes its log: it must know that others have the file open."""

    async def others_see() -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _OTHER, str(tmp_path / "runs.db")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return int(out)

    store = SqliteStore(tmp_path / "runs.db")
    await store.open()
    await add(store)
    assert await others_see() == 1
    await add(store)
    assert await others_see() == 2
    await store.close()
