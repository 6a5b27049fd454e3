"""A scrape, end to end: simulator and exporter as two processes, as a user starts them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    eventually,
    exporter,
    get,
    scrape,
    simulator,
)

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + """
jobs:
  - {id: steady, collection: c1, namespace: main, entries: 9000000, expected_entries: 9000000}
  - {id: stalled, collection: c2, namespace: main, shape: stalled, after: 1s, created: -1h}
  - {id: failed, collection: c3, namespace: main, shape: failed, after: 1m, created: -1h}
  - {id: done, collection: c4, namespace: main, entries: 600, created: -1h}
  - {id: gone, collection: c5, namespace: main, shape: unknown}
  - id: sample
    collection: document
    namespace: main
    shape: contradictory
    entries: 1600
    create_time: "2024-01-08 16:52:04.864664"
    update_time: "2024-01-08 16:53:04.864664"
"""
)
JOB_METRICS = {
    "adbpg_job_info",
    "adbpg_job_up",
    "adbpg_job_status",
    "adbpg_job_waiting",
    "adbpg_job_turn_timestamp_seconds",
    "adbpg_job_completed",
    "adbpg_job_progress_entries",
    "adbpg_job_expected_entries",
    "adbpg_job_progress_ratio",
    "adbpg_job_error",
    "adbpg_job_inconsistent",
    "adbpg_job_created_timestamp_seconds",
    "adbpg_job_updated_timestamp_seconds",
    "adbpg_job_age_seconds",
    "adbpg_job_progress_changed_timestamp_seconds",
    "adbpg_job_deadline_timestamp_seconds",
    "adbpg_job_last_success_timestamp_seconds",
}


def test_a_running_job_shows_every_job_metric(tmp_path: Path) -> None:
    """A job with expected entries has every metric of an upload of vectors in the first scrape."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        page = scrape(it)

        assert page.names(job_id="steady") == JOB_METRICS
        assert page.value("adbpg_job_status", job_id="steady", status="Running") == 1
        assert page.value("adbpg_job_status", job_id="failed", status="Failed") == 1
        assert page.value("adbpg_job_progress_entries", job_id="done") == 600
        assert page.value("adbpg_exporter_scrape_jobs", result="fresh") == 5


def test_the_vendors_sample_is_shown_as_it_came(tmp_path: Path) -> None:
    """The vendor's contradictory sample gives exactly the values of its page, at UTC+8."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        page = scrape(it)

        def value(name: str) -> float | None:
            return page.value(name, job_id="sample")

        assert page.value("adbpg_job_status", job_id="sample", status="Success") == 1
        assert value("adbpg_job_completed") == 0
        assert value("adbpg_job_error") == 1
        assert value("adbpg_job_inconsistent") == 1
        assert value("adbpg_job_progress_entries") == 1600
        assert value("adbpg_job_created_timestamp_seconds") == 1704703924.864664
        assert value("adbpg_job_updated_timestamp_seconds") == 1704703984.864664
        assert value("adbpg_job_age_seconds") == 60


def test_the_errors_of_a_scrape_are_in_its_page(tmp_path: Path) -> None:
    """A job that the API does not know is counted in the very page that shows it down."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        page = scrape(it)

        assert page.value("adbpg_job_up", job_id="gone") == 0
        assert page.names(job_id="gone") == {
            "adbpg_job_info",
            "adbpg_job_up",
            "adbpg_job_query_failed",
        }
        errors = "adbpg_exporter_api_errors_total"
        assert page.value(errors, target="main", reason="not_found") == 1
        assert page.value(errors, target="main", reason="timeout") == 0
        assert page.value("adbpg_exporter_api_requests_total", target="main") == 6


def test_an_unreachable_api_costs_no_scrape(tmp_path: Path) -> None:
    """With nothing listening at the API's address, the page is a 200 that says so for each job."""
    with simulator(SCENARIO, tmp_path) as api:
        configuration = api.configuration()
    with exporter(configuration, tmp_path) as it:
        page = scrape(it)

        assert page.value("adbpg_job_up", job_id="steady") == 0
        assert page.names(job_id="steady") == {
            "adbpg_job_info",
            "adbpg_job_up",
            "adbpg_job_query_failed",
            "adbpg_job_expected_entries",
        }
        errors = "adbpg_exporter_api_errors_total"
        assert page.value(errors, target="main", reason="connection") == 6


def test_a_wrong_password_costs_only_its_target(tmp_path: Path) -> None:
    """Beside a namespace whose password is wrong, the jobs of another are complete."""
    scenario = (
        ACCESS_KEYS
        + ONE_NAMESPACE
        + "  - {name: other, region_id: cn-hangzhou, db_instance_id: gp-bp1test,"
        + " namespace: search, password: right, told_password: wrong}\n"
        + """
jobs:
  - {id: good, collection: c1, namespace: main, entries: 9000000}
  - {id: locked, collection: c1, namespace: other, entries: 9000000}
"""
    )
    with simulator(scenario, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        page = scrape(it)

        assert page.value("adbpg_job_up", job_id="good") == 1
        assert page.value("adbpg_job_up", job_id="locked") == 0
        assert page.value("adbpg_job_progress_entries", job_id="locked") is None


@pytest.mark.parametrize("scrapers", [2, 16])
def test_concurrent_scrapes_cause_one_call_a_job(tmp_path: Path, scrapers: int) -> None:
    """However many scrapes come at once, each active job is asked about once."""
    jobs = "".join(
        f"  - {{id: job-{n}, collection: c{n}, namespace: main, entries: 9000000}}\n"
        for n in range(20)
    )
    scenario = f"{ACCESS_KEYS}{ONE_NAMESPACE}latency: 300ms\njobs:\n{jobs}"
    together = threading.Barrier(scrapers)

    with simulator(scenario, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:

        def one_scrape(_: int) -> float | None:
            together.wait()
            return scrape(it).value("adbpg_job_up", job_id="job-19")

        with ThreadPoolExecutor(scrapers) as pool:
            ups = list(pool.map(one_scrape, range(scrapers)))

        assert ups == [1.0] * scrapers
        assert api.calls() == 20


def test_ten_scrapes_within_min_interval_cause_one_call_a_job(tmp_path: Path) -> None:
    """A job is not asked again sooner than min_interval, and a final job never is."""
    settings = "scrape: {min_interval: 1h, max_age: 2h}\n"
    with (
        simulator(SCENARIO, tmp_path) as api,
        exporter(api.configuration(settings), tmp_path) as it,
    ):
        pages = [scrape(it) for _ in range(10)]

        assert api.calls() == 6
        assert pages[9].value("adbpg_job_status", job_id="steady", status="Running") == 1
        assert pages[9].value("adbpg_exporter_scrape_jobs", result="final") == 3
        assert pages[9].value("adbpg_exporter_scrape_jobs", result="cached") == 2


def test_a_final_job_is_never_asked_again(tmp_path: Path) -> None:
    """With no min_interval at all, only jobs that can still change are asked about."""
    settings = "scrape: {min_interval: 0s}\n"
    with (
        simulator(SCENARIO, tmp_path) as api,
        exporter(api.configuration(settings), tmp_path) as it,
    ):
        scrape(it)
        first = api.calls()
        scrape(it)

        assert first == 6
        assert api.calls() - first == 2  # steady and stalled; an unknown id is left to rest


def test_nothing_is_asked_between_scrapes(tmp_path: Path) -> None:
    """The page for people, the health checks and counters alone ask nothing of the API."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        answers = [
            get(it.url + path)[0]
            for path in ("/", "/-/healthy", "/-/ready", "/metrics?name[]=process_open_fds")
        ]

        assert answers == [200, 200, 200, 200]
        assert api.calls() == 0


def test_the_scrapers_deadline_is_kept(tmp_path: Path) -> None:
    """A scrape whose time is shorter than a call answers with what is there, and later the rest."""
    scenario = (
        ACCESS_KEYS
        + ONE_NAMESPACE
        + """
jobs:
  - {id: quick, collection: c1, namespace: main, entries: 9000000}
  - {id: slow, collection: c2, namespace: main, entries: 9000000, fault: {kind: slow, latency: 25s}}
"""
    )
    patience = "api: {request_timeout: 50s}\nscrape: {timeout: 55s, min_interval: 1m}\n"
    with (
        simulator(scenario, tmp_path) as api,
        exporter(api.configuration(patience), tmp_path) as it,
    ):
        pages = []

        def is_quick_there() -> bool:
            pages.append(scrape(it, X_Prometheus_Scrape_Timeout_Seconds="3"))
            return pages[-1].value("adbpg_job_up", job_id="quick") == 1

        eventually(is_quick_there, "the quick one is there")
        hurried = pages[-1]
        patient = scrape(it)

        assert hurried.value("adbpg_job_up", job_id="slow") is None
        assert hurried.value("adbpg_exporter_scrape_jobs", result="late") == 1
        assert patient.value("adbpg_job_up", job_id="slow") == 1
        assert api.calls() == 2
