"""A page as its first reader gets it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from exporter.collector import Pages
from exporter.model import Snapshot
from exporter.pieces import plain


def render(
    take_snapshot: Callable[[], Snapshot],
    counters: CollectorRegistry,
    *,
    accept: str,
    names: tuple[str, ...],
) -> tuple[str, bytes]:
    """Return the content type and the text."""
    content_type, pieces = Pages(counters).page(take_snapshot, accept=accept, names=names)
    return content_type, plain(pieces)
