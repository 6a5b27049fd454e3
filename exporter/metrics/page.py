"""The metrics page: from one snapshot and the counters to its pieces.

The lines of jobs, and of collections, are written straight from the metric table.
prometheus_client would spend nearly all of a page's time on validating, sorting and escaping labels
that are the same in each of a job's twenty series; here that is done once for each job, and not at
all where the lines of jobs that have ended are kept. All the rest of the page is written by
prometheus_client, and a test holds that the two say the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter import formats
from exporter.metrics import (
    FAMILIES,
    HISTORY_FAMILIES,
    JOB_LABELS,
    SCRAPE_FAMILIES,
    HistoryLines,
    JobFamily,
    ScrapeFamily,
    Value,
    job_label_names,
)
from exporter.metrics.families import pair
from exporter.metrics.pieces import Kept, Piece
from exporter.model import Observation, ScrapeResult, Snapshot

_TOGETHER = 128  # jobs whose lines of a row make one piece


def shows_jobs(names: tuple[str, ...]) -> bool:
    """Whether a page of these sample names needs a snapshot; none are for all."""
    jobs = (row.name for row in FAMILIES)
    scrapes = (row.name for row in SCRAPE_FAMILIES)
    collections = (name for row in HISTORY_FAMILIES for name in row.sample_names)
    return any(_wanted(name, names) for name in chain(jobs, scrapes, collections))


def _wanted(name: str, names: tuple[str, ...]) -> bool:
    return not names or name in names


class Pages:
    """Writes pages. Remembers the lines of jobs that have ended, compressed.

    Args:
        counters: the exporter's own metrics.
    """

    def __init__(self, counters: CollectorRegistry) -> None:
        self._counters = counters
        self._ended: dict[int, _Group] = {}  # by the position of their first job
        self._history = HistoryLines()

    def page(
        self, snapshot: Snapshot | None, *, accept: str, names: tuple[str, ...]
    ) -> tuple[str, Iterator[Piece]]:
        """Return the content type and the pieces of a page.

        The jobs come first, and the counters are read last.

        Args:
            snapshot: what is known of the jobs; None for a page that does not show them.
            accept: the request's Accept header.
            names: the sample names to show; none for all.
        """
        chosen = formats.choose(accept)
        encode = generate_openmetrics if chosen.is_openmetrics else generate_latest
        jobs: Iterator[Piece] = iter(())
        gauges: list[Metric] = []
        collections: Iterator[Piece] = iter(())
        if snapshot is not None:
            jobs = self._jobs([row for row in FAMILIES if _wanted(row.name, names)], snapshot)
            shown = [row for row in SCRAPE_FAMILIES if _wanted(row.name, names)]
            gauges = [scrape_metric(row, snapshot) for row in shown]
            collections = self._history.pieces(
                snapshot, names, is_openmetrics=chosen.is_openmetrics
            )
        rest = self._counters.restricted_registry(names) if names else self._counters
        about = Piece(lambda: encode(_Collected(gauges)).removesuffix(b"# EOF\n"))
        last = Piece(lambda: encode(_Collected(rest.collect())))
        return chosen.content_type, chain(jobs, (about,), collections, (last,))

    def _jobs(self, rows: Iterable[JobFamily], snapshot: Snapshot) -> Iterator[Piece]:
        """Yield the head of each row, and its lines: gauges look alike in both formats."""
        groups = self._grouped(snapshot.observations)
        for row in rows:
            yield Piece(partial(_head, row))
            for group in groups:
                yield group.piece(row, snapshot.taken_at)
        for group in groups:
            group.forget()

    def _grouped(self, observations: tuple[Observation, ...]) -> list["_Group"]:
        groups = []
        for start in range(0, len(observations), _TOGETHER):
            shown = observations[start : start + _TOGETHER]
            before = self._ended.get(start)
            groups.append(before if before and before.shown == shown else _Group(shown))
        self._ended = {n * _TOGETHER: group for n, group in enumerate(groups) if group.has_ended}
        return groups


class _Group:
    """Jobs whose lines are written together.

    Args:
        shown: the jobs, at least one.

    Attributes:
        has_ended: whether all have, so that their lines are the same from now on.
    """

    def __init__(self, shown: Sequence[Observation]) -> None:
        self.shown = shown
        self.has_ended = all(o.result is ScrapeResult.FINAL for o in shown)
        self._kept: dict[str, Kept] = {}  # by the row's name
        self._made: list[str] = []

    def piece(self, row: JobFamily, now: float) -> Piece:
        """Return the lines of a row."""
        if row.value is None:
            write = partial(self._lines_with_labels, row)
        else:
            write = partial(self._lines, row.name, row.value, now)
        kept = self._kept.setdefault(row.name, Kept()) if self.has_ended else None
        return Piece(write, kept)

    def _identities(self) -> list[str]:
        """Return the identity labels of each job; kept while the page is made."""
        made = self._made or [_labels(JOB_LABELS, o.ref.identity) for o in self.shown]
        self._made = made  # another scrape may forget it meanwhile
        return made

    def forget(self) -> None:
        """Keep nothing but what is compressed."""
        self._made = []

    def _lines(self, name: str, value: Value, now: float) -> bytes:
        start = f"{name}{{"
        lines = [
            f"{start}{text}}} {+known!r}\n"
            for observation, text in zip(self.shown, self._identities(), strict=True)
            if (known := value(observation, now)) is not None
        ]
        return "".join(lines).encode()

    def _lines_with_labels(self, row: JobFamily) -> bytes:
        start = f"{row.name}{{"
        names = job_label_names(row, self.shown)[len(JOB_LABELS) :]
        lines = [
            f"{start}{text},{_added_labels(names, values)}}} {+known!r}\n"
            for observation, text in zip(self.shown, self._identities(), strict=True)
            for values, known in row.labelled(observation)
        ]
        return "".join(lines).encode()


def _head(row: JobFamily) -> bytes:
    return f"# HELP {row.name} {row.help}\n# TYPE {row.name} gauge\n".encode()


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


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join([pair(*each) for each in zip(names, values, strict=True)])


_added_labels = lru_cache(maxsize=128)(_labels)  # of the status row, the same seven for each job
