"""Connections that break, answers that lie about their length, and redirects."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import (
    CALL,
    Bench,
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
from tests.processes import exporter
from tests.upstream import (
    Behaviour,
    Request,
    Upstream,
    Wire,
    both,
    hang,
    hang_up,
    message,
    pour,
    reset,
    send,
)

BODY = job_answer("sick")
GOOD = message(BODY)
END_OF_HEAD = GOOD.index(b"\r\n\r\n") + 4


def hold() -> Behaviour:
    """Give the client's side time to take in what was sent: a reset would throw it away."""
    return lambda wire: wire.pause(0.2)


RESETS: dict[str, Behaviour] = {
    "before the answer": reset(),
    "closed before the answer": hang_up(),
    "inside the headers": both(send(GOOD[:30]), hold(), reset()),
    "after the headers": both(send(GOOD[:END_OF_HEAD]), hold(), reset()),
    "inside the body": both(send(GOOD[:-20]), hold(), reset()),
    "inside a chunk": both(send(message(BODY, chunk=50)[:-60]), hold(), reset()),
}
LIES: dict[str, Behaviour] = {
    "truncated body": both(send(GOOD[:-20]), hang_up()),
    "empty body": both(send(GOOD[:END_OF_HEAD]), hang_up()),
    "Content-Length too large": both(send(message(BODY, length=len(BODY) + 1)), hang_up()),
    "Content-Length too small": send(message(BODY, length=len(BODY) - 1)),
    "Content-Length 0": send(message(BODY, length=0)),
    "Content-Length negative": send(message(BODY, length=-7)),
    "Content-Length no number": send(
        message(BODY[:-1], length=-1, headers=[("Content-Length", "abc")])
    ),
    "chunks cut off": both(send(message(BODY, chunk=50)[:-30]), hang_up()),
    "chunk of no length": send(
        message(headers=[("Transfer-Encoding", "chunked")], length=-1) + b"xyz\r\n{}\r\n"
    ),
    "chunk of a negative length": send(
        message(headers=[("Transfer-Encoding", "chunked")], length=-1) + b"-1\r\n{}\r\n"
    ),
    "Content-Length no number, and good": both(
        send(message(BODY, length=-1, headers=[("Content-Length", "abc")])), hang_up()
    ),
    "Content-Length with a sign": send(
        message(BODY, length=-1, headers=[("Content-Length", f"+{len(BODY)}")])
    ),
    "Content-Length twice": send(message(BODY, headers=[("Content-Length", str(len(BODY)))])),
    "Content-Length beside chunks": send(
        message(BODY, chunk=50, headers=[("Content-Length", "9")])
    ),
    "chunk of a length with a prefix": send(
        message(headers=[("Transfer-Encoding", "chunked")], length=-1)
        + b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    "chunk that is longer than it says": send(
        message(headers=[("Transfer-Encoding", "chunked")], length=-1)
        + b"%x\r\n%b!\r\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    "an unknown transfer coding": send(
        message(BODY, length=-1, headers=[("Transfer-Encoding", "xz, chunked")])
    ),
    "chunks without end": both(
        send(message(headers=[("Transfer-Encoding", "chunked")], length=-1)),
        pour(b"100\r\n" + b"x" * 256 + b"\r\n"),
    ),
    "no HTTP at all": both(send(b"SSH-2.0-OpenSSH_9.2\r\n"), hang_up()),
    "an answer without a status": both(send(b"HTTP/1.1\r\n\r\n"), hang_up()),
    "HTTP 0.9": both(send(BODY), hang_up()),
}
BROKEN = {"connection", "bad_answer", "too_large"}


@pytest.fixture(scope="module")
def broken(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Scrape, Counter[str]]:
    """A scrape while a job of each of many targets fails in its own way; the calls by job."""
    with ward(RESETS | LIES, tmp_path_factory.mktemp("broken")) as it:
        page = it.scrape()
        return page, Counter(map(asked_for, it.sick.requests))


def check_broken(broken: tuple[Scrape, Counter[str]], name: str) -> None:
    """The job alone is lost, after at most one retry."""
    page, calls = broken
    reasons = [why for at, why in page.errors() if at == f"sick {name}"]
    assert len(reasons) == 1
    assert reasons[0] in BROKEN
    page.lost(reasons[0], where=name)
    assert 1 <= calls[f"sick {name}"] <= 2
    assert calls[f"neighbour {name}"] <= 2


@pytest.mark.parametrize("name", RESETS)
def test_reset(broken: tuple[Scrape, Counter[str]], name: str) -> None:
    """Fault 5: a connection that breaks costs that job, after one retry at the most."""
    check_broken(broken, name)


@pytest.mark.parametrize("name", LIES)
def test_length(broken: tuple[Scrape, Counter[str]], name: str) -> None:
    """Fault 6: a body that is not as long as it says costs that job, after one retry at most."""
    check_broken(broken, name)


def test_retry_inside_the_budget(tmp_path: Path) -> None:
    """Fault 5: the retry shares the time of the first try, and is not a second helping."""

    def late(wire: Wire) -> None:
        wire.pause(0.6 * CALL)
        wire.close(reset=True)

    with bench(Upstream(only_sick(late, hang())), tmp_path) as it:
        page = it.scrape()

        page.lost("timeout")
        assert it.calls() == 2
        assert page.seconds < 1.6 * CALL  # what a second helping would take at the least


def test_back_after_a_reset(tmp_path: Path) -> None:
    """Fault 5: a connection that breaks once is tried again, and nothing is lost."""
    with bench(Upstream(only_sick(reset(), send(GOOD))), tmp_path) as it:
        page = it.scrape()

        assert page.is_complete("sick")
        assert page.errors() == {}
        page.check_others()


def test_no_leftovers(tmp_path: Path) -> None:
    """Fault 6: what is left of an answer that was longer than it said is nobody's answer."""
    other = message(job_answer("neighbour", Progress=99))
    script = only_sick(send(message(BODY, length=len(BODY)) + other))

    with bench(Upstream(script), tmp_path, scrape={"concurrency": 1}) as it:
        pages = [it.scrape() for _ in range(5)]

        for page in pages:
            assert page.is_complete("sick")
            page.check_others()


def test_one_answer_too_many(tmp_path: Path) -> None:
    """Fault 66: an answer that nobody asked for costs one job at most, and shifts no other."""
    jobs = [f"job-{number:02}" for number in range(20)]
    strays = iter([job_answer(jobs[0], Progress=1000)])

    def pick(request: Request) -> Behaviour:
        job = asked_for(request)
        own = message(job_answer(job, Progress=1000 + jobs.index(job)))
        stray = next(strays, None) if job == jobs[1] else None
        # The stray one is read as the answer to this call; its own one comes to the next call's.
        return send(own) if stray is None else both(send(message(stray)), hold(), send(own))

    with Upstream(pick) as upstream:
        text = configuration(target("t", upstream.url, jobs), scrape={"concurrency": 1})
        with exporter(text, tmp_path) as process:
            page = scrape(process, 20.0)

    shown = {job: page.value("adbpg_job_progress_entries", job_id=job) for job in jobs}
    assert shown == {job: 1000.0 + position for position, job in enumerate(jobs)}
    assert page.errors() == {}


REDIRECTS = (300, 301, 302, 303, 307, 308)


@pytest.mark.parametrize("scheme", ["http", "https", ""])
def test_redirect(scheme: str, tmp_path: Path) -> None:
    """Fault 24: a redirect is not followed; the other host sees nothing, whatever the status."""
    with Upstream(well) as other, Upstream(well) as healthy:
        place = f"{scheme}://127.0.0.1:{other.port}/" if scheme else f"//127.0.0.1:{other.port}/"

        def pick(request: Request) -> Behaviour:
            job = asked_for(request)
            if job.startswith("neighbour"):
                return well(request)
            return send(message(BODY, status=int(job), headers=[("Location", place)]))

        with Upstream(pick) as sick:
            targets = [
                target(str(status), sick.url, [str(status), f"neighbour {status}"])
                for status in REDIRECTS
            ]
            text = configuration(*targets, target("well", healthy.url, ["well"]))
            with exporter(text, tmp_path) as process:
                page = scrape(process)

        assert other.wires == []
        assert page.errors() == {(str(status), "redirect"): 1 for status in REDIRECTS}
        for status in REDIRECTS:
            assert page.up(str(status)) == 0
            page.check_others(str(status))


def test_redirect_to_itself(tmp_path: Path) -> None:
    """Fault 24: nor is a redirect to the same host followed."""
    there = send(message(status=307, headers=[("Location", "/elsewhere")]))

    with bench(Upstream(only_sick(there)), tmp_path) as it:
        it.scrape().lost("redirect")
        assert calls_of(it) == ["/"]


def calls_of(it: Bench) -> list[str]:
    """The paths at which the sick job was asked for."""
    return [r.target.partition("?")[0] for r in it.sick.requests if asked_for(r) == "sick"]
