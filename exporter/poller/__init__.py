"""Which jobs are due, one round of queries at a time, one deadline, and what was last seen."""

from exporter.poller.poller import Plan, Poller

__all__ = ["Plan", "Poller"]
