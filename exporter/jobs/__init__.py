"""Which jobs to watch: sources name them, one registry merges what the sources name."""

from exporter.jobs.files import JobFiles
from exporter.jobs.registry import Registry
from exporter.jobs.source import Batch, JobSource, Listing
from exporter.jobs.static import ConfiguredJobs
from exporter.jobs.stored import StoredSource

__all__ = [
    "Batch",
    "ConfiguredJobs",
    "JobFiles",
    "JobSource",
    "Listing",
    "Registry",
    "StoredSource",
]
