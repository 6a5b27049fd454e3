"""An API that is there, but says no: throttling, failures, and jobs that it does not know."""

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import (
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


def test_throttled(tmp_path: Path) -> None:
    """Fault 11: a host that throttles is asked ever less; its last answers age in sight."""
    gate, clocks = Gate(), Clocks(tmp_path)
    pages, calls = list[Scrape](), list[int]()
    with bench(Upstream(gate), tmp_path, environ=clocks.environ) as it:
        good = it.scrape()
        gate.is_throttling = True
        # Pauses of 1, 2, 4, 8, 16, 32 and 60 seconds, each by chance up to half shorter.
        for seconds in (0, 2, 5, 10, 19, 36, 69, 79, 131):
            clocks.jump(f"+{seconds}s", it.process)
            before = len(gate.times)
            pages.append(it.scrape())
            calls.append(len(gate.times) - before)

    assert good.is_complete("sick")
    assert calls[7] == 0
    # One for each of the two jobs, at the most.
    assert {1, 2}.issuperset([*calls[:7], calls[8]])
    last = pages[-1]
    assert last.up("sick") == 0
    assert last.value("adbpg_job_status", job_id="sick", status="Running") == 1
    succeeded = [page.value(LAST_SUCCESS, job_id="sick") for page in (good, last)]
    assert succeeded == pytest.approx([succeeded[0]] * 2, abs=1.0)
    assert set(last.errors()) == {("sick", "throttled")}
    for page in pages:
        assert page.is_complete("well")


def test_no_herd_after_throttling(tmp_path: Path) -> None:
    """Fault 12: when throttling ends there is no herd: each second has its number of calls."""
    gate = Gate()
    with Upstream(gate) as sick:
        text = configuration(target("sick", sick.url, JOBS), api={"calls_per_second": LIMIT})
        with exporter(text, tmp_path) as process:
            gate.is_throttling = True
            throttled = scrape(process)
            before = len(gate.times)
            gate.is_throttling = False
            ended = time.monotonic()
            scrapers = [threading.Thread(target=scrape, args=(process,)) for _ in range(8)]
            for scraper in scrapers:
                scraper.start()
            for scraper in scrapers:
                scraper.join()
            eventually(lambda: set(ups(scrape(process))) == {1.0}, "all jobs are back")

    calls = gate.times[before:]
    assert ("sick", "throttled") in throttled.errors()
    assert len(calls) >= len(JOBS)
    # Calls come late on a busy machine, and never early.
    early = [number for number, at in enumerate(calls) if at - ended < number // LIMIT]
    assert early == []


def ups(page: Scrape) -> list[float | None]:
    """The jobs' up, None for those that were never asked."""
    return [page.up(job) for job in JOBS]


PAGE = b"<!doctype html><html><body>no</body></html>"


@pytest.mark.parametrize(
    "wait",
    [
        refusal("Throttling.User", 400, ("x-acs-retry-after", "60000")),
        refusal("Throttling.User", 429, ("Retry-After", "60")),
        send(message(PAGE, status=429, headers=[("Retry-After", "60")])),
        send(message(PAGE, status=503, headers=[("Retry-After", "60")])),
    ],
    ids=["the API's own header", "the standard's", "of a gateway's 429", "of a gateway's 503"],
)
def test_retry_after(wait: Behaviour, tmp_path: Path) -> None:
    """Fault 11: who asks to be left alone for a while is, by either header, whoever it is."""
    clocks = Clocks(tmp_path)
    calls = []
    with bench(Upstream(only_sick(wait)), tmp_path, environ=clocks.environ) as it:
        for seconds in (0, 20, 40, 62):
            clocks.jump(f"+{seconds}s", it.process)
            assert it.scrape().is_complete("well")
            calls.append(it.calls())

    assert calls == [1, 1, 1, 2]


STRANGERS: dict[str, tuple[Behaviour, str]] = {
    "401": (send(message(PAGE, status=401)), "bad_answer"),
    "403": (send(message(PAGE, status=403)), "bad_answer"),
    "404": (send(message(PAGE, status=404)), "bad_answer"),
    "404 without a Code": (send(message({"message": "no Route"}, status=404)), "bad_answer"),
    "404 of another API": (refusal("InvalidApi.NotFound", 404), "bad_request"),
    "407": (send(message(PAGE, status=407)), "proxy"),
    "no such collection": (refusal("InvalidCollection.NotFound", 404), "not_found"),
    "restarting": (refusal("OperationDenied.DBInstanceStatus", 403), "instance_state"),
    "no more money": (refusal("Account.Arrearage", 403), "account"),
    "password": (refusal("Namespace.PasswordInvalid", 401), "namespace_password"),
}


def test_a_stranger_ends_nothing(tmp_path: Path) -> None:
    """Fault 64: what is not the API's word on a job or a key ends no state and pauses nothing."""
    good = send(message(job_answer("sick")))
    script = only_sick(good, *(behaviour for behaviour, _ in STRANGERS.values()), good)
    with bench(Upstream(script), tmp_path) as it:
        before = it.scrape()
        pages = [it.scrape() for _ in STRANGERS]
        after = it.scrape()

        assert before.is_complete("sick")
        for page in pages:
            assert page.up("sick") == 0
            assert page.value("adbpg_job_status", job_id="sick", status="Running") == 1
            page.check_others()
        assert after.is_complete("sick")
        reasons = Counter(reason for _, reason in STRANGERS.values())
        assert after.errors() == {("sick", reason): times for reason, times in reasons.items()}
        assert it.calls() == len(STRANGERS) + 2


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
        for seconds in (0, 12, 31, 71, 93, 193, 215, 435, 457):
            clocks.jump(f"+{seconds}s", it.process)
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
