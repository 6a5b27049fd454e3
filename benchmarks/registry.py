"""Announced jobs and their store: how many a second, a million, and shards that share one."""

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import processes
from benchmarks.processes import Child
from tests.postgresql import postgresql

TOKENS = 16  # one alone may send 50 requests a second
SETTINGS = "min_interval: 0s, timeout: 60s, concurrency: 32, max_jobs: 100000"
SINGLE, LISTS, LIST = 600, 10, 1000


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the section ``registry`` for each durable store; the database is a real server."""
    with postgresql() as database:
        (folder / "dsn").write_text(database.dsn, "utf-8")
        yield {
            "sqlite": f"registry: {{store: sqlite, path: {folder / 'jobs.sqlite'}}}\n",
            "postgresql": f"registry: {{store: postgresql, dsn_file: {folder / 'dsn'}}}\n",
        }


def tokens(folder: Path) -> str:
    """Return the section ``registration``, and write its files."""
    lines = ["registration:\n  tokens:\n"]
    for number in range(TOKENS):
        (folder / f"token{number}").write_text(_token(number), "utf-8")
        lines.append(f"    - {{name: t{number}, token_file: token{number}, targets: [bench]}}\n")
    return "".join(lines)


def _token(number: int) -> str:
    return f"token-of-the-bench-{number:04d}"


def announce(child: Child, ids: Sequence[str], size: int) -> float:
    """Announce jobs in lists of this size, by one client; return the seconds."""
    parts = urlsplit(child.url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    began = time.perf_counter()
    for number, start in enumerate(range(0, len(ids), size)):
        jobs = [
            {"target": "bench", "id": job, "collection": f"c{hash(job) % 500}"}
            for job in ids[start : start + size]
        ]
        headers = {
            "Authorization": f"Bearer {_token(number % TOKENS)}",
            "Content-Type": "application/json",
        }
        client.request("POST", "/api/v1/jobs", json.dumps(jobs), headers)
        response = client.getresponse()
        answer = response.read()
        assert response.status == 201, answer
    client.close()
    return time.perf_counter() - began


@contextmanager
def scraping(child: Child) -> Iterator[list[float]]:
    """Scrape again and again; yield the seconds of each scrape."""
    seconds: list[float] = []
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            seconds.append(child.get("/metrics")[0])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seconds
    finally:
        stopping.set()
        thread.join()


def bare_commits(folder: Path) -> float:
    """Return how many rows a second SQLite alone writes, each in a transaction on the disk."""
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS jobs (id text PRIMARY KEY, what text)")
    began = time.perf_counter()
    for number in range(SINGLE):
        database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (f"job-{number}", "x" * 200))
    seconds = time.perf_counter() - began
    database.close()
    return SINGLE / seconds


def fill(path: Path, first: int, jobs: int) -> None:
    """Fill the file of SQLite up to so many jobs that have ended lately and are counted.

    Args:
        path: of the file.
        first: how many are there.
        jobs: how many shall be.
    """
    now = time.time()
    state = json.dumps({"status": "Success", "status_text": "Success", "progress": 20_000})
    database = sqlite3.connect(path)
    (revision,) = database.execute("SELECT revision FROM adbpg_exporter_store").fetchone()
    columns = (
        "job_id, collection, collection_namespace, db_instance_id, workspace_id, target, kind, "
        "labels, source, progress, state, ended_at, is_counted, watched_at, revision"
    )
    database.executemany(
        f"INSERT INTO adbpg_exporter_jobs ({columns}) "  # noqa: S608  constants
        "VALUES (?, ?, 'public', ?, '', 'bench', 'upsert_collection_data', "
        "'{}', '', 20000, ?, ?, 1, ?, ?)",
        (
            (
                f"{number:08x}-75dc-405e-a669-0c5204887e91",
                f"c{number % 500}",
                processes.INSTANCE,
                state,
                now - number / jobs * 80_000,
                now,
                revision,
            )
            for number in range(first, jobs)
        ),
    )
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def megabytes(path: Path) -> float:
    """Return the size of the file and of what SQLite keeps beside it."""
    files = path.parent.glob(f"{path.name}*")
    return sum(file.stat().st_size for file in files) / 1e6


@contextmanager
def shards(folder: Path, api: str, extra: str, of: int, concurrency: int) -> Iterator[list[Child]]:
    """Start so many exporters that share one store."""
    settings = SETTINGS.replace("concurrency: 32", f"concurrency: {concurrency}")
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                processes.exporter(folder, api, (), settings, extra=extra, shard=f"{number}/{of}")
            )
            for number in range(1, of + 1)
        ]
