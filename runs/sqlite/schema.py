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
    """
    ALTER TABLE runs ADD COLUMN created_at REAL NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN not_before REAL NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN cost_usd REAL;
    ALTER TABLE runs ADD COLUMN max_cost_usd REAL;
    ALTER TABLE runs ADD COLUMN pr_url TEXT;
    UPDATE runs SET
        created_at = json_extract(doc, '$.created_at'),
        not_before = coalesce(json_extract(doc, '$.not_before'), 0),
        cost_usd = json_extract(doc, '$.spend.cost_usd'),
        max_cost_usd = (
            SELECT nullif(json_extract(request, '$.max_cost_usd'), 0)
            FROM requests WHERE requests.run_id = runs.run_id
        ),
        pr_url = json_extract(doc, '$.pr_url');
    DROP INDEX runs_by_status;
    CREATE INDEX runs_by_status ON runs (status, order_id);
    CREATE INDEX runs_by_owner ON runs (owner, order_id);
    CREATE INDEX runs_by_repo ON runs (repo, order_id);
    CREATE INDEX runs_by_pull_request ON runs (pr_url, order_id) WHERE pr_url IS NOT NULL;
    CREATE INDEX runs_by_lease ON runs (lease_service) WHERE lease_service IS NOT NULL;
    CREATE INDEX events_by_type ON events (run_id, type, seq);
    """,
    """
    CREATE INDEX runs_by_change ON runs (updated_at);
    """,
    """
    CREATE TABLE acts (
        time REAL NOT NULL,
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        owner TEXT NOT NULL,
        repo_url TEXT NOT NULL,
        kind TEXT NOT NULL,
        by TEXT NOT NULL,
        details TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    );
    CREATE INDEX acts_by_time ON acts (time, run_id, seq);
    CREATE INDEX acts_by_owner ON acts (owner, time, run_id, seq);
    """,
    """
    ALTER TABLE runs ADD COLUMN repo_url TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs ADD COLUMN published_at REAL;
    ALTER TABLE runs ADD COLUMN pr_number INTEGER;
    ALTER TABLE runs ADD COLUMN pr_draft INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN reason TEXT;
    UPDATE runs SET
        repo_url = (
            SELECT json_extract(request, '$.repo_url')
            FROM requests WHERE requests.run_id = runs.run_id
        ),
        published_at = json_extract(doc, '$.published_at'),
        pr_number = json_extract(doc, '$.pr_number'),
        pr_draft = coalesce(json_extract(doc, '$.pr_draft'), 0),
        reason = json_extract(doc, '$.reason');
    CREATE INDEX runs_by_outcome ON runs (
        created_at, owner, repo_url, cost_usd, published_at, pr_number, reason, pr_draft
    );
    """,
    """
    CREATE TABLE deliveries (
        name TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        received_at REAL NOT NULL,
        claimed_until REAL NOT NULL,
        attempts INTEGER NOT NULL,
        done_at REAL
    );
    CREATE INDEX deliveries_to_do ON deliveries (received_at, name) WHERE done_at IS NULL;
    CREATE TABLE threads (
        name TEXT PRIMARY KEY,
        data TEXT NOT NULL,
        live INTEGER NOT NULL
    );
    """,
    """
    ALTER TABLE threads ADD COLUMN changed_at REAL NOT NULL DEFAULT 0;
    """,
)
