"""An API that is there, but says no: throttling, failures, and jobs that it does not know."""

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import (
    Bench,
    Recorder,
    Scrape,
    asked_for,
    bench,
    configuration,
    job_answer,
    only_sick,
    scrape,
    target,
    ward,
    well,
)
from tests.faults.clocks import Clocks
from tests.processes import ACCESS_KEYS, eventually, exporter, simulator
from tests.upstream import Behaviour, Request, Upstream, message, send

LIMIT = 20  # calls a second
JOBS = [f"job-{number}" for number in range(60)]
LAST_SUCCESS = "adbpg_job_last_success_timestamp_seconds"


def refusal(code: str, status: int, *headers: tuple[str, str]) -> Behaviour:
    """Return an error as the API's gateway makes it."""
    body = {"RequestId": "R", "HostId": "h", "Code": code, "Message": "no", "Recommend": "u"}
    return send(message(body, status=status, headers=headers))


THROTTLING = refusal("Throttling.User", 400)


class Gate:
    """A server's script that throttles while it is told to, and notes when each call came."""

    def __init__(self) -> None:
        self.is_throttling = False
        self.times: list[float] = []

    def __call__(self, request: Request) -> Behaviour:
        """Pick a behaviour."""
        self.times.append(time.monotonic())
        return THROTTLING if self.is_throttling else well(request)

    def busiest(self) -> int:
        """Return the most calls in any second, less what a call may be late on its way."""
        times = self.times
        return max(sum(start <= at < start + 0.9 for at in times) for start in times)

    def between(self, start: float, end: float) -> int:
        """Return how many calls came from one moment to another."""
        return sum(start <= at < end for at in self.times)


def scrape_for(it: Bench, seconds: float) -> list[Scrape]:
    """Scrape again and again."""
    end = time.monotonic() + seconds
    pages = []
    while time.monotonic() < end:
        pages.append(it.scrape(0.2))
    return pages


def test_throttled(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 11: a host that throttles is asked ever less; its last answers age in sight."""
    gate = Gate()
    with bench(Upstream(gate), tmp_path, api={"calls_per_second": LIMIT}) as it:
        good = it.scrape()
        gate.is_throttling = True
        began = time.monotonic()
        pages = scrape_for(it, 6.0)

        calls = [gate.between(began + at, began + at + 2.0) for at in (0, 2, 4)]
        record_testsuite_property("calls in each two seconds of throttling", str(calls))
        assert good.is_complete("sick")
        # Two jobs, and pauses of one, two and four seconds, each up to half shorter.
        assert 2 <= sum(calls) <= 2 * 4
        assert calls[0] >= calls[2]
        last = pages[-1]
        assert last.up("sick") == 0
        assert last.value("adbpg_job_status", job_id="sick", status="Running") == 1
        assert last.value(LAST_SUCCESS, job_id="sick") == good.value(LAST_SUCCESS, job_id="sick")
        assert set(last.errors()) == {("sick", "throttled")}
        for page in pages:
            assert page.is_complete("well")
            page.check_time()


def test_no_herd_after_throttling(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 12: when throttling ends there is no herd: the limit holds in every second."""
    gate = Gate()
    with Upstream(gate) as sick:
        text = configuration(target("sick", sick.url, JOBS), api={"calls_per_second": LIMIT})
        with exporter(text, tmp_path) as process:
            gate.is_throttling = True
            throttled = scrape(process, 0.5)
            gate.is_throttling = False
            scrapers = [threading.Thread(target=scrape, args=(process, 3.0)) for _ in range(8)]
            for scraper in scrapers:
                scraper.start()
            for scraper in scrapers:
                scraper.join()
            eventually(lambda: set(ups(scrape(process, 1.0))) == {1.0}, "all jobs are back")

            record_testsuite_property("calls in the busiest second", gate.busiest())
            assert ("sick", "throttled") in throttled.errors()
            assert LIMIT / 2 < gate.busiest() <= LIMIT


def ups(page: Scrape) -> list[float | None]:
    """The jobs' up, None for those that were never asked."""
    return [page.up(job) for job in JOBS]


def test_retry_after(tmp_path: Path) -> None:
    """Fault 11: the API's own word on when to come back is kept."""
    wait = refusal("Throttling.User", 400, ("x-acs-retry-after", "60000"))
    clocks = Clocks(tmp_path)
    calls = []
    with bench(Upstream(only_sick(wait)), tmp_path, environ=clocks.environ) as it:
        for seconds in (0, 30, 58, 62):
            clocks.set(f"+{seconds}s")
            assert it.scrape().is_complete("well")
            calls.append(it.calls())

    assert calls == [1, 1, 1, 2]


FAILURES: dict[str, Behaviour] = {
    "500": refusal("InternalError", 500),
    "503": refusal("ServiceUnavailable", 503),
    "a gateway's page": send(message(b"<html>502 Bad Gateway</html>", status=502)),
    "nothing but a status": send(message(status=504)),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_server_errors(failure: Behaviour, tmp_path: Path) -> None:
    """Fault 13: a server that fails for a while costs its job, and is back at the first answer."""
    script = only_sick(failure, failure, failure, send(message(job_answer("sick"))))
    with bench(Upstream(script), tmp_path) as it:
        pages = [it.scrape() for _ in range(4)]

        for times, page in enumerate(pages[:3], start=1):
            page.lost("server", times=times)
        assert pages[3].is_complete("sick")
        pages[3].check_others()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("error", "namespace_password"), ("fail", "api_fail"), ("no_job", "bad_answer")],
)
def test_wrong_password(answer: str, reason: str, tmp_path: Path) -> None:
    """Fault 40: a wrong namespace password costs that namespace, whatever the API says to it."""
    instance = "region_id: cn-hangzhou, db_instance_id: gp-bp1test"
    scenario = f"""{ACCESS_KEYS}
wrong_password: {answer}
namespaces:
  - {{name: well, {instance}, namespace: rag, password: right}}
  - {{name: sick, {instance}, namespace: search, password: right, told_password: wrong}}
jobs:
  - {{id: well, collection: c, namespace: well, entries: 9000000}}
  - {{id: sick, collection: c, namespace: sick, entries: 9000000}}
"""
    with simulator(scenario, tmp_path) as api, exporter(api.configuration(), tmp_path) as process:
        page = scrape(process)

        assert page.up("sick") == 0
        assert page.up("well") == 1
        assert page.value("adbpg_job_status", job_id="well", status="Running") == 1
        assert page.errors() == {("sick", reason): 1}
        page.check_time()


def test_job_not_found(tmp_path: Path) -> None:
    """Fault 41: a job that is gone loses its state at once, and is left alone for a while."""
    gone = refusal("InvalidJobId.NotFound", 404)
    with bench(Upstream(only_sick(send(message(job_answer("sick"))), gone)), tmp_path) as it:
        there = it.scrape()
        pages = [it.scrape() for _ in range(10)]

        assert there.is_complete("sick")
        for page in pages:
            page.lost("not_found")
            assert page.value("adbpg_job_status", job_id="sick", status="Running") is None
            assert page.value("adbpg_job_progress_entries", job_id="sick") is None
        assert it.calls() == 2


def test_job_not_found_for_long(tmp_path: Path) -> None:
    """Fault 41: a job that stays unknown is asked about ever more slowly."""
    clocks = Clocks(tmp_path)
    script = only_sick(refusal("InvalidJobId.NotFound", 404))
    calls = []
    with bench(Upstream(script), tmp_path, environ=clocks.environ) as it:
        # Pauses of 30, 60, 120 and 240 seconds.
        for seconds in (0, 28, 32, 88, 94, 208, 218, 448, 462):
            clocks.set(f"+{seconds}s")
            assert it.scrape().is_complete("well")
            calls.append(it.calls())

    assert calls == [1, 1, 2, 2, 3, 3, 4, 4, 5]


GONE: dict[str, tuple[Behaviour, str]] = {
    "instance": (refusal("InvalidDBInstanceId.NotFound", 404), "not_found"),
    "instance, forbidden": (refusal("Forbidden.InstanceNotFound", 403), "not_found"),
    "region": (refusal("InvalidRegionId.NotFound", 404), "not_found"),
    "region, as a bad parameter": (refusal("InvalidParameter", 400), "bad_request"),
    "not ours": (refusal("Forbidden.RAM", 403), "permission"),
    "lower-case": (
        send(message(json.dumps({"code": "InvalidDBInstanceId.NotFound"}).encode(), status=404)),
        "not_found",
    ),
}


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scrape, Counter[str]]:
    """A scrape while many targets are gone, each in its own way; the calls by job."""
    behaviours = {name: behaviour for name, (behaviour, _) in GONE.items()}
    with ward(behaviours, tmp_path_factory.mktemp("gone")) as it:
        return it.scrape(), Counter(map(asked_for, it.sick.requests))


@pytest.mark.parametrize("name", GONE)
def test_instance_gone(gone: tuple[Scrape, Counter[str]], name: str) -> None:
    """Fault 42: an instance or a region that is gone costs its own jobs, with one call each."""
    page, calls = gone

    page.lost(GONE[name][1], where=name)
    assert calls[f"sick {name}"] == 1
