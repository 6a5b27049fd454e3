"""What a row of the metric table is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from exporter.model import Observation, Snapshot

JOB_LABELS = ("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id")
"""The identity labels of a job, in the order of ``JobRef.identity``."""

Sample = tuple[tuple[str, ...], float]
"""The values of the labels that a row adds, and the sample's value."""


Value = Callable[[Observation, float], float | None]
"""An observation and ``now`` to a sample's value; None for no sample."""


def pair(name: str, value: str) -> str:
    """Return a label of a line; both formats escape its value in the same way."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}="{escaped}"'


@dataclass(frozen=True, slots=True)
class JobFamily:
    """A metric of each job. All are gauges, and all have the identity labels.

    What it gives of a job that has ended does not depend on ``now``.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        value: of its one sample; a row with labels of its own has ``labelled`` instead.
        labels: what it has beside the identity labels.
        labelled: an observation to the samples that it gives.
        notes: what to know when reading it: edge cases and blind spots. For docs/metrics.md.
    """

    name: str
    help: str
    value: Value | None = None
    labels: tuple[str, ...] = ()
    labelled: Callable[[Observation], Iterable[Sample]] = lambda _: ()
    notes: str = ""

    def samples(self, observation: Observation, now: float) -> Iterable[Sample]:
        """Return the samples of a job."""
        if self.value is None:
            return self.labelled(observation)
        value = self.value(observation, now)
        return () if value is None else (((), value),)


@dataclass(frozen=True, slots=True)
class ScrapeFamily:
    """A gauge about the scrape itself. The attributes are those of ``JobFamily``."""

    name: str
    help: str
    samples: Callable[[Snapshot], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class CountedFamily:
    """A metric that is counted while queries are made; ``instruments`` keeps it.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        type: its type.
        labels: all of its labels.
        notes: as in ``JobFamily``.
    """

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    notes: str = ""
