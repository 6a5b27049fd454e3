"""The metrics page: from one snapshot and the counters to bytes.

The jobs' lines are written straight from the metric table. prometheus_client would spend nearly
all of a page's time on validating, sorting and escaping labels that are the same in each of a
job's twenty series; here that is done once for each job. All the rest of the page is written by
prometheus_client, and a test holds that the two write alike.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.metrics import (
    FAMILIES,
    JOB_LABELS,
    SCRAPE_FAMILIES,
    JobFamily,
    ScrapeFamily,
    job_label_names,
)
from exporter.model import Observation, Snapshot

# prometheus_client compares a version with numbers, and raises where it is none; where it begins
# with one, it repeats all of it in the Content-Type.
_NO_VERSION = re.compile(r"version=(?![0-9]{1,4}(?:\.[0-9]{1,4}){0,2}[ \t]*(?:[;,]|$))[^;,]*")
_BY_NAME = sorted(range(len(JOB_LABELS)), key=JOB_LABELS.__getitem__)  # as prometheus_client does


def render(
    take_snapshot: Callable[[], Snapshot],
    counters: CollectorRegistry,
    *,
    accept: str,
    names: tuple[str, ...],
) -> tuple[str, bytes]:
    """Return the content type and the bytes of a page.

    The jobs come first: asking about them makes the queries that the counters then show.

    Args:
        take_snapshot: asks the API; not called when no name wants it.
        counters: the exporter's own metrics.
        accept: the request's Accept header.
        names: the sample names to show; none for all.
    """
    rows = [row for row in FAMILIES if not names or row.name in names]
    scrape_rows = [row for row in SCRAPE_FAMILIES if not names or row.name in names]
    jobs = ""
    gauges: list[Metric] = []
    if rows or scrape_rows:
        snapshot = take_snapshot()
        jobs = "".join(job_lines(rows, snapshot))
        gauges = [scrape_metric(row, snapshot) for row in scrape_rows]
    rest = counters.restricted_registry(names) if names else counters
    encode, content_type = choose_encoder(_NO_VERSION.sub("", accept))
    return content_type, jobs.encode() + encode(_Collected(chain(gauges, rest.collect())))


def job_lines(rows: Iterable[JobFamily], snapshot: Snapshot) -> Iterator[str]:
    """Yield the text of each row: its head, and a line for each sample.

    Gauges are written the same in the text format and in OpenMetrics.
    """
    observations, now = snapshot.observations, snapshot.taken_at
    identities = [_label_parts(JOB_LABELS, o.ref.identity) for o in observations]
    texts = [",".join([parts[position] for position in _BY_NAME]) for parts in identities]
    for row in rows:
        yield f"# HELP {row.name} {row.help}\n# TYPE {row.name} gauge\n"
        if row.labels:
            yield from _lines_with_labels(row, observations, identities, now)
            continue
        for observation, text in zip(observations, texts, strict=True):
            for _, value in row.samples(observation, now):
                yield f"{row.name}{{{text}}} {_number(value)}\n"


def _lines_with_labels(
    row: JobFamily,
    observations: Sequence[Observation],
    identities: Sequence[tuple[str, ...]],
    now: float,
) -> Iterator[str]:
    names = job_label_names(row, observations)
    added = names[len(JOB_LABELS) :]
    order = sorted(range(len(names)), key=names.__getitem__)
    for observation, identity in zip(observations, identities, strict=True):
        for values, value in row.samples(observation, now):
            parts = identity + _label_parts(added, values)
            text = ",".join([parts[position] for position in order])
            yield f"{row.name}{{{text}}} {_number(value)}\n"


def scrape_metric(row: ScrapeFamily, snapshot: Snapshot) -> Metric:
    """Return a gauge about the scrape as prometheus_client has it."""
    metric = GaugeMetricFamily(row.name, row.help, labels=row.labels)
    for labels, value in row.samples(snapshot):
        metric.add_metric(labels, value)
    return metric


class _Collected(Collector):
    """Metrics that are collected already: what prometheus_client's encoders take."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _label_parts(names: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    return tuple([f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)])


def _escaped(value: str) -> str:
    """Escape a label value, as both formats have it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value in (0.0, 1.0):  # most of a page
        return "1.0" if value else "0.0"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
