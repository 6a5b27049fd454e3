"""A page as its first reader gets it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from exporter.metrics.page import Pages, shows_jobs
from exporter.metrics.pieces import plain
from exporter.model import Snapshot


def render(
    take_snapshot: Callable[[], Snapshot],
    counters: CollectorRegistry,
    *,
    accept: str,
    names: tuple[str, ...],
) -> tuple[str, bytes]:
    """Return the content type and the text."""
    snapshot = take_snapshot() if shows_jobs(names) else None
    content_type, pieces = Pages(counters).page(snapshot, accept=accept, names=names)
    return content_type, plain(pieces)
