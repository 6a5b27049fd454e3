"""Scrapes that come together, in a hurry, or from clients that misbehave."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients import answer, rest
from tests.faults.raw import HEALTHY, SCRAPE, back_to, connect, ids, scenario, vanish, vitals
from tests.processes import Page, Process, exporter, get, scrape, simulator

NO_INTERVAL = "scrape: {min_interval: 0s}\n"
PATIENT = "scrape: {min_interval: INTERVAL, timeout: 1m}\napi: {request_timeout: 1m}\n"


def test_sixteen_scrapes_at_once(tmp_path: Path) -> None:
    """Fault 25: sixteen scrapes at once over a slow API cost one call a job, and all are whole."""
    with (
        simulator(scenario(ids(20), "latency: 6s\n"), tmp_path) as api,
        exporter(api.configuration(PATIENT.replace("INTERVAL", "0s")), tmp_path) as it,
    ):
        together = threading.Barrier(16)

        def one_scrape(_: int) -> float | None:
            together.wait()
            return scrape(it).value("adbpg_exporter_scrape_jobs", result="fresh")

        with ThreadPoolExecutor(16) as pool:
            fresh = list(pool.map(one_scrape, range(16)))

        assert api.calls() == 20
        assert fresh == [20.0] * 16


@pytest.mark.parametrize("latency", ["0s", "2s"], ids=["a fast API", "a slow API"])
def test_two_servers_a_second_apart(tmp_path: Path, latency: str) -> None:
    """Fault 26: two Prometheus servers a second apart cost one call a job, and see the same."""
    with (
        simulator(scenario(ids(20), f"latency: {latency}\n"), tmp_path) as api,
        exporter(api.configuration(PATIENT.replace("INTERVAL", "1m")), tmp_path) as it,
        ThreadPoolExecutor(2) as servers,
    ):
        first = servers.submit(scrape, it)
        threading.Event().wait(1)  # not to synchronise: it is the fault
        second = servers.submit(scrape, it)

        for page in (first.result(), second.result()):
            assert [s.value for s in page.samples if s.name == "adbpg_job_up"] == [1.0] * 20
        assert api.calls() == 20


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An exporter whose API takes half a second, and which asks in each scrape."""
    folder = tmp_path_factory.mktemp("unhurried")
    with (
        simulator(scenario(ids(1), "latency: 500ms\n"), folder) as api,
        exporter(api.configuration(NO_INTERVAL), folder) as it,
    ):
        yield it


@pytest.mark.parametrize(
    "header",
    [None, "", "abc", "0", "-1", "1e9", "1e999", "NaN", "-inf", "0x10", "5,5", "9" * 5_000],
    ids=lambda header: repr(header)[:20],
)
def test_a_senseless_scrape_timeout(unhurried: Process, header: str | None) -> None:
    """Fault 27: a scrape timeout that is missing, senseless or huge leaves time for an answer."""
    headers = {} if header is None else {"X_Prometheus_Scrape_Timeout_Seconds": header}

    page = scrape(unhurried, **headers)

    assert page.value("adbpg_exporter_scrape_jobs", result="fresh") == 1


@pytest.mark.parametrize("header", ["0.2", "1e-300", "0.5"])
def test_a_tiny_scrape_timeout(tmp_path: Path, header: str) -> None:
    """Fault 27: a scrape timeout below the offset gets a page of what is known, not a 500."""
    with (
        simulator(scenario(ids(1), "latency: 1h\n"), tmp_path) as api,
        exporter(api.configuration("api: {request_timeout: 5m}\n"), tmp_path) as it,
    ):
        page = scrape(it, X_Prometheus_Scrape_Timeout_Seconds=header)

        assert page.value("adbpg_exporter_scrape_jobs", result="late") == 1


def test_a_thousand_clients_vanish_in_a_scrape(tmp_path: Path) -> None:
    """Fault 28: a thousand clients that vanish in their scrapes leave no thread, no descriptor."""
    settings = "scrape: {min_interval: 0s, concurrency: 5}\n"
    with (
        simulator(scenario(ids(5), "latency: 300ms\n"), tmp_path) as api,
        exporter(api.configuration(settings), tmp_path) as it,
    ):
        for _ in range(3):  # until every thread and connection for the API is there
            scrape(it)
        before = vitals(it)
        for _ in range(25):
            clients = [connect(it, SCRAPE) for _ in range(40)]
            with connect(it, HEALTHY) as last:  # when it is served, all before it are
                assert answer(last)[0] == 200
            clients[0].recv(1)  # the pages are on their way
            for client in clients:
                vanish(client)

        back_to(it, before)
        assert scrape(it).value("adbpg_exporter_scrape_jobs", result="fresh") == 5
        assert not [line for line in it.log if "went away" in line or "failed" in line]


def test_a_client_that_reads_a_byte_a_second(tmp_path: Path) -> None:
    """Fault 30: a client that reads a byte a second is dropped in time; others are served."""
    with (
        simulator(scenario(ids(1_000), "", f", labels: {{team: {'t' * 200}}}"), tmp_path) as api,
        exporter(api.configuration("api: {calls_per_second: 10000}\n"), tmp_path) as it,
    ):
        whole = len(get(it.url + "/metrics")[1])
        before = vitals(it)
        over = threading.Event()
        slow = connect(it, SCRAPE, receive_bytes=2_048)

        def sip() -> None:
            while not over.wait(1.0) and slow.recv(1):
                pass

        reader = threading.Thread(target=sip)
        reader.start()
        while_slow = Page(get(it.url + "/metrics?name[]=adbpg_exporter_jobs")[1])
        back_to(it, before)
        over.set()
        reader.join()

        assert while_slow.value("adbpg_exporter_jobs", source="config", state="active") == 1_000
        assert len(rest(slow)) < whole
        slow.close()
