"""Hours of the demo in seconds: what Prometheus would have stored, without waiting for it.

The simulator's jobs, our poller and our page are the real ones; only the network between them is
left out, and the clock is set by hand. promtool puts the samples into a Prometheus' storage.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from requests.structures import CaseInsensitiveDict

from exporter import __version__, config
from exporter.config import Config, read_announcement
from exporter.errors import QueryError
from exporter.gpdb import answers
from exporter.gpdb.answers import Answer
from exporter.gpdb.client import sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.gpdb.kinds import JobKind
from exporter.instruments import Instruments
from exporter.jobs import JobFiles
from exporter.model import JobRef, Target
from exporter.polling import Poller, PollSettings
from exporter.service import Exporter, Runtime
from exporter.simulator.configuration import exporter_job_file
from exporter.simulator.demo import demo_configuration, demo_scenario
from exporter.simulator.scenario import Scenario
from exporter.simulator.service import Service
from exporter.simulator.verify import Request
from exporter.store import ANNOUNCED
from exporter.wiring import registry_of
from tests.fakes import HandSetClock, memory_ledger

START = 1_704_700_800.0  # 2024-01-08T08:00:00Z, so that the vendor's sample falls into it
STEP = 60  # seconds between two scrapes
JOB = "adbpg"
_URL = "http://127.0.0.1:18080"
_BUDGET = 9.0  # seconds of a scrape
_FRESHNESS = """\
freshness:
  - {target: rag-prod, collection: product_manuals, max_age: 26h}
  - {target: rag-prod, collection: news_articles, max_age: 1h}
"""
_FEWER_JOBS = 60  # than the demo has at times, after its first hour
_STARTED = re.compile(r"^process_start_time_seconds .*$", re.MULTILINE)


class DirectClient:
    """Calls a simulated API without a network; stands for ``gpdb.client.ApiClient``.

    Args:
        service: answers.
        scenario: has the key.
        time: goes on by what an answer takes.
    """

    def __init__(self, service: Service, scenario: Scenario, time: HandSetClock) -> None:
        key = scenario.access_keys[0]
        self._key = AccessKey(key.id, key.secret)
        self._service = service
        self._time = time
        self._calls = 0

    def key_version(self) -> int:
        """See ``ApiClient``."""
        return 1

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> Answer:
        """See ``ApiClient``."""
        self._calls += 1
        query, form = kind.parameters(ref, target)
        signed = sign_request(
            host=urlsplit(_URL).netloc,
            action=kind.action,
            query=query,
            form=form,
            key=self._key,
            date=datetime.fromtimestamp(self._time.wall, UTC),
            nonce=str(self._calls),
        )
        headers = {name.lower(): value for name, value in signed.headers.items()}
        reply = self._service.answer(Request("POST", "/", signed.query, headers, signed.body))
        self._time.advance(reply.latency)
        told, now = CaseInsensitiveDict(reply.headers), self._time.wall
        try:
            return answers.parse(reply.http_status, told, reply.body, now=now)
        except QueryError as error:
            error.clock_skew = answers.clock_skew_of(told, now)
            raise


class Demo:
    """An exporter of the demo's jobs whose time goes as a test wants it.

    Args:
        folder: for its files.
        start: Unix seconds at which the scenario begins.
        most_jobs: for ``scrape.max_jobs``; by default none of the demo's is over it.
    """

    def __init__(self, folder: Path, start: float = START, most_jobs: int = 1000) -> None:
        self.time = HandSetClock(wall=start)
        self._instruments = Instruments(__version__, "4f1c2d7")
        self._instruments.show_registrations()
        self._start = start
        self._scenario = demo_scenario()
        self._job_file = folder / "jobs.yaml"
        self._mistake = ""
        self._write_jobs()
        text = demo_configuration(_URL, job_files=[str(self._job_file)])
        text += f"scrape: {{concurrency: 1, max_jobs: {most_jobs}}}\n"
        text += _FRESHNESS
        (folder / "config.yaml").write_text(text, "utf-8")
        loaded = config.load(str(folder / "config.yaml"), {})
        self.exporter = self._exporter(loaded)
        announced = b'{"target": "rag-prod", "id": "announced", "collection": "faq"}'
        self._ledger.announce(read_announcement(announced, loaded, {"rag-prod"}, ANNOUNCED))

    def misread(self, field: str) -> None:
        """Count a field that could not be read: the simulator writes only good ones."""
        self._instruments.invalid([field])

    def break_job_file(self, *, broken: bool) -> None:
        """From the next scrape on, have an entry in the job file that is wrong, or none."""
        self._mistake = "- id: without a target\n" if broken else ""

    def page(self) -> str:
        """Scrape, here and now. The process is as old as the scenario, not as the test."""
        self._write_jobs()
        _, content = self.exporter.scrape("", (), _BUDGET)
        return _STARTED.sub(f"process_start_time_seconds {self._start}", content.decode())

    def pages(self, seconds: float) -> Iterator[tuple[float, str]]:
        """Yield the time and the page of each scrape, for so long."""
        ends = self._start + seconds
        at = self._start
        while at <= ends:
            self.time.advance(max(0.0, at - self.time.wall))
            yield at, self.page()
            at += STEP

    def _write_jobs(self) -> None:
        jobs = exporter_job_file(self._scenario, self.time.wall - self._start)
        text = jobs.removeprefix("[]\n") + self._mistake if self._mistake else jobs
        if not self._job_file.exists() or self._job_file.read_text("utf-8") != text:
            self._job_file.write_text(text, "utf-8")

    def _exporter(self, loaded: Config) -> Exporter:
        clock = self.time.clock()
        service = Service(self._scenario, clock, lambda: "REQUEST")
        files = JobFiles(loaded)
        ledger = self._ledger = memory_ledger(clock, loaded)
        registry = registry_of(loaded, files, ledger)
        deadline = loaded.deadline
        settings = PollSettings(
            scrape=loaded.scrape,
            time_limits=deadline,
            calls_per_second=loaded.api.calls_per_second,
            watched=registry.current,
            client=DirectClient(service, self._scenario, self.time),
        )
        poller = Poller(
            settings,
            observers=[self._instruments, ledger],
            clock=clock,
            recall=ledger.memory,
            chance=lambda: 0.0,
        )
        return Exporter(
            Runtime(loaded, registry, files, settings),
            lambda previous: previous,
            poller=poller,
            instruments=self._instruments,
            ledger=ledger,
            clock=clock,
        )


def samples(page: str, at: float, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a page's lines as Prometheus stores them: with its own labels, and the time.

    Args:
        page: in the text format.
        at: Unix seconds.
        labels: those that Prometheus gives.
    """
    own = ",".join(f'{name}="{value}"' for name, value in labels.items())
    yield f"up{{{own}}} 1 {at}"
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        named, _, value = line.rpartition(" ")
        name, brace, rest = named.partition("{")
        yield f"{name}{{{own}{',' + rest if brace else '}'} {value} {at}"


def write_history(file: Path, folder: Path, seconds: float) -> float:
    """Write hours of the demo in the OpenMetrics format; return the time of the last scrape.

    What goes well in the demo goes wrong here for a while, so that each panel has it to show. In
    the last half hour a second exporter reports the same, as a replica does.
    """
    demo = Demo(folder, most_jobs=_FEWER_JOBS)
    demo.exporter.web_config_read(good=True)
    at = 0.0
    with file.open("w", encoding="utf-8") as output, closing(demo.exporter):
        for at, page in demo.pages(seconds):
            demo.misread("Progress")
            demo.break_job_file(broken=at < START + seconds / 2)
            replicas = ("one:10077", "two:10077")[: 1 + (at > START + seconds - 1800)]
            for instance in replicas:
                for line in samples(page, at, {"instance": instance, "job": JOB}):
                    output.write(line + "\n")
        output.write("# EOF\n")
    return at
