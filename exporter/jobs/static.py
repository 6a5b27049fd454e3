"""Jobs that the configuration itself names."""

from typing import Final

from exporter.config import Config
from exporter.jobs.source import Batch, Listing
from exporter.model import CONFIGURED


class ConfiguredJobs:
    """The jobs of a configuration. They change with a reload only, which makes another source.

    Args:
        config: checked.
    """

    name: Final = CONFIGURED

    def __init__(self, config: Config) -> None:
        self._listing = Listing(0, (Batch("", config.jobs),))

    def refresh(self) -> None:
        """Do nothing."""

    def listing(self) -> Listing:
        """Return the jobs, always the same."""
        return self._listing
