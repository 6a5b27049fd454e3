"""Jobs that the store holds: those announced over HTTP, and those whose job file has gone."""

from typing import Protocol

from exporter.config import Config
from exporter.jobs.source import Batch, Listing
from exporter.model import JobRef


class StoredJobs(Protocol):
    """What keeps the jobs, over all reloads."""

    def jobs(self, source: str) -> tuple[int, tuple[JobRef, ...]]:
        """Return the jobs of a source, and a number that goes with them."""

    def version(self, source: str) -> int:
        """Return another number whenever the jobs of a source are others."""


class StoredSource:
    """The jobs of one source as a configuration names their targets and labels.

    Args:
        name: of the source.
        config: the targets and labels that there are.
        stored: keeps the jobs.
    """

    def __init__(self, name: str, config: Config, stored: StoredJobs) -> None:
        self.name = name
        self._targets = {target.name: target for target in config.targets}
        self._labels = config.job_labels
        self._stored = stored
        self._listing = Listing(-1, ())

    def refresh(self) -> None:
        """Do nothing: the store is read before any source is."""

    def listing(self) -> Listing:
        """Return the jobs of the targets that there are."""
        listing = self._listing
        if listing.version != self._stored.version(self.name):
            version, refs = self._stored.jobs(self.name)
            jobs = tuple(self._rebased(ref) for ref in refs if ref.target in self._targets)
            self._listing = listing = Listing(version, (Batch("", jobs),))
        return listing

    def _rebased(self, ref: JobRef) -> JobRef:
        return self._targets[ref.target].rebased(ref, self._labels)
