"""What the web room asks of the running exporter."""

import itertools
from typing import TYPE_CHECKING, cast

from exporter.clock import Clock
from exporter.config import Config
from exporter.instruments import Instruments
from exporter.model import Snapshot
from exporter.service import Exporter, Loaded
from exporter.sources import Sources

if TYPE_CHECKING:
    from exporter.poller import Plan, Poller

NOTHING = Snapshot(taken_at=0.0, duration=0.0, observations=(), targets={}, file_errors={})


class DeadlinePoller:
    """Mimics the poller: notes until when it may ask, and has nothing to show."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    def take_snapshot(self, deadline: float) -> Snapshot:
        """See ``Poller``."""
        self.deadlines.append(deadline)
        return NOTHING


def exporter(poller: DeadlinePoller, *moments: float) -> Exporter:
    """Return an exporter whose clock shows these moments, one each time it is read."""
    config = Config(targets=(), jobs=())
    ticks = itertools.chain(moments, itertools.repeat(moments[-1]))
    loaded = Loaded(config, Sources(config), cast("Plan", None))
    return Exporter(
        loaded,
        lambda loaded: loaded,
        poller=cast("Poller", poller),
        instruments=Instruments("1.2.3"),
        clock=Clock(monotonic=lambda: next(ticks)),
    )


def test_the_time_that_a_page_takes_to_write_is_left_for_the_next() -> None:
    """After a page that took two seconds to write, the next one asks two seconds less."""
    poller = DeadlinePoller()
    service = exporter(poller, 100.0, 103.0, 105.0, 200.0)

    service.scrape("", (), budget=9.0)
    service.scrape("", (), budget=9.0)

    assert poller.deadlines == [109.0, 207.0]


def test_half_of_the_budget_is_for_asking() -> None:
    """However long a page takes to write, half of the time is left to ask the API."""
    poller = DeadlinePoller()
    service = exporter(poller, 100.0, 103.0, 160.0, 200.0)

    service.scrape("", (), budget=9.0)
    service.scrape("", (), budget=9.0)

    assert poller.deadlines == [109.0, 204.5]


def test_a_page_without_jobs_does_not_count() -> None:
    """A page of counters alone asks nothing, and tells nothing of how long a whole page takes."""
    poller = DeadlinePoller()
    service = exporter(poller, 100.0, 103.0, 105.0, 150.0, 200.0)

    service.scrape("", (), budget=9.0)
    service.scrape("", ("process_open_fds",), budget=9.0)
    service.scrape("", (), budget=9.0)

    assert poller.deadlines == [109.0, 207.0]
