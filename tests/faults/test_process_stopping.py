"""Signals: stopping without losing a scrape, and dying without harm to the next start."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients import rest
from tests.faults.bench import asked_for, job_answer
from tests.faults.raw import SCRAPE, configuration, connect, kill, rounds
from tests.processes import PATIENCE, Page, Process, eventually, exporter, get, scrape
from tests.upstream import Behaviour, Request, Upstream, Wire, hang, message

PATIENT = "scrape: {timeout: 5m}\napi: {request_timeout: 5m}\n"


class SlowApi:
    """An API that is asked about a job and lets its answer be waited for.

    Attributes:
        asked: by job id: the call has come.
        answering: likewise: the answer may go.
    """

    def __init__(self, *ids: str) -> None:
        self.asked = {each: threading.Event() for each in ids}
        self.answering = {each: threading.Event() for each in ids}

    def __call__(self, request: Request) -> Behaviour:
        """Answer well, but in its time."""
        job = asked_for(request)

        def behave(wire: Wire) -> None:
            self.asked[job].set()
            assert self.answering[job].wait(PATIENCE)
            wire.send(message(job_answer(job)))

        return behave


def stopped_in_a_scrape(upstream: Upstream, script: SlowApi, job: str, folder: Path) -> Page:
    """Send SIGTERM to an exporter in the midst of a scrape; return the page that it answered."""
    with (
        exporter(configuration(job, api=upstream.url, extra=PATIENT), folder) as it,
        ThreadPoolExecutor(1) as scraper,
    ):
        page = scraper.submit(scrape, it)
        assert script.asked[job].wait(PATIENCE)
        it.popen.send_signal(signal.SIGTERM)
        it.wait_for_log("msg=stopping")
        eventually(lambda: get(it.url + "/-/ready")[0] == 503, "it is not ready")
        script.answering[job].set()

        assert it.popen.wait(PATIENCE) == 0
        return page.result()


def test_sigterm_in_a_scrape(tmp_path: Path) -> None:
    """Fault 32: after SIGTERM in a scrape ready is 503, the scrape is whole, the exit code is 0."""
    jobs = [f"job-{number}" for number in range(rounds(20, 100))]
    script = SlowApi(*jobs)

    with Upstream(script) as api, ThreadPoolExecutor(4) as pool:

        def stopped(job: str) -> float | None:
            folder = tmp_path / job
            folder.mkdir()
            return stopped_in_a_scrape(api, script, job, folder).value("adbpg_job_up", job_id=job)

        assert list(pool.map(stopped, jobs)) == [1.0] * len(jobs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal(tmp_path: Path, number: int) -> None:
    """Fault 33: a second signal does not wait for the scrape, and is as clean an end."""
    with (
        Upstream([hang()]) as api,
        exporter(configuration("job", api=api.url, extra=PATIENT), tmp_path) as it,
        connect(it, SCRAPE),
    ):
        eventually(lambda: bool(api.requests), "a call is under way")
        it.popen.send_signal(number)
        it.wait_for_log("msg=stopping")

        assert it.stop(number) == 0
        assert "msg=stopped" in it.log[-1]


def test_sigterm_while_the_api_hangs(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 33: with an API that hangs for minutes, one SIGTERM is enough to be gone soon."""
    with (
        Upstream([hang()]) as api,
        exporter(configuration("job", api=api.url, extra=PATIENT), tmp_path) as it,
        connect(it, SCRAPE),
    ):
        eventually(lambda: bool(api.requests), "a call is under way")
        began = time.monotonic()
        code = it.stop()

    record_testsuite_property("fault 33: seconds to the end", round(time.monotonic() - began, 1))
    assert code == 0
    assert "msg=stopped" in it.log[-1]


def test_kill_dash_nine(tmp_path: Path) -> None:
    """Fault 34: killed in a scrape, it starts again at once on the same port, and is whole."""
    script = SlowApi("job")
    with Upstream(script) as api:
        text = configuration("job", api=api.url)
        with exporter(text, tmp_path) as first, connect(first, SCRAPE) as scraper:
            assert script.asked["job"].wait(PATIENCE)
            kill(first)
            rest(scraper)
        script.answering["job"].set()
        port = urlsplit(first.url).port
        with exporter(text, tmp_path, f"--web.listen-address=127.0.0.1:{port}") as second:
            page = scrape(Process(second.popen, first.url))

    assert page.value("adbpg_job_up", job_id="job") == 1
