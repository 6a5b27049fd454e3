"""The bridge to prometheus_client: a snapshot becomes metric families, and they a page."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.metrics import FAMILIES, SCRAPE_FAMILIES, job_label_names
from exporter.model import Snapshot


class JobCollector(Collector):
    """Gives the families of one scrape.

    Args:
        take_snapshot: asks the API; called once, when the families are collected.
    """

    def __init__(self, take_snapshot: Callable[[], Snapshot]) -> None:
        self._take_snapshot = take_snapshot

    def describe(self) -> Iterable[Metric]:
        """Name the families: without this, registering or ``name[]`` would call the API."""
        for row in FAMILIES:
            yield GaugeMetricFamily(row.name, row.help)
        for family in SCRAPE_FAMILIES:
            yield GaugeMetricFamily(family.name, family.help)

    def collect(self) -> Iterable[Metric]:
        """Take the snapshot and turn it into families."""
        return families(self._take_snapshot())


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Return the families of a snapshot, in the order of the tables."""
    observations, now = snapshot.observations, snapshot.taken_at
    for row in FAMILIES:
        metric = GaugeMetricFamily(row.name, row.help, labels=job_label_names(row, observations))
        for observation in observations:
            identity = observation.ref.identity
            for extra, value in row.samples(observation, now):
                metric.add_metric((*identity, *extra), value)
        yield metric
    for family in SCRAPE_FAMILIES:
        metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for labels, value in family.samples(snapshot):
            metric.add_metric(labels, value)
        yield metric


def render(
    take_snapshot: Callable[[], Snapshot],
    counters: CollectorRegistry,
    *,
    accept: str,
    names: tuple[str, ...],
) -> tuple[str, bytes]:
    """Return the content type and the bytes of a page.

    The jobs come first: collecting them makes the queries that the counters then show.

    Args:
        take_snapshot: asks the API; not called when no name wants it.
        counters: the exporter's own metrics.
        accept: the request's Accept header.
        names: the sample names to show; none for all.
    """
    jobs = CollectorRegistry()
    jobs.register(JobCollector(take_snapshot))
    encode, content_type = choose_encoder(accept)
    return content_type, encode(_Both(jobs, counters, names))


class _Both:
    """Two registries as one, for prometheus_client's encoders: they only ever collect."""

    def __init__(
        self, jobs: CollectorRegistry, counters: CollectorRegistry, names: tuple[str, ...]
    ) -> None:
        self._registries = (jobs, counters)
        self._names = names

    def collect(self) -> Iterator[Metric]:
        for registry in self._registries:
            source = registry.restricted_registry(self._names) if self._names else registry
            yield from source.collect()
