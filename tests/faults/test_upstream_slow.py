"""A slow or silent API costs its own job, in time."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import (
    CALL,
    Recorder,
    Scrape,
    asked_for,
    bench,
    job_answer,
    only_sick,
    ward,
)
from tests.upstream import (
    Behaviour,
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
    "endless headers": both(send(HEAD[:-2]), drip(b"X-Padding: y\r\n" * 1000, every=0.05)),
    "endless 100 Continue": both(
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, every=0.05), send(GOOD)
    ),
}


def test_slow_but_within_budget(tmp_path: Path) -> None:
    """Fault 1: an answer that is slow, but within the budget, is shown."""

    def late(wire: Wire) -> None:
        wire.pause(1.0)
        wire.send(GOOD)

    with bench(Upstream(only_sick(late)), tmp_path) as it:
        page = it.scrape()

        assert page.is_complete("sick")
        assert page.errors() == {}
        page.check_others()


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, record_testsuite_property: Recorder
) -> list[Scrape]:
    """Two scrapes while a job of each of many targets runs out of time in its own way."""
    slow = SILENT | DRIPPED_BODIES | DRIPPED_HEADERS
    with ward(slow, tmp_path_factory.mktemp("slow")) as it:
        pages = [it.scrape(), it.scrape()]

        asked = Counter(map(asked_for, it.sick.requests))
        overshoot = max(page.seconds - CALL for page in pages)
        record_testsuite_property("overshoot of timeouts", overshoot)
        # One a scrape: what is out of time is not tried again.
        assert {asked[f"sick {name}"] for name in slow} == {2}
    return pages


@pytest.mark.parametrize("name", SILENT)
def test_silence(pages: list[Scrape], name: str) -> None:
    """Fault 2: a server that falls silent, wherever in its answer, costs that job alone."""
    pages[0].lost("timeout", where=name)
    pages[1].lost("timeout", where=name, times=2)


@pytest.mark.parametrize("name", DRIPPED_BODIES)
def test_dripped_body(pages: list[Scrape], name: str) -> None:
    """Fault 3: a body that comes byte by byte is a timeout of that job, however long it comes."""
    pages[0].lost("timeout", where=name)
    pages[1].lost("timeout", where=name, times=2)


@pytest.mark.parametrize("name", DRIPPED_HEADERS)
def test_dripped_headers(pages: list[Scrape], name: str) -> None:
    """Fault 4: headers that come byte by byte are a timeout of that job, too."""
    pages[0].lost("timeout", where=name)
    pages[1].lost("timeout", where=name, times=2)


CUT = {
    "in the status line": HEAD[:12],
    "after the status line": HEAD[: HEAD.index(b"\r\n") + 2],
    "in a header": HEAD[:-12],
    "before the empty line": HEAD[:-2],
}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    """A scrape while answers end inside their headers."""
    behaviours = {name: both(send(head), hang_up()) for name, head in CUT.items()}
    with ward(behaviours, tmp_path_factory.mktemp("cut")) as it:
        return it.scrape()


@pytest.mark.parametrize("name", CUT)
def test_cut_headers(cut: Scrape, name: str) -> None:
    """Fault 4: headers that are cut off are never taken for a whole, empty answer."""
    reasons = {why for at, why in cut.errors() if at == f"sick {name}"}

    assert len(reasons) == 1
    assert reasons <= {"bad_answer", "connection"}
    cut.lost(reasons.pop(), where=name)


def test_overshoot(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 2, 3 and 4: where calls outlast a scrape, its page comes before they end, without them.

    Their timeout is far away: none of them has ended in any of the pages.
    """
    slow = SILENT | DRIPPED_BODIES | DRIPPED_HEADERS

    with ward(slow, tmp_path, api={"request_timeout": "5m"}) as it:
        first = it.scrape(CALL)
        pages = [it.scrape(0.15) for _ in range(5)]

        overshoots = [page.overshoot for page in (first, *pages)]
        record_testsuite_property("overshoot of budgets", max(overshoots))
        for page in (first, *pages):
            assert page.errors() == {}
            assert (page.value("adbpg_exporter_scrape_jobs", result="late") or 0) >= len(slow)
        for name in slow:
            assert first.up(f"sick {name}") is None
            assert first.is_complete(f"neighbour {name}")
        assert first.is_complete("well")
        asked = Counter(map(asked_for, it.sick.requests))
        assert {asked[f"sick {name}"] for name in slow} == {1}
