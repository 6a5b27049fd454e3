"""The store of announced jobs and history: killed, slow, away, shared."""

import json
import random
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg
import pytest

from exporter.store import Store
from exporter.store.postgresql import PostgresqlDatabase
from tests.faults.bench import asked_for, job_answer
from tests.faults.raw import configuration, rounds
from tests.postgresql import Announcing, Server, postgresql
from tests.processes import PATIENCE, Page, Process, eventually, exporter, run, scrape
from tests.store_claims import CLAIMS, Claim
from tests.upstream import Behaviour, Request, Upstream, message, send

TOKEN = "planted-token-of-nightly"
DONE = {"Status": "Success", "Completed": True, "Progress": 7}
FINISHED = "adbpg_collection_jobs_finished_total"


def extra(folder: Path, store: str) -> str:
    """Return the sections of a store and a token."""
    (folder / "token").write_text(TOKEN)
    return (
        "scrape: {min_interval: 0s}\n"
        "registration: {tokens: [{name: nightly, token_file: token, targets: [main]}]}\n"
        f"registry: {{{store}}}\n"
    )


SQLITE = "store: sqlite, path: jobs.sqlite"


def announce(url: str, *ids: str) -> bool:
    """Announce jobs; return whether that was acknowledged."""
    jobs = [{"target": "main", "id": each, "collection": "c"} for each in ids]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + "/api/v1/jobs", json.dumps(jobs).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bool(answer.status in (200, 201))
    except (OSError, urllib.error.HTTPError):
        return False


class Api:
    """An API whose jobs run until a test ends them."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.calls: list[str] = []

    def __call__(self, request: Request) -> Behaviour:
        """Answer a call."""
        job_id = asked_for(request)
        self.calls.append(job_id)
        return send(message(job_answer(job_id, **(DONE if job_id in self.ended else {}))))


@pytest.fixture
def api() -> Api:
    """One for each test."""
    return Api()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for all tests of this file."""
    with postgresql() as made:
        yield made


def succeeded(page: Page) -> float | None:
    """Return how many jobs of the one collection have."""
    return page.value(FINISHED, status="Success", collection="c")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_claim(claim: Claim, server: Server) -> None:
    """PostgreSQL keeps what the unit tests hold SQLite to."""
    with closing(PostgresqlDatabase(server.dsn)) as database:
        for table in ("jobs", "history", "store"):
            database.execute(f"DROP TABLE IF EXISTS adbpg_exporter_{table}")
    store = Store(lambda: PostgresqlDatabase(server.dsn), is_durable=True)
    store.open()

    claim(store)

    store.close()


def test_a_restart(api: Api, tmp_path: Path) -> None:
    """Fault 75: jobs, clocks and ends survive it; a job that has ended is not queried again."""
    config = extra(tmp_path, SQLITE)
    changed = "adbpg_job_progress_changed_timestamp_seconds"
    with Upstream(api) as upstream:
        text = configuration("configured", api=upstream.url, extra=config)
        with exporter(text, tmp_path) as it:
            assert announce(it.url, "runs", "ends")
            before = scrape(it)
            api.ended |= {"configured", "ends"}
            scrape(it)
            it.stop()
        api.calls.clear()
        with exporter(text, tmp_path) as it:
            after = scrape(it)

    assert api.calls == ["runs"]
    assert after.value(changed, job_id="runs") == pytest.approx(
        before.value(changed, job_id="runs"), abs=0.01
    )
    assert after.value("adbpg_job_status", job_id="ends", status="Success") == 1
    assert after.value("adbpg_exporter_registered_jobs", state="active") == 1
    assert succeeded(after) == 2


def test_kill(api: Api, tmp_path: Path) -> None:
    """Fault 75: killed at any moment, no acknowledged job is forgotten, no end counted twice."""
    config = extra(tmp_path, SQLITE)
    taken, chance = Announcing(), random.Random(75)  # noqa: S311  chance, and no secret

    def client(it: Process, number: int, round_number: int) -> None:
        for count in range(10_000):
            job_id = f"{round_number}-{number}-{count}"
            if not announce(it.url, job_id):
                return
            taken.add(job_id)
            api.ended.add(job_id)

    def scraper(it: Process) -> None:
        with suppress(OSError, AssertionError):
            while it.popen.poll() is None:
                scrape(it)

    with Upstream(api) as upstream:
        text = configuration("configured", api=upstream.url, extra=config)
        for round_number in range(rounds(3, 100)):
            with exporter(text, tmp_path) as it, ThreadPoolExecutor(9) as crowd:
                crowd.submit(scraper, it)
                for number in range(8):
                    crowd.submit(client, it, number, round_number)
                taken.wait_for(len(taken.acknowledged) + chance.randrange(1, 60))
                it.popen.kill()
        with exporter(text, tmp_path) as it:
            scrape(it)
            # Ends are written after the pages that show them, in several transactions.
            eventually(lambda: succeeded(scrape(it)) == len(api.ended), "all ends are counted")
            page = scrape(it)

    # A job whose acknowledgement the kill took away may be there, and runs for ever.
    shown = {s.labels["job_id"] for s in page.samples if s.name == "adbpg_job_info"}
    assert set(taken.acknowledged) <= shown
    assert set(taken.acknowledged) == api.ended
    assert succeeded(page) == len(api.ended)


def test_a_second_process(api: Api, tmp_path: Path) -> None:
    """Fault 76: the file is of one process; another ends at its start, with one line."""
    with Upstream(api) as upstream:
        text = configuration(api=upstream.url, extra=extra(tmp_path, SQLITE))
        with exporter(text, tmp_path) as it:
            done = run("serve", "--web.listen-address=127.0.0.1:0", cwd=tmp_path)
            assert announce(it.url, "a")

    assert done.returncode == 1
    assert "jobs.sqlite is in use by another process: one exporter a file" in done.stderr


def test_a_server_that_is_away(api: Api, tmp_path: Path) -> None:
    """Fault 77: the exporter starts without it, says so, and catches up when it is there."""
    with Upstream(api) as upstream, postgresql() as server:
        server.stop()
        (tmp_path / "dsn").write_text(server.dsn)
        config = extra(tmp_path, "store: postgresql, dsn_file: dsn")
        with exporter(configuration("a", api=upstream.url, extra=config), tmp_path) as it:
            scrape(it)
            api.ended.add("a")
            page = scrape(it)
            assert page.value("adbpg_exporter_registry_up") == 0
            assert page.value("adbpg_job_status", job_id="a", status="Success") == 1
            assert not announce(it.url, "b")
            server.start()
            eventually(lambda: succeeded(scrape(it)) == 1, "the end is counted")
            assert announce(it.url, "b")
            page = scrape(it)

    assert page.value("adbpg_exporter_registry_up") == 1
    assert page.value("adbpg_job_info", job_id="b") == 1
    assert (page.value("adbpg_exporter_registry_errors_total", operation="open") or 0) > 0
    assert "planted-database" not in "\n".join(it.log)


def test_a_store_that_hangs(api: Api, server: Server, tmp_path: Path) -> None:
    """Fault 80: no scrape waits for a store that does not answer; it says so, and catches up."""
    (tmp_path / "dsn").write_text(server.dsn)
    text = configuration(api="API", extra=extra(tmp_path, "store: postgresql, dsn_file: dsn"))
    with Upstream(api) as there, exporter(text.replace("API", there.url), tmp_path) as it:
        eventually(lambda: announce(it.url, "hang-1"), "the store is open")
        with psycopg.connect(server.dsn) as other:
            other.execute("LOCK TABLE adbpg_exporter_jobs IN ACCESS EXCLUSIVE MODE")
            # The lock is kept until a scrape has said so: one that waited would never return.
            eventually(
                lambda: scrape(it).value("adbpg_exporter_registry_up") == 0, "the store is down"
            )
            api.ended.add("hang-1")
            assert scrape(it).value("adbpg_job_completed", job_id="hang-1") == 1
            assert not announce(it.url, "hang-2")
        eventually(lambda: scrape(it).value("adbpg_exporter_registry_up") == 1, "it is back")
        eventually(lambda: finished(it) == 1, "the end is counted once")
        assert announce(it.url, "hang-2")


def finished(it: Process) -> float:
    """Return how many jobs of the collection have ended well, by the history."""
    return scrape(it).value(FINISHED, collection="c", status="Success") or 0


def test_a_full_disk(api: Api, tmp_path: Path) -> None:
    """Fault 81: what the disk has no room for is not acknowledged; all that was, is watched."""
    # A limit for each file, which ends a write as a full disk does.
    limited = ("sh", "-c", 'ulimit -S -f 300; exec "$@"', "sh")
    taken: list[str] = []
    with Upstream(api) as there:
        text = configuration(api=there.url, extra=extra(tmp_path, SQLITE))
        with exporter(text, tmp_path, prefix=limited) as it:
            for number in range(2_000):
                job_id = f"{number:04}-{'x' * 200}"
                if not announce(it.url, job_id):
                    break
                taken.append(job_id)
            page = scrape(it)
            shown = {job for job in taken if page.value("adbpg_job_up", job_id=job) == 1}
            subprocess.run(["prlimit", f"--pid={it.popen.pid}", "--fsize=unlimited"], check=True)
            eventually(lambda: announce(it.url, "afterwards"), "there is room again")
            assert scrape(it).value("adbpg_job_up", job_id="afterwards") == 1

    assert 0 < len(taken) < 2_000
    assert shown == {*taken}


def test_two_shards_with_a_replica_each(api: Api, tmp_path: Path) -> None:
    """Fault 78: on one server, stopped and started meanwhile, all pages agree and are right."""
    ids = [f"job-{number}" for number in range(40)]
    with Upstream(api) as upstream, postgresql() as server, ExitStack() as stack:
        text = ""
        pods = []
        for shard in (1, 2):
            for replica in ("a", "b"):
                folder = tmp_path / f"{shard}{replica}"
                folder.mkdir()
                (folder / "dsn").write_text(server.dsn)
                config = extra(folder, "store: postgresql, dsn_file: dsn")
                text = configuration(api=upstream.url, extra=config)
                pod = exporter(text, folder, f"--shard={shard}/2")
                pods.append((shard, stack.enter_context(pod)))

        def pages() -> list[tuple[int, Page]]:
            with ThreadPoolExecutor(4) as crowd:
                made = crowd.map(lambda pod: scrape(pod[1]), pods)
                return [(shard, page) for (shard, _), page in zip(pods, made, strict=True)]

        for number, job_id in enumerate(ids):
            assert announce(pods[number % 4][1].url, job_id)
        pages()
        api.ended |= set(ids[:20])
        server.stop()
        down = pages()
        api.ended |= set(ids[20:])
        server.start()
        eventually(lambda: {succeeded(page) for _, page in pages()} == {40}, "all agree")
        last = pages()

    assert {page.value("adbpg_exporter_registry_up") for _, page in down} == {0}
    shown = {
        (shard, s.labels["job_id"])
        for shard, page in last
        for s in page.samples
        if s.name == "adbpg_job_info"
    }
    assert len(shown) == 40, "each job is in the pages of one shard"
    assert {job_id for _, job_id in shown} == set(ids)


def test_shutting_down_writes_what_is_left(api: Api, tmp_path: Path) -> None:
    """Fault 75: an end that only the last page showed is counted before the process ends."""
    with Upstream(api) as upstream:
        text = configuration("a", api=upstream.url, extra=extra(tmp_path, SQLITE))
        with exporter(text, tmp_path) as it:
            scrape(it)
            api.ended.add("a")
            done = threading.Thread(target=scrape, args=(it,))
            done.start()
            done.join()
            assert it.stop() == 0
        with exporter(text, tmp_path) as it:
            page = scrape(it)

    assert succeeded(page) == 1


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("store: sqlite, path: away/jobs.sqlite", "registry: away/jobs.sqlite: there is no folder"),
        ("store: postgresql, dsn_file: token", "registry: dsn_file holds no connection string"),
    ],
)
def test_a_store_that_no_waiting_mends(store: str, why: str, tmp_path: Path) -> None:
    """Fault 76: the start ends with one line, and nothing of what the file holds is in it."""
    (tmp_path / "config.yaml").write_text(configuration("a", extra=extra(tmp_path, store)))

    done = run("serve", "--web.listen-address=127.0.0.1:0", cwd=tmp_path)

    lines = [line for line in done.stderr.splitlines() if "level=warn" not in line]
    assert done.returncode == 1
    assert len(lines) == 1
    assert why in lines[0]
    assert TOKEN not in done.stderr
