"""A store whose file is locked, full, damaged, out of reach: a clear error, nothing overwritten."""

import asyncio
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.errors import StoreDamaged, StoreError, StoreLocked
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.sql.connection import Connection
from runs.sqlite.database import SqliteDatabase
from runs.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[3]
_FILL = """
import asyncio, resource, sys
from pathlib import Path
from graph.errors import StoreFull
from runs.model.log_entry import entry_of
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.sqlite.store import SqliteStore
from runs.model.attempts import Step

async def main(path):
    store = SqliteStore(path)
    await store.open()
    request = {"repo_url": "a/b", "prompt": "p"}
    run, _ = await store.create(
        Run(run_id=new_run_id(), owner="o", request=request), None, lambda _: []
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    kept = 0
    try:
        while True:
            entry = entry_of("", {"type": "role.text", "text": "x" * 60_000})
            run = await store.transact(run.run_id, lambda found: Step(found, (entry,)))
            kept = run.last_seq
    except StoreFull as error:
        assert error.hint
        assert str(path.parent) not in error.message
        assert kept == (await store.get(run.run_id)).last_seq
        assert len(await store.events(run.run_id, 0, 1000)) == kept > 3
    try:
        for _ in range(100):  # single pages may fit where a whole event did not
            await store.probe()
    except StoreFull:
        print("full", kept)

asyncio.run(main(Path(sys.argv[1])))
"""


def nothing() -> None: ...


def insert(connection: Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def rival(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the file open."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


async def test_a_locked_file(path: Path, rival: sqlite3.Connection) -> None:
    database = SqliteDatabase(path, timeout_s=0.05)
    await database.open(("CREATE TABLE t (a)",))
    rival.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLocked, match=r"runs\.db is locked"):
        await database.write(insert, nothing)
    rival.execute("ROLLBACK")
    await database.write(insert, nothing)
    await database.close()


async def test_who_stands_in_line_does_not_wait_for_the_lock_anew(
    path: Path, rival: sqlite3.Connection
) -> None:
    """Each of many writes is told after its own time, not after that of all before it."""
    database = SqliteDatabase(path, timeout_s=1.0)
    await database.open(("CREATE TABLE t (a)",))
    rival.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    calls = (database.write(insert, nothing) for _ in range(12))
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [StoreLocked] * 12
    assert time.monotonic() - begun < 6.0
    rival.execute("ROLLBACK")
    await database.write(insert, nothing)
    rival.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    with pytest.raises(StoreLocked):
        await database.write(insert, nothing)
    assert time.monotonic() - begun > 0.9
    await database.close()


async def test_a_full_disk_keeps_what_was_written(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FILL, path, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.startswith(b"full")
    store = SqliteStore(path)
    await store.open()
    await store.probe()
    await store.close()


@pytest.mark.parametrize(
    "content", [b"this is no database" * 1000, b"SQLite format 3\x00" + b"\xff" * 8000]
)
async def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"runs\.db is damaged") as raised:
        await SqliteStore(path).open()
    assert raised.value.hint
    assert path.read_bytes() == content


async def test_a_file_damaged_in_the_middle(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    request = {"repo_url": "a/b", "prompt": "p" * 100_000}
    run = Run.model_validate({"run_id": new_run_id(), "owner": "o", "request": request})
    await store.create(run, None, lambda _: [])
    await store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    damaged = SqliteStore(path)
    await damaged.open()
    with pytest.raises(StoreDamaged):
        await damaged.get(run.run_id)
    with pytest.raises(StoreDamaged):
        await damaged.create(run.replace(run_id=new_run_id()), None, lambda _: [])
    await damaged.close()
    assert path.read_bytes()[4096:] == content[4096:]


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened") as raised:
        await SqliteStore(tmp_path / "file" / "runs.db").open()
    assert "CODING_AGENT_DATA_DIR" in raised.value.hint


async def test_a_failed_transaction_is_undone(path: Path) -> None:
    database = SqliteDatabase(path)
    await database.open(("CREATE TABLE t (a NOT NULL)",))

    def half(connection: Connection) -> None:
        insert(connection)
        connection.execute("INSERT INTO t VALUES (NULL)")

    with pytest.raises(StoreError, match="NOT NULL"):
        await database.write(half, nothing)
    count = await database.read(lambda c: c.execute("SELECT count(*) FROM t").fetchone())
    assert count == (0,)
    await database.close()


async def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="closed"):
        await store.get("x")
    await store.close()
