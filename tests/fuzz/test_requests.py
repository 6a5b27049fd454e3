"""Whatever clients send to our own server, it answers, and goes on to answer others."""

import base64
import contextlib
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest

from exporter.config import ScrapeSettings
from exporter.instruments import Instruments
from exporter.metrics.page import Pages
from exporter.metrics.pieces import gzipped, plain
from exporter.model import JobState, JobStatus, Observation, ScrapeResult, Snapshot
from exporter.secret import Secret
from exporter.web.app import App, Settings
from exporter.web.connection import Limits
from exporter.web.security import Guard, Passwords, WebConfig
from exporter.web.server import Server
from tests.fuzz.amount import attempt
from tests.fuzz.pages import REF, TAKEN_AT, LogLines
from tests.fuzz.requests import USER, Talk, talks

SLOTS = 8
MOST = 4  # requests on a connection
PATIENCE = 60.0  # seconds until a server that should have answered is given up
GOOD = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    b"Authorization: Basic %b\r\n\r\n" % base64.b64encode(USER)
)
# ``USER``, at bcrypt's lowest cost.
USERS = {b"a": Secret("$2b$04$Y6e8LyAW/ipWH02zcAhwHexa4CeeCBuYbmvyhUP.H3sRuHr74B2DK")}

Record = Callable[[str, object], None]


class SnapshotBackend:
    """Mimics the exporter behind the routes: one running job, seen once, and real counters."""

    def __init__(self) -> None:
        self._instruments = Instruments("1.2.3")
        self._instruments.watch({"main": ["Ask"]})
        self._pages = Pages(self._instruments.registry)
        state = JobState(JobStatus.RUNNING, completed=False, progress=1600, created=1.7e9)
        seen = Observation(REF, ScrapeResult.FRESH, state, up=True, queried_at=TAKEN_AT)
        self._snapshot = Snapshot(TAKEN_AT, 0.25, (seen,), {}, {})

    def scrape(
        self, accept: str, names: tuple[str, ...], budget: float, *, gzip: bool
    ) -> tuple[str, bytes]:
        """Return a real page."""
        assert 0 < budget <= 300
        content_type, pieces = self._pages.page(self.last_seen(), accept=accept, names=names)
        return content_type, gzipped(pieces) if gzip else plain(pieces)

    def last_seen(self) -> Snapshot:
        """Return the one job."""
        return self._snapshot

    def reload(self) -> None:
        """Find nothing new."""

    def is_ready(self) -> bool:
        """Never stop."""
        return True


def statuses(received: bytes, *, is_cut: bool) -> list[int]:
    """Return the statuses of responses in a row; fail where the row is no such thing.

    Args:
        received: the responses.
        is_cut: whether the connection was reset, so that the last one may be cut off.
    """
    found, start = [], 0
    while start < len(received):
        if is_cut and b"\r\n\r\n" not in received[start:]:
            break
        end = received.index(b"\r\n\r\n", start) + 4
        line, *fields = received[start : end - 4].decode("ascii").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = dict(field.split(": ", 1) for field in fields)
        found.append(int(status))
        # A response to HEAD tells the length of a body that does not follow.
        is_bare = end == len(received) or received.startswith(b"HTTP/1.1 ", end)
        start = end if is_bare else end + int(headers["Content-Length"])
        assert is_cut or start <= len(received), "cut off"
    return found


def send(server: Server, segments: list[bytes]) -> list[int]:
    """Send segments, say that no more will come, and return the statuses of all answers."""
    received = bytearray()
    is_reset = False
    with socket.create_connection(server.address, PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for segment in segments:
                sock.sendall(segment)
            sock.shutdown(socket.SHUT_WR)
            while data := sock.recv(65_536):
                received += data
        except TimeoutError:
            raise
        except OSError:  # it sent on after a request that it had called its last, and was reset
            is_reset = True
    return statuses(bytes(received), is_cut=is_reset)


@contextlib.contextmanager
def serving(users: Mapping[bytes, Secret]) -> Iterator[Server]:
    """A server on real sockets, with fewer slots than usual."""
    app = App(SnapshotBackend(), Settings("1.2.3", lifecycle=True), ScrapeSettings)
    config = WebConfig(users=users)
    guard = Guard(app, lambda: config, Passwords(b"key"))
    limits = Limits(slots=SLOTS)
    running = Server(("127.0.0.1", 0), guard, body_limit=app.body_limit, limits=limits)
    running.start()
    try:
        yield running
    finally:
        running.stop(PATIENCE)


@pytest.mark.parametrize(
    ("users", "part", "expected"),
    [({}, 1, {200, 400, 404}), (USERS, 5, {200, 400, 401})],
    ids=["open", "with passwords"],
)
def test_any_requests(
    users: Mapping[bytes, Secret],
    part: int,
    expected: set[int],
    record_testsuite_property: Record,
) -> None:
    """Any bytes are answered below 500 or not at all, and then a good request is answered well.

    There are never more threads than slots, and the log has nothing to tell.
    """
    seen, sent = Counter[int](), Counter[str]()

    def check(connections: list[Talk]) -> None:
        for talk in connections:
            seen.update(send(server, talk.segments))
            sent["requests"] += len(talk.requests)
        assert send(server, [GOOD]) == [200]
        assert sum(thread.name == "web" for thread in threading.enumerate()) <= SLOTS

    with serving(users) as server, LogLines() as log:
        # On a connection, there are two requests and more on the average.
        attempt(check, talks(MOST), short=1_000 // part, part=2 * part)
        log.check()
    record_testsuite_property(f"fuzzing: requests, {len(users)} users", sent["requests"])
    assert expected <= seen.keys()
    assert max(seen) < 500
    assert log.worst < logging.WARNING
