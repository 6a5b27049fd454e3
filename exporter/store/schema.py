"""The tables of the store, and how those of an older version are brought to this one. Pure.

SQLite and PostgreSQL both take every statement here as it stands. Times are Unix seconds.
"""

from typing import Final

from exporter.model import DURATION_BUCKETS

JOB_COLUMNS: Final = (
    *("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id"),
    *("target", "kind", "expected_entries", "deadline", "labels", "source", "announced_at"),
    *("progress", "progress_changed_at", "turn_at", "seen_at", "state", "ended_at"),
    *("is_lost", "is_counted", "watched_at", "revision"),
)
"""Of a row for each job. The first five, the identity, are its key.

``source`` names who wants it watched; it is empty once nobody does. ``seen_at`` is when the API
last answered for it, ``watched_at`` when an exporter last had it on its list. ``is_counted`` says
that its end is in the history. ``revision`` is that of the last change that other exporters need.
"""

BUCKET_COLUMNS: Final = (*(f"took_{bound}" for bound in DURATION_BUCKETS), "took_longer")

COUNTED_COLUMNS: Final = (
    *("succeeded", "failed", "cancelled", "lost"),
    *BUCKET_COLUMNS,
    *("duration_sum", "entries", "embedding_tokens", "llm_input_tokens", "llm_output_tokens"),
)
"""Those columns of the history to which every end adds."""

LATEST_COLUMNS: Final = ("last_success", "last_completion", "last_status", "last_created")
"""Those columns of the history that the last job sets. ``last_created`` says which one that is."""

HISTORY_KEY: Final = (
    "collection",
    "collection_namespace",
    "db_instance_id",
    "workspace_id",
    "kind",
)

_JOBS: Final = """
CREATE TABLE adbpg_exporter_jobs (
    job_id text NOT NULL,
    collection text NOT NULL,
    collection_namespace text NOT NULL,
    db_instance_id text NOT NULL,
    workspace_id text NOT NULL,
    target text NOT NULL,
    kind text NOT NULL,
    expected_entries bigint,
    deadline double precision,
    labels text NOT NULL,
    source text NOT NULL,
    announced_at double precision,
    progress bigint,
    progress_changed_at double precision,
    turn_at double precision,
    seen_at double precision,
    state text,
    ended_at double precision,
    is_lost smallint NOT NULL DEFAULT 0,
    is_counted smallint NOT NULL DEFAULT 0,
    watched_at double precision NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (job_id, collection, collection_namespace, db_instance_id, workspace_id)
)
"""

_COUNTERS: Final = "".join(
    f"    {name} bigint NOT NULL DEFAULT 0,\n" for name in COUNTED_COLUMNS if name != "duration_sum"
)
_HISTORY: Final = f"""
CREATE TABLE adbpg_exporter_history (
    collection text NOT NULL,
    collection_namespace text NOT NULL,
    db_instance_id text NOT NULL,
    workspace_id text NOT NULL,
    kind text NOT NULL,
{_COUNTERS}    duration_sum double precision NOT NULL DEFAULT 0,
    last_success double precision,
    last_completion double precision,
    last_status text,
    last_created double precision,
    known_at double precision NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (collection, collection_namespace, db_instance_id, workspace_id, kind)
)
"""

VERSION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS adbpg_exporter_store (version bigint NOT NULL, revision bigint NOT NULL)
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        _JOBS,
        "CREATE INDEX adbpg_exporter_jobs_revision ON adbpg_exporter_jobs (revision)",
        "CREATE INDEX adbpg_exporter_jobs_ended_at ON adbpg_exporter_jobs (ended_at)",
        "CREATE INDEX adbpg_exporter_jobs_watched_at ON adbpg_exporter_jobs (watched_at)",
        _HISTORY,
    ),
)
"""The statements that lead to version 1, to version 2, and so on. A release's never change."""
