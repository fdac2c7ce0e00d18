"""The tables of the store, by versions: each script brings a file from one version to the next."""

from typing import Final

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        status TEXT NOT NULL,
        repo TEXT NOT NULL,
        queued_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        lease_service TEXT,
        lease_until REAL,
        cancelling INTEGER NOT NULL,
        doc TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX runs_by_status ON runs (status);
    CREATE TABLE requests (
        run_id TEXT PRIMARY KEY,
        request TEXT NOT NULL
    );
    CREATE TABLE events (
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        time REAL NOT NULL,
        type TEXT NOT NULL,
        key TEXT,
        data TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX events_by_key ON events (run_id, key) WHERE key IS NOT NULL;
    CREATE TABLE idempotency (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        digest TEXT NOT NULL,
        run_id TEXT NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (owner, key)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE removed (
        run_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        created_at REAL NOT NULL,
        cost_usd REAL
    ) WITHOUT ROWID;
    CREATE INDEX removed_by_owner ON removed (owner, created_at);
    """,
    """
    ALTER TABLE runs ADD COLUMN order_id TEXT NOT NULL DEFAULT '';
    UPDATE runs SET order_id = run_id;
    CREATE INDEX runs_by_order ON runs (order_id);
    """,
)
