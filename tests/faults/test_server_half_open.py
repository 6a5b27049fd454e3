"""A crowd of clients that begin a request and never end it."""

import contextlib
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients import rest
from tests.faults.raw import connect, ids, scenario, vitals
from tests.processes import exporter, get, simulator

CROWD = 2_000
HALF = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
SLOTS = 64  # connections that are served at a time
DROPPED = 5.0  # seconds until a connection without a request is dropped


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process is the crowd."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_half_open_connections(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 29: through 2,000 half-open requests scrapes are in time, and each of them is dropped.

    At most 80 threads do it.
    """
    with (
        simulator(scenario(ids(5)), tmp_path) as api,
        exporter(api.configuration(), tmp_path) as it,
        contextlib.ExitStack() as clients,
    ):
        crowd, seconds, threads = [], [], []
        came = time.monotonic()
        for number in range(CROWD):
            crowd.append(clients.enter_context(connect(it, HALF)))
            if number % 50 == 0:
                began = time.monotonic()
                assert get(it.url + "/metrics")[0] == 200
                seconds.append(time.monotonic() - began)
                threads.append(vitals(it).threads)
        took = time.monotonic() - came
        for client in crowd:
            rest(client)  # returns once it is dropped

    p99 = statistics.quantiles(seconds, n=100)[98]
    record_testsuite_property("fault 29: p99 of a scrape, seconds", round(p99, 3))
    record_testsuite_property("fault 29: threads", max(threads))
    assert took < CROWD / SLOTS * DROPPED  # so long it would take if the crowd made no room
    assert max(threads) <= 80
