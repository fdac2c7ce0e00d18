"""The tables of the store, by versions: each script brings a database from one to the next."""

from typing import Final

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE runs (
        run_id TEXT COLLATE "C" PRIMARY KEY,
        order_id TEXT COLLATE "C" NOT NULL,
        owner TEXT NOT NULL,
        status TEXT NOT NULL,
        repo TEXT NOT NULL,
        pr_url TEXT,
        created_at DOUBLE PRECISION NOT NULL,
        queued_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL,
        not_before DOUBLE PRECISION NOT NULL,
        lease_service TEXT,
        lease_until DOUBLE PRECISION,
        cancelling BOOLEAN NOT NULL,
        cost_usd DOUBLE PRECISION,
        max_cost_usd DOUBLE PRECISION,
        doc TEXT NOT NULL
    );
    CREATE INDEX runs_by_order ON runs (order_id);
    CREATE INDEX runs_by_status ON runs (status, order_id);
    CREATE INDEX runs_by_owner ON runs (owner, order_id);
    CREATE INDEX runs_by_repo ON runs (repo, order_id);
    CREATE INDEX runs_by_pull_request ON runs (pr_url, order_id) WHERE pr_url IS NOT NULL;
    CREATE INDEX runs_by_lease ON runs (lease_service) WHERE lease_service IS NOT NULL;
    CREATE TABLE requests (
        run_id TEXT COLLATE "C" PRIMARY KEY,
        request TEXT NOT NULL
    );
    CREATE TABLE events (
        run_id TEXT COLLATE "C" NOT NULL,
        seq BIGINT NOT NULL,
        time DOUBLE PRECISION NOT NULL,
        type TEXT NOT NULL,
        key TEXT,
        data TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    );
    CREATE UNIQUE INDEX events_by_key ON events (run_id, key) WHERE key IS NOT NULL;
    CREATE INDEX events_by_type ON events (run_id, type, seq);
    CREATE TABLE idempotency (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        digest TEXT NOT NULL,
        run_id TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (owner, key)
    );
    CREATE TABLE removed (
        run_id TEXT COLLATE "C" PRIMARY KEY,
        owner TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        cost_usd DOUBLE PRECISION
    );
    CREATE INDEX removed_by_time ON removed (created_at);
    CREATE TABLE services (
        service TEXT PRIMARY KEY,
        picks_up BOOLEAN NOT NULL,
        seen_at TIMESTAMPTZ NOT NULL
    );
    """,
    """
    CREATE INDEX runs_by_change ON runs (updated_at);
    """,
    """
    CREATE TABLE acts (
        time DOUBLE PRECISION NOT NULL,
        run_id TEXT COLLATE "C" NOT NULL,
        seq BIGINT NOT NULL,
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
    ALTER TABLE runs ADD COLUMN published_at DOUBLE PRECISION;
    ALTER TABLE runs ADD COLUMN pr_number BIGINT;
    ALTER TABLE runs ADD COLUMN pr_draft BOOLEAN NOT NULL DEFAULT false;
    ALTER TABLE runs ADD COLUMN reason TEXT;
    UPDATE runs SET
        repo_url = kept.request ->> 'repo_url',
        published_at = CAST(kept.doc ->> 'published_at' AS DOUBLE PRECISION),
        pr_number = CAST(kept.doc ->> 'pr_number' AS BIGINT),
        pr_draft = coalesce(CAST(kept.doc ->> 'pr_draft' AS BOOLEAN), false),
        reason = kept.doc ->> 'reason'
    FROM (
        SELECT
            run_id,
            CAST(replace(doc, '\\u0000', '\\ufffd') AS json) AS doc,
            CAST(replace(request, '\\u0000', '\\ufffd') AS json) AS request
        FROM runs JOIN requests USING (run_id)
    ) AS kept
    WHERE kept.run_id = runs.run_id;
    """,
    """
    CREATE TABLE deliveries (
        name TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        received_at DOUBLE PRECISION NOT NULL,
        claimed_until DOUBLE PRECISION NOT NULL,
        attempts BIGINT NOT NULL,
        done_at DOUBLE PRECISION
    );
    CREATE INDEX deliveries_to_do ON deliveries (received_at, name) WHERE done_at IS NULL;
    CREATE TABLE threads (
        name TEXT PRIMARY KEY,
        data TEXT NOT NULL,
        live BOOLEAN NOT NULL
    );
    """,
    """
    CREATE TABLE totals (
        shard INTEGER NOT NULL,
        key TEXT NOT NULL,
        number DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (shard, key)
    );
    """,
    """
    ALTER TABLE threads ADD COLUMN changed_at DOUBLE PRECISION NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE threads ALTER COLUMN name TYPE TEXT COLLATE "C";
    """,
    """
    CREATE INDEX runs_by_outcome ON runs (
        created_at, owner, repo_url, cost_usd, published_at, pr_number, reason, pr_draft
    );
    """,
)
