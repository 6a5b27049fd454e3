"""Every statement of the store. It knows one database at a time, and no threads."""

import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from exporter.config import AnnouncedEntry
from exporter.errors import Conflict, StoreUnusable, TooManyJobs
from exporter.gpdb.kinds import KINDS
from exporter.model import (
    DURATION_BUCKETS,
    CollectionHistory,
    Identity,
    JobRef,
    JobState,
    JobStatus,
    Unit,
)
from exporter.store import schema
from exporter.store.database import Database
from exporter.store.records import (
    FORGOTTEN,
    Batch,
    Changes,
    End,
    Progress,
    StoredJob,
    Taken,
    columns_of,
    history_of,
    job_of,
    text_of,
)

_CHUNK: Final = 500  # values in one statement, and rows that one step of cleaning deletes
_KNOWN: Final = len(schema.MIGRATIONS)
_SELECT: Final = f"SELECT {', '.join(schema.JOB_COLUMNS)} FROM adbpg_exporter_jobs"
_IS_JOB: Final = (
    "job_id = ? AND collection = ? AND collection_namespace = ? AND db_instance_id = ?"
    " AND workspace_id = ?"
)
_FACTS: Final = ("target", "kind", "expected_entries", "deadline", "labels")
_INSERT_COLUMNS: Final = (
    *("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id"),
    *(*_FACTS, "source", "watched_at", "revision"),
)
_INSERT: Final = (
    f"INSERT INTO adbpg_exporter_jobs ({', '.join(_INSERT_COLUMNS)})"
    f" VALUES ({', '.join('?' * len(_INSERT_COLUMNS))}) ON CONFLICT DO NOTHING"
)
_SET_FACTS: Final = ", ".join(f"{name} = ?" for name in _FACTS)
_HISTORY_COLUMNS: Final = (
    *schema.HISTORY_KEY,
    *schema.COUNTED_COLUMNS,
    *schema.LATEST_COLUMNS,
)
_SELECT_HISTORY: Final = f"SELECT {', '.join(_HISTORY_COLUMNS)} FROM adbpg_exporter_history"
_KEY_LIST: Final = ", ".join(schema.HISTORY_KEY)
_ADDED: Final = ", ".join(f"{c} = h.{c} + excluded.{c}" for c in schema.COUNTED_COLUMNS)
_LATER: Final = "coalesce(excluded.last_created, -1) >= coalesce(h.last_created, -1)"
_COUNT: Final = f"""
    INSERT INTO adbpg_exporter_history AS h ({", ".join(_HISTORY_COLUMNS)}, known_at, revision)
    VALUES ({", ".join("?" * (len(_HISTORY_COLUMNS) + 2))})
    ON CONFLICT ({_KEY_LIST}) DO UPDATE SET {_ADDED},
        last_success = CASE WHEN excluded.last_success > coalesce(h.last_success, 0)
            THEN excluded.last_success ELSE h.last_success END,
        last_completion = CASE WHEN excluded.last_completion > coalesce(h.last_completion, 0)
            THEN excluded.last_completion ELSE h.last_completion END,
        last_status = CASE WHEN excluded.last_status IS NOT NULL AND {_LATER}
            THEN excluded.last_status ELSE h.last_status END,
        last_created = CASE WHEN excluded.last_status IS NOT NULL AND {_LATER}
            THEN excluded.last_created ELSE h.last_created END,
        known_at = excluded.known_at, revision = excluded.revision
"""
_REPLACEABLE: Final = ("expected_entries", "deadline", "labels")
_RESULTS: Final = {
    JobStatus.SUCCESS: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


@dataclass(slots=True)
class _Sums:
    """What ends add to the history of one collection and kind."""

    counted: dict[str, float] = field(default_factory=lambda: defaultdict(int))
    last_success: float | None = None
    last_completion: float | None = None
    last_status: str | None = None
    last_created: float | None = None

    def add(self, end: End) -> None:
        """Count an end."""
        state = end.state
        self.counted[_RESULTS[state.status]] += 1
        took = state.age(end.seen_at)
        if took is not None:
            took = max(took, 0.0)
            self.counted[schema.BUCKET_COLUMNS[bisect.bisect_left(DURATION_BUCKETS, took)]] += 1
            self.counted["duration_sum"] += took
        if KINDS[end.ref.kind].unit is Unit.ENTRIES:
            self.counted["entries"] += state.progress or 0
        self.counted["embedding_tokens"] += state.usage.embedding_tokens or 0
        self.counted["llm_input_tokens"] += state.usage.llm_input_tokens or 0
        self.counted["llm_output_tokens"] += state.usage.llm_output_tokens or 0
        self.last_completion = max(self.last_completion or 0.0, end.seen_at)
        if state.status is JobStatus.SUCCESS:
            self.last_success = max(self.last_success or 0.0, end.seen_at)
        created = end.seen_at if state.created is None else state.created
        if self.last_created is None or created >= self.last_created:
            self.last_created, self.last_status = created, state.status.value


class Store:
    """The tables of one database. One thread at a time may use it.

    Every method but ``close`` raises StoreFailed, and so does what it opens.

    Args:
        connect: opens the database.
        is_durable: whether it outlives the connection.
        redactor: masks secrets in what the API says of a job.
    """

    def __init__(
        self,
        connect: Callable[[], Database],
        *,
        is_durable: bool,
        redactor: Callable[[str], str] = str,
    ) -> None:
        self._connect = connect
        self._is_durable = is_durable
        self._redactor = redactor
        self._database: Database | None = None

    def open(self) -> None:
        """Connect, and bring the tables to this version; nothing to do while that has worked.

        Raises:
            StoreUnusable: a newer version of this program has written the tables.
        """
        if self._database is not None:
            return
        database = self._connect()
        try:
            _migrate(database)
        except BaseException:
            database.close()
            raise
        self._database = database

    def close(self) -> None:
        """Disconnect. The next ``open`` connects again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def disconnect(self) -> None:
        """Have the next ``open`` connect again, where nothing is lost by that."""
        if self._is_durable:
            self.close()

    def first(self, sources: Collection[str], ended_after: float, most: int) -> Changes:
        """Return what a process that starts has to know: all the history, and jobs of sources.

        Args:
            sources: the names of those whose jobs are of interest.
            ended_after: no job that ended before.
            most: no more ended jobs than this, the latest.
        """
        revision = self._revision()
        names = f"source IN ({', '.join('?' * len(sources))})"
        unfinished = f"{_SELECT} WHERE ended_at IS NULL AND {names} ORDER BY announced_at"
        ended = f"{_SELECT} WHERE ended_at > ? AND {names} ORDER BY ended_at DESC LIMIT ?"
        jobs = [
            *self._jobs(unfinished, [*sources]),
            *self._jobs(ended, [ended_after, *sources, most]),
        ]
        return Changes(revision, jobs, self._history(_SELECT_HISTORY, ()))

    def changes(self, since: int) -> Changes:
        """Return what others and this process have changed since a revision."""
        # What is committed after this line is read now and once more the next time.
        revision = self._revision()
        if revision == since:
            return Changes(revision)
        jobs = self._jobs(f"{_SELECT} WHERE revision > ?", [since])
        history = self._history(f"{_SELECT_HISTORY} WHERE revision > ?", [since])
        return Changes(revision, jobs, history)

    def remembered(self, identities: Sequence[Identity]) -> list[StoredJob]:
        """Return what the store holds of these jobs."""
        wanted = set(identities)
        ids = sorted({identity[0] for identity in identities})
        return [job for job in self._by_id(ids) if job.ref.identity in wanted]

    def find(self, target: str, job_id: str) -> StoredJob | None:
        """Return a job that somebody wants watched; None if there is none."""
        found = [job for job in self._by_id([job_id]) if job.ref.target == target]
        return next((job for job in found if job.ref.source != FORGOTTEN), None)

    def announce(
        self, entries: Sequence[AnnouncedEntry], unfinished: int, most: int, now: float
    ) -> list[Taken]:
        """Take over announced jobs, all or none; return them as they are now.

        One that is known takes over the fields that are given, and keeps the others.

        Args:
            entries: the jobs, each once.
            unfinished: how many announced jobs have not ended.
            most: how many such jobs there may be.
            now: Unix seconds.

        Raises:
            Conflict: one of them contradicts what is known.
            TooManyJobs: they would be more than ``most``.
        """
        with self._writing() as revision:
            known: dict[str, list[StoredJob]] = defaultdict(list)
            for job in self._by_id(sorted({entry.ref.job_id for entry in entries})):
                known[job.ref.job_id].append(job)
            taken = [
                self._announce(entry, known[entry.ref.job_id], now, revision) for entry in entries
            ]
            new = sum(each.is_new and each.job.ended_at is None for each in taken)
            if new and unfinished + new > most:
                message = f"{unfinished:,} announced jobs have not ended, and {most:,} can be"
                raise TooManyJobs(f"{message} watched: see scrape.max_jobs")
            return taken

    def forget(self, target: str, job_id: str, source: str) -> None:
        """Have nobody watch the jobs of this id that a source named."""
        with self._writing() as revision:
            self._open.execute(
                "UPDATE adbpg_exporter_jobs SET source = ?, revision = ?"
                " WHERE job_id = ? AND target = ? AND source = ?",
                (FORGOTTEN, revision, job_id, target, source),
            )

    def write(self, batch: Batch, now: float) -> None:
        """Write down what an exporter has seen, all or nothing.

        Args:
            batch: what it has seen.
            now: Unix seconds.
        """
        with self._writing() as revision:
            self._know(batch.collections, now, revision)
            self._end(batch.ends, now, revision)
            self._progress(batch.progress, now, revision)
            self._give_up(batch.lost, batch.seen_before, now, revision)
            self._open.execute_many(
                f"UPDATE adbpg_exporter_jobs SET watched_at = ? WHERE {_IS_JOB}",
                [(now, *identity) for identity in batch.watched],
            )

    def clean(self, jobs_before: float, collections_before: float) -> int:
        """Delete some of what is over; return how many rows.

        Jobs that have ended, and those that nobody wants watched, go when no exporter has had
        them on its list since; collections when no exporter has known a job of them.

        Args:
            jobs_before: Unix seconds.
            collections_before: Unix seconds.
        """
        with self._writing():
            found = self._open.query(
                "SELECT job_id, collection, collection_namespace, db_instance_id, workspace_id"
                " FROM adbpg_exporter_jobs WHERE watched_at < ?"
                " AND (ended_at < ? OR source = ?) ORDER BY watched_at LIMIT ?",
                (jobs_before, jobs_before, FORGOTTEN, _CHUNK),
            )
            self._open.execute_many(f"DELETE FROM adbpg_exporter_jobs WHERE {_IS_JOB}", found)
            self._open.execute(
                "DELETE FROM adbpg_exporter_history WHERE known_at < ?", (collections_before,)
            )
            return len(found)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._database is not None

    @property
    def _open(self) -> Database:
        if self._database is None:
            raise StoreUnusable("the store is closed")
        return self._database

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """Commit all that is done within, as one revision.

        The row with the revision is locked until the commit, in every process, so that whoever
        reads a revision has read all changes up to it.
        """
        with self._open.transaction():
            self._open.execute("UPDATE adbpg_exporter_store SET revision = revision + 1")
            yield self._revision()

    def _revision(self) -> int:
        ((revision,),) = self._open.query("SELECT revision FROM adbpg_exporter_store")
        return int(revision)

    def _jobs(self, sql: str, values: Sequence[object]) -> list[StoredJob]:
        return [
            job_of(dict(zip(schema.JOB_COLUMNS, row, strict=True)))
            for row in self._open.query(sql, values)
        ]

    def _by_id(self, ids: Sequence[str]) -> Iterator[StoredJob]:
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            yield from self._jobs(f"{_SELECT} WHERE job_id IN ({marks})", chunk)

    def _history(self, sql: str, values: Sequence[object]) -> list[CollectionHistory]:
        return [
            history_of(dict(zip(_HISTORY_COLUMNS, row, strict=True)))
            for row in self._open.query(sql, values)
        ]

    def _insert(self, refs: Sequence[JobRef], now: float, revision: int) -> None:
        rows = [(*columns_of(ref), now, revision) for ref in refs]
        self._open.execute_many(_INSERT, rows)

    def _announce(
        self, entry: AnnouncedEntry, known: Sequence[StoredJob], now: float, revision: int
    ) -> Taken:
        ref = entry.ref
        same = next((job for job in known if job.ref.identity == ref.identity), None)
        before = next(
            (job for job in known if (job.ref.target, job.ref.source) == (ref.target, ref.source)),
            None,
        )
        if before is not None:
            ref = merged(before.ref, entry)
            if before is not same:  # the target was another instance or namespace then
                self._open.execute(
                    f"UPDATE adbpg_exporter_jobs SET source = ?, revision = ? WHERE {_IS_JOB}",
                    (FORGOTTEN, revision, *before.ref.identity),
                )
        if before is not None and before is same and not before.is_lost and _alike(before.ref, ref):
            return Taken(before, is_new=False)
        self._insert([ref], now, revision)
        announced_at = before.announced_at if before is not None and before is same else now
        # A job that was given up gets another chance.
        self._open.execute(
            f"UPDATE adbpg_exporter_jobs SET {_SET_FACTS}, source = ?, announced_at = ?,"
            " watched_at = ?, revision = ?,"
            " ended_at = CASE WHEN is_lost = 1 THEN NULL ELSE ended_at END, is_lost = 0"
            f" WHERE {_IS_JOB}",
            (*columns_of(ref)[5:], announced_at, now, revision, *ref.identity),
        )
        job = replace(same or StoredJob(ref=ref), ref=ref, announced_at=announced_at)
        if job.is_lost:
            job = replace(job, is_lost=False, ended_at=None)
        return Taken(job, is_new=before is None or before is not same)

    def _know(self, collections: Sequence[tuple[str, ...]], now: float, revision: int) -> None:
        """Have a history of each collection and kind, so that it begins at 0."""
        columns = (*schema.HISTORY_KEY, "known_at", "revision")
        self._open.execute_many(
            f"INSERT INTO adbpg_exporter_history ({', '.join(columns)})"
            f" VALUES ({', '.join('?' * len(columns))}) ON CONFLICT ({_KEY_LIST})"
            " DO UPDATE SET known_at = excluded.known_at",
            [(*key, now, revision) for key in collections],
        )

    def _end(self, ends: Sequence[End], now: float, revision: int) -> None:
        """Note that jobs have ended, and count each of them once, whoever else does so."""
        self._insert([end.ref for end in ends], now, revision)
        sums: dict[tuple[str, ...], _Sums] = defaultdict(_Sums)
        for end in ends:
            changed = self._open.execute(
                "UPDATE adbpg_exporter_jobs SET state = ?, ended_at = ?, seen_at = ?,"
                " is_lost = 0, is_counted = 1, revision = ?,"
                " source = CASE WHEN source = 'file' THEN ? ELSE source END"
                f" WHERE {_IS_JOB} AND is_counted = 0",
                (
                    *(self._text(end.state), end.seen_at, end.seen_at, revision),
                    *(end.ref.source, *end.ref.identity),
                ),
            )
            if changed and end.is_new:
                sums[*end.ref.collection_identity, end.ref.kind].add(end)
        for key, each in sums.items():
            self._count(key, each, now, revision)

    def _progress(self, jobs: Sequence[Progress], now: float, revision: int) -> None:
        """Note how far jobs are that are under way."""
        self._insert([job.ref for job in jobs], now, revision)
        # A clock that another process began earlier for the same progress stays.
        self._open.execute_many(
            "UPDATE adbpg_exporter_jobs SET state = ?, progress_changed_at = CASE"
            " WHEN progress = ? AND progress_changed_at < ? THEN progress_changed_at"
            " ELSE ? END, progress = ?, turn_at = ?, seen_at = ?"
            f" WHERE {_IS_JOB} AND is_counted = 0",
            [
                (
                    *(self._text(job.state), job.state.progress, job.progress_changed_at),
                    *(job.progress_changed_at, job.state.progress, job.turn_at, job.seen_at),
                    *job.ref.identity,
                )
                for job in jobs
            ],
        )

    def _give_up(
        self, jobs: Sequence[JobRef], seen_before: float, now: float, revision: int
    ) -> None:
        """Count jobs as lost, each once, unless another exporter has had an answer lately."""
        self._insert(jobs, now, revision)
        for ref in jobs:
            changed = self._open.execute(
                "UPDATE adbpg_exporter_jobs SET ended_at = ?, is_lost = 1, revision = ?"
                f" WHERE {_IS_JOB} AND ended_at IS NULL AND coalesce(seen_at, 0) < ?",
                (now, revision, *ref.identity, seen_before),
            )
            if changed:
                lost = _Sums()
                lost.counted["lost"] = 1
                self._count((*ref.collection_identity, ref.kind), lost, now, revision)

    def _text(self, state: JobState) -> str:
        """Return an answer as it is written down: without secrets."""
        return text_of(
            replace(
                state,
                error_text=self._redactor(state.error_text),
                error_code=self._redactor(state.error_code),
                status_text=self._redactor(state.status_text),
            )
        )

    def _count(self, key: tuple[str, ...], sums: _Sums, now: float, revision: int) -> None:
        """Add to the history of a collection and kind."""
        counted = [sums.counted.get(name, 0) for name in schema.COUNTED_COLUMNS]
        latest = (sums.last_success, sums.last_completion, sums.last_status, sums.last_created)
        self._open.execute(_COUNT, (*key, *counted, *latest, now, revision))


def merged(known: JobRef, entry: AnnouncedEntry) -> JobRef:
    """Return a known job with what an announcement says of it now.

    Raises:
        Conflict: it says something else of what cannot change.
    """
    ref, given = entry.ref, entry.given
    if ref.collection != known.collection:
        raise Conflict(f"job {ref.job_id} is known, of another collection: {known.collection}")
    if "kind" in given and ref.kind != known.kind:
        raise Conflict(f"job {ref.job_id} is known, of another kind: {known.kind}")
    new = {name: getattr(known if name not in given else ref, name) for name in _REPLACEABLE}
    result = replace(ref, kind=known.kind, **new)
    if refused := KINDS[result.kind].refusal(result):
        raise Conflict(f"job {ref.job_id}: {refused[1]}")
    return result


def _alike(one: JobRef, other: JobRef) -> bool:
    """Whether the store holds the same of both."""
    return columns_of(one) == columns_of(other)


def _migrate(database: Database) -> None:
    """Bring the tables to this version, while no other process does.

    Raises:
        StoreUnusable: they are of a newer one.
    """
    with database.transaction():
        if database.lock_schema:
            database.query(database.lock_schema)
        database.execute(schema.VERSION_TABLE)
        rows = database.query("SELECT version FROM adbpg_exporter_store")
        version = int(rows[0][0]) if rows else 0
        if version > _KNOWN:
            why = f"its tables have version {version}, and this exporter knows {_KNOWN}"
            raise StoreUnusable(f"the store was written by a newer exporter: {why}")
        if not rows:
            database.execute("INSERT INTO adbpg_exporter_store VALUES (0, 0)")
        for statements in schema.MIGRATIONS[version:]:
            for statement in statements:
                database.execute(statement)
        if version < _KNOWN:
            database.execute("UPDATE adbpg_exporter_store SET version = ?", (_KNOWN,))
