"""A slow or silent API costs its own job, in time."""

from pathlib import Path

import pytest

from tests.faults.bench import (
    BUDGET,
    Recorder,
    asked_for,
    bench,
    job_answer,
    only_sick,
    scrape,
    well,
)
from tests.upstream import (
    Behaviour,
    Request,
    Upstream,
    Wire,
    both,
    drip,
    hang,
    hang_up,
    message,
    send,
)

GOOD = message(job_answer("sick"))
HEAD, BODY = GOOD.split(b"\r\n\r\n")
HEAD += b"\r\n\r\n"
OVER = 5.0  # seconds of a call that is longer than the budget

SILENT: dict[str, Behaviour] = {
    "hangs": hang(),
    "hangs after the status line": both(send(b"HTTP/1.1 200 OK\r\n"), hang()),
    "hangs before the last header ends": both(send(HEAD[:-2]), hang()),
    "hangs after the headers": both(send(HEAD), hang()),
    "hangs before the last byte": both(send(GOOD[:-1]), hang()),
    "hangs inside a chunk": both(send(message(BODY, chunk=1000)[:-10]), hang()),
}
DRIPPED_BODIES: dict[str, Behaviour] = {
    "body": both(send(HEAD), drip(BODY, every=1.0)),
    "body, ten bytes a second": both(send(HEAD), drip(BODY, every=0.1)),
    "chunks": drip(message(BODY, chunk=1), every=0.1),
}
DRIPPED_HEADERS: dict[str, Behaviour] = {
    "headers": drip(GOOD, every=1.0),
    "headers, ten bytes a second": drip(GOOD, every=0.1),
    "endless headers": both(send(HEAD[:-2]), drip(b"X-Padding: y\r\n" * 1000, every=0.01)),
    "endless 100 Continue": both(
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, every=0.01), send(GOOD)
    ),
}


def test_slow_but_within_budget(tmp_path: Path) -> None:
    """Fault 1: an answer that is slow, but within the budget, is shown."""

    def late(wire: Wire) -> None:
        wire.pause(0.6)
        wire.send(GOOD)

    with bench(Upstream(only_sick(late)), tmp_path) as it:
        page = it.scrape()

        assert page.is_complete("sick")
        assert page.errors() == {}
        page.check_others()


def check_timeout(behaviour: Behaviour, folder: Path, record: Recorder) -> None:
    """One call runs out of time inside the budget, and the next scrape is no worse."""
    with bench(Upstream(only_sick(behaviour)), folder) as it:
        pages = [it.scrape(), it.scrape()]

        record("overshoot in seconds", max(page.overshoot for page in pages))
        pages[0].lost("timeout")
        pages[1].lost("timeout", times=2)
        assert it.calls() == 2  # one a scrape: what is out of time is not tried again


@pytest.mark.parametrize("behaviour", SILENT.values(), ids=SILENT)
def test_silence(behaviour: Behaviour, tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 2: a server that falls silent, wherever in its answer, costs that job alone."""
    check_timeout(behaviour, tmp_path, record_testsuite_property)


@pytest.mark.parametrize("behaviour", DRIPPED_BODIES.values(), ids=DRIPPED_BODIES)
def test_dripped_body(behaviour: Behaviour, tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 3: a body that comes byte by byte is a timeout of that job, however long it comes."""
    check_timeout(behaviour, tmp_path, record_testsuite_property)


@pytest.mark.parametrize("behaviour", DRIPPED_HEADERS.values(), ids=DRIPPED_HEADERS)
def test_dripped_headers(behaviour: Behaviour, tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 4: headers that come byte by byte are a timeout of that job, too."""
    check_timeout(behaviour, tmp_path, record_testsuite_property)


CUT = {
    "in the status line": HEAD[:12],
    "after the status line": HEAD[: HEAD.index(b"\r\n") + 2],
    "in a header": HEAD[:-12],
    "before the empty line": HEAD[:-2],
}


@pytest.mark.parametrize("head", CUT.values(), ids=CUT)
def test_cut_headers(head: bytes, tmp_path: Path) -> None:
    """Fault 4: headers that are cut off are never taken for a whole, empty answer."""
    with bench(Upstream(only_sick(both(send(head), hang_up()))), tmp_path) as it:
        page = it.scrape()

        assert set(page.errors()) <= {("sick", "bad_answer"), ("sick", "connection")}
        assert sum(page.errors().values()) == 1
        assert page.up("sick") == 0
        assert it.calls() <= 2
        page.check_others()


def test_overshoot(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 2: where calls may take longer than a scrape, the page comes without their jobs."""
    sick = [*SILENT.values(), *DRIPPED_BODIES.values(), *DRIPPED_HEADERS.values()]

    def pick(request: Request) -> Behaviour:
        job = asked_for(request)
        return sick[len(upstream.requests) % len(sick)] if job == "sick" else well(request)

    upstream = Upstream(pick)
    api = {"request_timeout": f"{OVER:.0f}s"}
    with bench(upstream, tmp_path, api=api) as it:
        first = it.scrape()
        pages = [scrape(it.process, 0.2) for _ in range(30)]

        record_testsuite_property("overshoot in seconds", max(p.overshoot for p in [first, *pages]))
        assert first.up("sick") is None
        assert first.value("adbpg_exporter_scrape_jobs", result="late") == 1
        first.check_others()
        assert first.seconds >= BUDGET  # the budget ended it, and not the call
        assert pages[-1].errors() == {("sick", "timeout"): 1}
        for page in pages:
            page.check_time()
