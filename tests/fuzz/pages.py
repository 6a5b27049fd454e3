"""A page with a healthy job among hostile ones, and what must hold for it whatever they said."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from requests.structures import CaseInsensitiveDict

from exporter.config.settings import DeadlineSettings
from exporter.errors import QueryError
from exporter.gpdb import answers
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.instruments import Instruments
from exporter.logs import LineFormatter
from exporter.model import (
    JobRef,
    JobState,
    Observation,
    Snapshot,
    Target,
    TargetHealth,
)
from exporter.polling.journal import Journal
from exporter.polling.record import Record
from exporter.secret import Secret
from exporter.web import page
from exporter.web.rows import Asides
from exporter.web.views import View
from tests.fuzz.answers import GOOD, JOB_ID, Answer
from tests.rendering import render

TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
NOW = 1_000.0
OFFSET = 1_704_703_000.0
TAKEN_AT = NOW + OFFSET
TARGET = Target("main", "cn-hangzhou", Secret("testpassword"), db_instance_id="gp-1")
REF = JobRef(
    "main",
    "cn-hangzhou",
    JOB_ID,
    "c",
    db_instance_id="gp-1",
    expected_entries=500_000,
    labels=(("team", "search"),),
    kind=UPSERT_COLLECTION_DATA,
)
_RULE = DeadlineSettings()
_LONGEST_LINE = 2_500  # characters of the log
HEALTHY = "healthy"


def decoded(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> JobState:
    """Read an answer as the client and the poller do, without a network.

    Raises:
        QueryError: whatever is wrong with it.
    """
    answer = answers.parse(status, CaseInsensitiveDict(headers), body, now=0.0)
    return KINDS[UPSERT_COLLECTION_DATA].decode(answer.document, REF, TARGET.time_zone)


class Ward:
    """Takes in one answer for each job, as the poller does: counted, logged, remembered."""

    def __init__(self) -> None:
        self.instruments = Instruments("1.2.3")
        self.instruments.watch({"main": ["Ask"]})
        self.log = LogLines()
        self._journal = Journal()
        self._healthy = "".join(self._text((self._observed(_good_state(), HEALTHY),)))

    def observe(self, answer: Answer, job_id: str) -> Observation:
        """Return what a scrape says about a job with this answer; only a QueryError is caught."""
        try:
            return self._observed(decoded(answer.status, answer.headers, answer.body), job_id)
        except QueryError as error:
            return self._observed(error, job_id)

    def check(self, sick: Sequence[Observation]) -> None:
        """Fail unless the page and the log are sound, and the healthy job's lines are untouched."""
        middle = len(sick) // 2
        healthy = self._observed(_good_state(), HEALTHY)
        every = (*sick[:middle], healthy, *sick[middle:])
        assert "".join(self._text(every)) == self._healthy
        page.render(
            _snapshot(every),
            version="1.2.3",
            telemetry_path="/metrics",
            view=View(),
            asides=Asides(),
        ).decode()
        self.log.check()

    def _observed(self, outcome: JobState | QueryError, job_id: str) -> Observation:
        ref = replace(REF, job_id=job_id)
        record = Record(ref, TARGET)
        if isinstance(outcome, QueryError):
            self.instruments.called("main", "Ask", 0.1, outcome)
            self._journal.queried(record, outcome, 0.1)
            record.fail(outcome, NOW)
        else:
            self.instruments.called("main", "Ask", 0.1)
            self.instruments.invalid(outcome.invalid_fields)
            self._journal.queried(record, outcome, 0.1)
            record.answer(outcome, NOW)
        return record.observation(
            ref, NOW, max_age=300.0, limits=_RULE, round_number=1, offset=OFFSET
        )

    def _text(self, observations: Sequence[Observation]) -> list[str]:
        """Return the healthy job's lines, in both formats, of pages that parse."""
        kept = []
        for accept, parse in ((TEXT, parse_text), (OPENMETRICS, parse_openmetrics)):
            text = rendered(observations, accept)
            families = list(parse(text))
            names = [family.name for family in families]
            assert len(set(names)) == len(names)
            seen = {s.labels["job_id"] for f in families for s in f.samples if "job_id" in s.labels}
            assert seen == {each.ref.job_id for each in observations}
            kept += [line for line in text.splitlines(keepends=True) if f'"{HEALTHY}"' in line]
        return kept


def rendered(
    observations: Sequence[Observation], accept: str, counters: CollectorRegistry | None = None
) -> str:
    """Return a page."""
    snapshot = _snapshot(observations)
    registry = CollectorRegistry() if counters is None else counters
    return render(lambda: snapshot, registry, accept=accept, names=())[1].decode()


def _snapshot(observations: Sequence[Observation]) -> Snapshot:
    health = {"main": TargetHealth(clock_skew=0.5)}
    return Snapshot(TAKEN_AT, 0.25, tuple(observations), health, {})


def _good_state() -> JobState:
    job = GOOD["Job"]
    assert isinstance(job, dict)
    document = {**GOOD, "Job": {**job, "Id": JOB_ID}}
    return KINDS[UPSERT_COLLECTION_DATA].decode(document, REF, TARGET.time_zone)


class LogLines(logging.Handler):
    """The log, as it would be written.

    Args:
        logger: whose lines.

    Attributes:
        lines: that no one has looked at yet.
        worst: the highest level so far.
    """

    def __init__(self, logger: str = "exporter") -> None:
        super().__init__(logging.DEBUG)
        self._logger = logging.getLogger(logger)
        self._formatters = (LineFormatter("logfmt"), LineFormatter("json"))
        self.lines: list[str] = []
        self.worst = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the lines of a record."""
        self.worst = max(self.worst, record.levelno)
        self.lines += [formatter.format(record) for formatter in self._formatters]

    def check(self) -> None:
        """Fail unless each record is one printable line of bounded length, and none an error."""
        for line in self.lines:
            assert line.isprintable(), line
            assert len(line) < _LONGEST_LINE, line
            line.encode()
        assert self.worst < logging.ERROR, self.lines
        self.lines.clear()

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False  # pytest keeps every record, and all that hangs on it
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(logging.NOTSET)
        self._logger.propagate = True
