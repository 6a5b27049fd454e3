"""Which jobs to watch: sources name them, one registry merges what the sources name."""

from exporter.jobs.announced import (
    ANNOUNCED,
    AnnouncedJobs,
    Announcements,
)
from exporter.jobs.files import JobFiles
from exporter.jobs.registry import Registry
from exporter.jobs.source import Batch, JobSource, Listing
from exporter.jobs.static import ConfiguredJobs

__all__ = [
    "ANNOUNCED",
    "AnnouncedJobs",
    "Announcements",
    "Batch",
    "ConfiguredJobs",
    "JobFiles",
    "JobSource",
    "Listing",
    "Registry",
]
