"""The configuration: the file becomes frozen records, or a list of every problem in it."""

from exporter.config.build import load, read_job_file
from exporter.config.settings import (
    ApiSettings,
    Config,
    CredentialsSettings,
    DeadlineSettings,
    ScrapeSettings,
)

__all__ = [
    "ApiSettings",
    "Config",
    "CredentialsSettings",
    "DeadlineSettings",
    "ScrapeSettings",
    "load",
    "read_job_file",
]
