"""The configuration: the file becomes frozen records, or a list of every problem in it."""

from exporter.config.build import JobFile, load, read_job_file
from exporter.config.credentials import CredentialsSettings, RamSettings
from exporter.config.settings import ApiSettings, Config, DeadlineSettings, ScrapeSettings

__all__ = [
    "ApiSettings",
    "Config",
    "CredentialsSettings",
    "DeadlineSettings",
    "JobFile",
    "RamSettings",
    "ScrapeSettings",
    "load",
    "read_job_file",
]
