"""An API whose texts are written to do harm."""

import json
from itertools import count
from pathlib import Path

import pytest

from tests.faults.bench import asked_for, bench, configuration, job_answer, scrape, target, well
from tests.processes import Process, exporter
from tests.upstream import Behaviour, Request, Upstream, message, send

MARK = "h0st1le"
TEXTS = [
    "quotes \" and \\ and '",
    "lines\nlevel=error msg=forged\r\n\u2028\u2029\x85",
    "\x1b[2J\x1b[31mterminal\x07\x9b1m\x7f",
    '"} 1\nadbpg_job_up{job_id="forged"} 1\n# HELP forged x\n',
    "\ud800 lone surrogates \udfff",
    "\x00 NUL \x08",
    "\u202eright to left\u2066",
    "%s %d {0} ${HOME}",
    "x" * 100_000,
]
LONGEST = 200  # characters of the API's own words in a line
MOST_LINES = 100  # with one message, in a minute
JOBS = [f"job-{number}" for number in range(20)]
SCRAPES = 30


def hostile(request: Request, number: int) -> Behaviour:
    """Answer with a text that never came before; every other time with none, or with a refusal."""
    text = f"{MARK} {number} {TEXTS[number % len(TEXTS)]} {MARK}"
    job = asked_for(request)
    if number % 4 == 0:
        return send(message(job_answer(job)))
    if number % 4 == 1:
        return send(message(job_answer(job, Error=text)))
    if number % 4 == 2:
        body = {"Status": "fail", "Message": text, "Code": text}
        return send(message(json.dumps(body).encode()))
    body = {"Code": text, "Message": text, "RequestId": text}
    return send(message(json.dumps(body).encode(), status=400))


class Hostility:
    """What an exporter showed and logged while each text was new and hostile."""

    def __init__(self, folder: Path, style: str) -> None:
        numbers = {job: count(index) for index, job in enumerate(JOBS)}
        script = lambda r: hostile(r, next(numbers[asked_for(r)]))  # noqa: E731  a script
        with Upstream(script) as sick, Upstream(well) as other:
            text = configuration(
                target("sick", sick.url, JOBS), target("well", other.url, ["well"])
            )
            with exporter(text, folder, f"--log.format={style}") as process:
                self.pages = [scrape(process) for _ in range(SCRAPES)]
                self.log = settled(process)


def settled(process: Process) -> list[str]:
    """Return the whole log: it ends with the process."""
    process.stop()
    process.wait_for_log("stopped")
    return list(process.log)


@pytest.fixture(scope="module", params=["logfmt", "json"])
def hostility(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Hostility]:
    """The style of the log, and what happened."""
    return request.param, Hostility(tmp_path_factory.mktemp(request.param), request.param)


def test_never_a_label(hostility: tuple[str, Hostility]) -> None:
    """Fault 53: what the API says in its own words is nowhere in the page, and harms no job."""
    for page in hostility[1].pages:
        assert MARK not in page.text
        assert "forged" not in page.text
        assert page.is_complete("well")
        page.check_time()


def test_logged_in_one_short_line(hostility: tuple[str, Hostility]) -> None:
    """Fault 53: in the log it is escaped, in one printable line, with 200 characters at most."""
    style, happened = hostility
    told = [line for line in happened.log if MARK in line]

    assert told
    for line in told:
        assert line.isprintable()
        assert len(line) < 3_000  # 200 characters, each of which may need twelve
    if style == "json":
        errors = [json.loads(line)["error"] for line in told]
        assert max(map(len, errors)) == LONGEST
    assert not [line for line in happened.log if line.startswith("level=error")]


def test_logged_at_a_bounded_rate(hostility: tuple[str, Hostility]) -> None:
    """Fault 53: texts that are new every time fill no disk: a hundred lines a minute, by message.

    There were far more reasons for a line: the jobs broke and came back in every other scrape.
    """
    lines = hostility[1].log
    by_message = {
        text: sum(text in line for line in lines)
        for text in ("job query failed", "job answers again", "job reports an error")
    }

    assert len(JOBS) * SCRAPES / 4 > MOST_LINES
    for text, number in by_message.items():
        assert number == MOST_LINES, text


def test_a_megabyte(tmp_path: Path) -> None:
    """Fault 53: a text of a megabyte is not even read."""
    large = job_answer("sick", Error=MARK * 150_000)

    def pick(request: Request) -> Behaviour:
        return send(message(large)) if asked_for(request) == "sick" else well(request)

    with bench(Upstream(pick), tmp_path) as it:
        it.scrape().lost("too_large")
        log = settled(it.process)

    assert not [line for line in log if MARK in line]
