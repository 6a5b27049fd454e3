"""Which jobs are due, one round of queries at a time, one deadline, and what was last seen."""

from exporter.poller.plan import Asked, Plan
from exporter.poller.poller import Poller

__all__ = ["Asked", "Plan", "Poller"]
