"""What a process pays to write a page: ours, and prometheus_client's of the same observations.

For each line that it is sent it writes the page once; its CPU is measured from outside. The text
is left in page.txt.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily

from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.metrics import FAMILIES, job_label_names
from exporter.metrics.page import Pages
from exporter.metrics.pieces import gzipped, plain
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult, Snapshot

_NOW = 1764000000.5


def _observation(number: int) -> Observation:
    ref = JobRef(
        target="rag-prod",
        region_id="cn-hangzhou",
        job_id=f"231460f8-75dc-405e-a669-{number:012d}",
        collection=f"collection_{number % 500}",
        collection_namespace="rag",
        db_instance_id="gp-bp1bench",
        expected_entries=500000,
        kind=UPSERT_COLLECTION_DATA,
    )
    state = JobState(
        JobStatus.RUNNING, completed=False, progress=number * 37, created=_NOW, updated=_NOW + 100
    )
    return Observation(
        ref,
        ScrapeResult.FRESH,
        state,
        up=True,
        queried_at=_NOW,
        answered_at=_NOW,
        progress_changed_at=_NOW,
        planned_end=_NOW + 1000,
    )


class _InThePlainWay:
    """A collector as prometheus_client's manual shows it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Say nothing before the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Make the same metrics."""
        shown = self._snapshot.observations
        for row in FAMILIES:
            family = GaugeMetricFamily(row.name, row.help, labels=job_label_names(row, shown))
            for observation in shown:
                for added, value in row.samples(observation, self._snapshot.taken_at):
                    family.add_metric((*observation.ref.identity, *added), value)
            yield family


def main() -> None:
    """Write pages until the end of the input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("writer", choices=["ours", "client"])
    parser.add_argument("jobs", type=int)
    options = parser.parse_args()
    snapshot = Snapshot(
        _NOW, 0.1, tuple(_observation(number) for number in range(options.jobs)), {}, {}
    )
    registry = CollectorRegistry()
    pages = Pages(CollectorRegistry())
    registry.register(_InThePlainWay(snapshot))
    page = plain(pages.page(snapshot, accept="", names=())[1])
    Path("page.txt").write_bytes(page)
    print(f"ready {sum(not line.startswith(b'#') for line in page.splitlines())}", flush=True)
    for _ in sys.stdin:
        if options.writer == "ours":
            gzipped(pages.page(snapshot, accept="", names=())[1])
        else:
            generate_latest(registry)
        print("done", flush=True)


if __name__ == "__main__":
    main()
