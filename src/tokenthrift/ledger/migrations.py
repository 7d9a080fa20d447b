"""The steps by which a ledger file of any older version becomes one of this version.

A migration that was released is never edited; a new one is appended. ``part_of`` is a function that
`schema.migrate` expects of the connection.
"""

from __future__ import annotations

from typing import Final

# Savings columns are NULL for calls without a known price: SUM leaves them out.
V1: Final = (
    """
    CREATE TABLE calls (
        seq INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL UNIQUE,
        created_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        wire TEXT NOT NULL,
        status TEXT NOT NULL,
        model_requested TEXT NOT NULL,
        model_chosen TEXT NOT NULL,
        model_baseline TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_digest TEXT NOT NULL,
        session TEXT NOT NULL,
        holdout INTEGER NOT NULL,
        basis TEXT NOT NULL,
        plan_ms REAL NOT NULL,
        total_ms REAL NOT NULL,
        failed_calls INTEGER NOT NULL,
        unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL,
        counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER,
        actual_nanos INTEGER,
        compression_nanos INTEGER,
        routing_nanos INTEGER,
        cache_nanos INTEGER,
        overhead_nanos INTEGER,
        net_nanos INTEGER,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX calls_created ON calls (created_us)",
    """
    CREATE TABLE attempts (
        call_seq INTEGER NOT NULL REFERENCES calls (seq),
        number INTEGER NOT NULL,
        model TEXT NOT NULL,
        status TEXT NOT NULL,
        error TEXT NOT NULL,
        estimated INTEGER NOT NULL,
        counted_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        cost_nanos INTEGER,
        latency_ms REAL NOT NULL,
        time_to_first_chunk_ms REAL,
        PRIMARY KEY (call_seq, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX attempts_counted ON attempts (model, counted_tokens, input_tokens)
    WHERE estimated = 0 AND counted_tokens > 0 AND input_tokens > 0
    """,
)

# Tags were only in the JSON: reports by team or feature read every record.
V2: Final = (
    """
    CREATE TABLE tags (
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        call_seq INTEGER NOT NULL REFERENCES calls (seq),
        PRIMARY KEY (key, value, call_seq)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO tags (key, value, call_seq)
    SELECT tag.key, tag.value, calls.seq
    FROM calls, json_each(calls.detail, '$.tags') AS tag
    """,
)

V3: Final = (
    """
    CREATE TABLE feedback (
        seq INTEGER PRIMARY KEY,
        call_id TEXT NOT NULL,
        source TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        outcome REAL NOT NULL,
        value REAL,
        UNIQUE (call_id, source)
    )
    """,
)

# The JSON apart from the columns: a report that adds up a million calls reads a tenth of the pages.
# What stays of calls that were pruned or erased: sums, digests of the erased ids, and which
# numbers of ``calls.seq`` are rightly missing.
V4: Final = (
    "CREATE TABLE details (seq INTEGER PRIMARY KEY REFERENCES calls (seq), detail TEXT NOT NULL)",
    "INSERT INTO details (seq, detail) SELECT seq, detail FROM calls",
    "ALTER TABLE calls ADD COLUMN complexity TEXT NOT NULL DEFAULT ''",
    """
    UPDATE calls SET complexity =
        COALESCE(json_extract(detail, '$.decision.complexity_bucket'), '')
    """,
    "ALTER TABLE calls DROP COLUMN detail",
    """
    CREATE TABLE folded (
        why TEXT NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL, wire TEXT NOT NULL,
        status TEXT NOT NULL, model_requested TEXT NOT NULL, model_chosen TEXT NOT NULL,
        model_baseline TEXT NOT NULL, policy TEXT NOT NULL, policy_digest TEXT NOT NULL,
        holdout TEXT NOT NULL, basis TEXT NOT NULL, complexity TEXT NOT NULL, tags TEXT NOT NULL,
        calls INTEGER NOT NULL, failed_calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL, counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL,
        PRIMARY KEY (
            why, day, kind, wire, status, model_requested, model_chosen, model_baseline, policy,
            policy_digest, holdout, basis, complexity, tags
        )
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE folded_charges (
        why TEXT NOT NULL, day TEXT NOT NULL, model TEXT NOT NULL, service_tier TEXT NOT NULL,
        tags TEXT NOT NULL, attempts INTEGER NOT NULL, unpriced_attempts INTEGER NOT NULL,
        estimated_attempts INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
        cost_nanos INTEGER NOT NULL, calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL, seen_attempts INTEGER NOT NULL,
        seen_counted_tokens INTEGER NOT NULL, seen_input_tokens INTEGER NOT NULL,
        PRIMARY KEY (
            why, day, model, service_tier, tags
        )
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE gone (id BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL)",
)

# Arms of experiments, and how our model of the providers' caches did.
TRIALS: Final = (
    "ALTER TABLE calls ADD COLUMN arm TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE calls ADD COLUMN treated_share REAL",
    "ALTER TABLE calls ADD COLUMN asked_tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE calls ADD COLUMN shadow_net_nanos INTEGER",
    "ALTER TABLE attempts ADD COLUMN predicted_cache_read_tokens INTEGER",
    """
    CREATE INDEX calls_drawn ON calls (session, seq)
    WHERE treated_share > 0 AND treated_share < 1
    """,
    "CREATE INDEX calls_shadow ON calls (created_us) WHERE arm = 'shadow'",
)

# Sums by day, by tag and session, and by groups of sessions; and the number of the last call that
# is in them. See `rollups`.
ROLLUPS: Final = (
    "CREATE INDEX tags_of_call ON tags (call_seq)",
    "CREATE INDEX calls_losing ON calls (net_nanos) WHERE net_nanos < 0",
    "ALTER TABLE calls ADD COLUMN part INTEGER NOT NULL DEFAULT 0",
    """
    UPDATE calls SET part = part_of(COALESCE(
        NULLIF(session, ''),
        (SELECT NULLIF(value, '') FROM tags INDEXED BY tags_of_call
            WHERE call_seq = seq AND key = 'session'),
        record_id
    ))
    """,
    """
    CREATE TABLE rollup_days (
        day TEXT NOT NULL, kind TEXT NOT NULL, wire TEXT NOT NULL, status TEXT NOT NULL,
        model_requested TEXT NOT NULL, model_chosen TEXT NOT NULL, model_baseline TEXT NOT NULL,
        policy TEXT NOT NULL, policy_digest TEXT NOT NULL, holdout TEXT NOT NULL,
        basis TEXT NOT NULL, complexity TEXT NOT NULL,
        calls INTEGER NOT NULL, failed_calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL, counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL,
        PRIMARY KEY (
            day, kind, wire, status, model_requested, model_chosen, model_baseline, policy,
            policy_digest, holdout, basis, complexity
        )
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rollup_values (
        key TEXT NOT NULL, value TEXT NOT NULL, day TEXT NOT NULL,
        calls INTEGER NOT NULL, failed_calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL, counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL,
        PRIMARY KEY (key, value, day)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rollup_cells (
        day TEXT NOT NULL, part INTEGER NOT NULL,
        calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, net_nanos INTEGER NOT NULL,
        PRIMARY KEY (day, part)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE rollup_to (seq INTEGER NOT NULL)",
    "INSERT INTO rollup_to (seq) VALUES (0)",
)

MIGRATIONS: Final = (V1, V2, V3, V4, TRIALS, ROLLUPS)
