"""Which jobs are due, one round of queries at a time, one deadline, and what was last seen."""

from exporter.polling.poller import Poller
from exporter.polling.settings import PollSettings, Scrape

__all__ = ["PollSettings", "Poller", "Scrape"]
