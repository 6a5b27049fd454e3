"""The configuration: the file becomes frozen records, or a list of every problem in it."""

from exporter.config.build import (
    SHORTEST_TOKEN,
    AnnouncedEntry,
    JobFile,
    load,
    read_announcement,
    read_job_file,
)
from exporter.config.credentials import CredentialsSettings, RamSettings
from exporter.config.settings import (
    ApiSettings,
    Config,
    DeadlineSettings,
    RegistrySettings,
    ScrapeSettings,
    Token,
)

__all__ = [
    "SHORTEST_TOKEN",
    "AnnouncedEntry",
    "ApiSettings",
    "Config",
    "CredentialsSettings",
    "DeadlineSettings",
    "JobFile",
    "RamSettings",
    "RegistrySettings",
    "ScrapeSettings",
    "Token",
    "load",
    "read_announcement",
    "read_job_file",
]
