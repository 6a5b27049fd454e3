"""What the web room asks of the running exporter."""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from exporter.clock import Clock, Deadline
from exporter.config import Config
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.instruments import Instruments
from exporter.jobs import JobFiles, Registry
from exporter.model import JobRef, Snapshot, WatchList
from exporter.polling import Scrape
from exporter.polling.settings import WatchedJobs
from exporter.service import Exporter, Runtime
from tests.config_files import Watched
from tests.fakes import LIMIT, HandSetClock, memory_ledger

if TYPE_CHECKING:
    from exporter.polling import Poller, PollSettings

NOTHING = Snapshot(taken_at=0.0, duration=0.0, observations=(), targets={}, file_errors={})
SETTINGS = cast("PollSettings", SimpleNamespace(generation=1))
SCRAPE = Scrape(WatchedJobs(SETTINGS, WatchList({}, ()), ()), 1, 0.0)


class DeadlinePoller:
    """Mimics the poller: notes until when it may ask, and has nothing to show."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    def poll(self, deadline: Deadline) -> Scrape:
        """See ``Poller``."""
        self.deadlines.append(deadline.at)
        return SCRAPE

    def snapshot(self, _: Scrape) -> Snapshot:
        """See ``Poller``."""
        return NOTHING


class TickingClock(Clock):
    """Mimics the two clocks: the wall clock and the offset between them stand still."""

    def offset(self) -> float:
        """Return the offset without a look at either clock."""
        return 0.0


def exporter(poller: DeadlinePoller, *moments: float, jobs: int = 0) -> Exporter:
    """Return an exporter whose clock shows these moments, one each time a scrape reads it."""
    named = tuple(
        JobRef("t", "cn-hangzhou", f"job-{number}", "c", kind=UPSERT_COLLECTION_DATA)
        for number in range(jobs)
    )
    config = Config(targets=(), jobs=named)
    ticks = itertools.chain((0.0,), moments, itertools.repeat(moments[-1]))
    watched = Watched(config)
    runtime = Runtime(config, watched.registry, watched.files, cast("PollSettings", None))
    return Exporter(
        runtime,
        lambda runtime: runtime,
        poller=cast("Poller", poller),
        instruments=Instruments("1.2.3"),
        ledger=memory_ledger(),
        clock=TickingClock(monotonic=lambda: next(ticks)),
    )


def test_the_time_that_a_page_takes_to_write_is_left_for_the_next() -> None:
    """After a page that took two seconds to write, the next one asks two seconds less."""
    poller = DeadlinePoller()
    service = exporter(poller, 100.0, 103.0, 105.0, 200.0)

    service.scrape("", (), budget=9.0)
    service.scrape("", (), budget=9.0)

    assert poller.deadlines == [109.0, 207.0]


def test_the_first_page_leaves_time_for_its_writing() -> None:
    """Before a page has shown what it takes, 0.2 ms are reserved for each job that is named."""
    poller = DeadlinePoller()
    service = exporter(poller, 100.0, 109.0, 109.5, 200.0, jobs=10_000)

    service.scrape("", (), budget=9.5)

    assert poller.deadlines == [107.5]


def test_a_dear_page_is_remembered_for_a_while() -> None:
    """Cheap pages after a dear one do not take away the time that another dear one needs."""
    poller = DeadlinePoller()
    dear, cheap = (100.0, 105.0, 108.0), (200.0, 200.0, 200.0)
    service = exporter(poller, *dear, *cheap * 100, jobs=10_000)

    for _ in range(60):
        service.scrape("", (), budget=9.5)

    reserved = [9.5 - deadline % 100 for deadline in poller.deadlines]
    assert reserved[:3] == [pytest.approx(2.0), pytest.approx(4.5), pytest.approx(4.275)]
    assert reserved[-1] == pytest.approx(0.5)
    assert reserved[1:] == sorted(reserved[1:], reverse=True)


def test_a_source_that_hangs_holds_up_no_scrape() -> None:
    """A page comes with the jobs that are known, however long their files take to be read."""
    config, poller, go = Config(), DeadlinePoller(), threading.Event()

    def read(path: str) -> tuple[os.stat_result, bytes]:
        assert go.wait(LIMIT)
        return Path(path).stat(), b""

    files = JobFiles(replace(config, job_files=(__file__,)), read=read)
    service = Exporter(
        Runtime(config, Registry(config, (files,)), files, cast("PollSettings", None)),
        lambda runtime: runtime,
        poller=cast("Poller", poller),
        instruments=Instruments("1.2.3"),
        ledger=memory_ledger(),
        clock=Clock(),
    )

    content_type, _ = service.scrape("", (), budget=0.04)
    go.set()

    assert content_type.startswith("text/plain")
    assert len(poller.deadlines) == 1


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
    service = exporter(poller, 100.0, 103.0, 105.0, 200.0)

    service.scrape("", (), budget=9.0)
    service.scrape("", ("process_open_fds",), budget=9.0)
    service.scrape("", (), budget=9.0)

    assert poller.deadlines == [109.0, 207.0]


class CrowdedPoller(DeadlinePoller):
    """Mimics the poller: its first snapshot takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = 0
        self.begun, self.go = threading.Event(), threading.Event()

    def snapshot(self, _: Scrape) -> Snapshot:
        """See ``Poller``."""
        self.snapshots += 1
        self.begun.set()
        assert self.go.wait(LIMIT)
        return NOTHING


class Accept(str):
    """A header that tells when a page of it is looked up, after which its caller waits for one."""

    __slots__ = ("looked_up",)

    looked_up: threading.Event

    def __init__(self, _: str) -> None:
        self.looked_up = threading.Event()

    def __hash__(self) -> int:
        self.looked_up.set()
        return str.__hash__(self)


def test_a_crowd_of_scrapes_shares_a_page() -> None:
    """Each asks, so that the jobs are as fresh as it may expect; the page is written once."""
    poller = CrowdedPoller()
    service = exporter(poller, 100.0)
    crowd = [Accept("text/plain") for _ in range(16)]
    with ThreadPoolExecutor(17) as pool:
        first = pool.submit(service.scrape, "text/plain", (), budget=9.0)
        assert poller.begun.wait(LIMIT)
        others = [pool.submit(service.scrape, accept, (), budget=9.0) for accept in crowd]
        assert all(accept.looked_up.wait(LIMIT) for accept in crowd)
        poller.go.set()
        pages = [other.result(LIMIT) for other in (first, *others)]

    assert len(poller.deadlines) == 17
    assert poller.snapshots == 2
    assert all(content_type.startswith("text/plain") for content_type, _ in pages)


def test_a_step_of_the_clock_moves_the_time_of_the_reload() -> None:
    """A configuration that was loaded ten seconds ago is shown so, wherever the clock stands."""
    time = HandSetClock()
    config, instruments = Config(targets=(), jobs=()), Instruments("1.2.3")
    watched = Watched(config)
    Exporter(
        Runtime(config, watched.registry, watched.files, cast("PollSettings", None)),
        lambda runtime: runtime,
        poller=cast("Poller", DeadlinePoller()),
        instruments=instruments,
        ledger=memory_ledger(),
        clock=time.clock(),
    )
    time.advance(10.0)
    time.jump(3600.0)

    name = "adbpg_exporter_config_last_reload_success_timestamp_seconds"
    assert instruments.registry.get_sample_value(name) == time.wall - 10.0
