"""The metrics of collections: what remains when the series of their jobs are gone."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from exporter.gpdb.kinds import KINDS
from exporter.metrics.families import Sample
from exporter.model import DURATION_BUCKETS, CollectionHistory, JobStatus, Snapshot, Unit

COLLECTION_LABELS = (
    *("collection", "collection_namespace", "db_instance_id", "workspace_id"),
    "kind",
)
"""The labels of each collection and kind of job, in the order of their identity."""


@dataclass(frozen=True, slots=True)
class HistoryFamily:
    """A metric of each collection and kind of job.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        type: its type.
        samples: a collection's history to its samples; a histogram has none, and the limit of
            an age, which is no history.
        labels: what it has beside ``COLLECTION_LABELS``.
        notes: as in ``JobFamily``.
    """

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    samples: Callable[[CollectionHistory], Iterable[Sample]] = lambda _: ()
    labels: tuple[str, ...] = ()
    notes: str = ""

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names of its samples, as one may ask for them."""
        if self.type != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")


def _known(field: str) -> Callable[[CollectionHistory], Iterable[Sample]]:
    def samples(history: CollectionHistory) -> Iterable[Sample]:
        value: float | None = getattr(history, field)
        return () if value is None else (((), value),)

    return samples


def _finished(history: CollectionHistory) -> Iterable[Sample]:
    return [((status.value,), number) for status, number in history.finished.items()]


def _entries(history: CollectionHistory) -> Iterable[Sample]:
    kind = KINDS.get(history.kind)  # a newer exporter may know further kinds
    return (((), history.entries),) if kind and kind.unit is Unit.ENTRIES else ()


def _llm_tokens(history: CollectionHistory) -> Iterable[Sample]:
    return ((("input",), history.llm_input_tokens), (("output",), history.llm_output_tokens))


def _last_status(history: CollectionHistory) -> Iterable[Sample]:
    last = history.last_status
    if last is None:
        return ()
    return [((status.value,), status is last) for status in JobStatus if status.is_final]


_MAX_AGE = "adbpg_collection_max_age_seconds"
_LATER = (
    "Counted once, by the first exporter that sees the end, and shown by every exporter of the "
    "same store from the next scrape on: use `max by` over replicas."
)
HISTORY_FAMILIES: tuple[HistoryFamily, ...] = (
    HistoryFamily(
        "adbpg_collection_jobs_finished_total",
        "Jobs that have ended, by how.",
        "counter",
        _finished,
        ("status",),
        f"{_LATER} With `registry.store: memory` it begins at 0 with the exporter, and jobs that "
        "were there and had ended already at its start are not counted.",
    ),
    HistoryFamily(
        "adbpg_collection_jobs_lost_total",
        "Jobs that were given up before anybody saw how they ended.",
        "counter",
        _known("lost"),
        notes="Announced jobs, and those whose job file has gone, after `registry.keep_unseen` "
        "without an answer.",
    ),
    HistoryFamily(
        "adbpg_collection_job_duration_seconds",
        "How long jobs took, from CreateTime to UpdateTime.",
        "histogram",
        notes="Of all that have ended, whatever way; those without these times are left out.",
    ),
    HistoryFamily(
        "adbpg_collection_uploaded_entries_total",
        "Entries that jobs had uploaded when they ended.",
        "counter",
        _entries,
        notes="Only of uploads of vectors.",
    ),
    HistoryFamily(
        "adbpg_collection_embedding_tokens_total",
        "Tokens that the texts of ended jobs had when they were embedded.",
        "counter",
        _known("embedding_tokens"),
    ),
    HistoryFamily(
        "adbpg_collection_llm_tokens_total",
        "Tokens that ended jobs have exchanged with the large language model.",
        "counter",
        _llm_tokens,
        ("direction",),
        "`input` and `output`. They are billed.",
    ),
    HistoryFamily(
        "adbpg_collection_last_success_timestamp_seconds",
        "When a job was last seen to have succeeded, by the exporter's clock.",
        "gauge",
        _known("last_success"),
        notes="Absent before the first one.",
    ),
    HistoryFamily(
        "adbpg_collection_last_completion_timestamp_seconds",
        "When a job was last seen to have ended, by the exporter's clock.",
        "gauge",
        _known("last_completion"),
        notes="As above.",
    ),
    HistoryFamily(
        "adbpg_collection_last_job_status",
        "How the newest job that has ended did so: 1 for its status, 0 for the others.",
        "gauge",
        _last_status,
        ("status",),
        "The newest by CreateTime. Absent before the first one.",
    ),
    HistoryFamily(
        _MAX_AGE,
        "How long ago the last success may be, as `freshness` says.",
        "gauge",
        notes="`AdbpgCollectionStale` compares it with the last success.",
    ),
)


def history_metrics(snapshot: Snapshot, names: Sequence[str] = ()) -> Iterator[Metric]:
    """Yield the metrics of all collections as prometheus_client has them.

    Args:
        snapshot: what is known.
        names: of the samples to show; none for all.
    """
    for row in HISTORY_FAMILIES:
        if names and not set(row.sample_names) & set(names):
            continue
        metric = _metric(row)
        for history in snapshot.history:
            key = (*history.collection, history.kind)
            if isinstance(metric, HistogramMetricFamily):
                metric.add_metric(key, _buckets(history), history.duration_sum)
                continue
            for labels, value in row.samples(history):
                metric.add_metric((*key, *labels), value)
        if isinstance(metric, GaugeMetricFamily) and row.name == _MAX_AGE:
            for each in snapshot.freshness:
                metric.add_metric((*each.collection, each.kind), each.max_age)
        if names:
            metric.samples = [sample for sample in metric.samples if sample.name in names]
        yield metric


def _metric(
    row: HistoryFamily,
) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    labels = COLLECTION_LABELS + row.labels
    if row.type == "counter":
        return CounterMetricFamily(row.name, row.help, labels=labels)
    if row.type == "gauge":
        return GaugeMetricFamily(row.name, row.help, labels=labels)
    return HistogramMetricFamily(row.name, row.help, labels=labels)


def _buckets(history: CollectionHistory) -> list[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in DURATION_BUCKETS), "+Inf"]
    return list(zip(bounds, itertools.accumulate(history.durations), strict=True))
