"""The simulator on a socket: HTTP/1.1 with keep-alive, on one thread.

An event loop and not a thread for each client: a call costs a fraction of the time, so that as the
upstream of a benchmark it leaves the processor to what is measured.
"""

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any, Self

from exporter.clock import Clock
from exporter.simulator.scenario import Scenario
from exporter.simulator.service import Reply, Service
from exporter.simulator.verify import Request
from exporter.simulator.wire import LONGEST_HEAD, BadRequest, body_length, parse_head, render

_BACKLOG = 512  # a burst of clients connects at once
_STOP_LIMIT = 10.0  # seconds
_LINGER = 1.0  # seconds
# The loop's timers fire up to a millisecond late: this much sooner, their mean is right.
_TIMER_LEAD = 0.0005


class _Connection(asyncio.Protocol):
    """One client: one request at a time, the next one after the answer."""

    def __init__(self, service: Service, open_ones: set[asyncio.Transport]) -> None:
        self._service = service
        self._open_ones = open_ones
        self._buffer = b""
        self._busy = False
        self._gave_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a TCP server gets
        self._transport = transport
        self._open_ones.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a client may go whenever it likes
        self._open_ones.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._gave_up:
            return
        self._buffer += data
        if self._busy:
            self._transport.pause_reading()
        else:
            self._next()

    def _next(self) -> None:
        try:
            request = self._take_request()
        except BadRequest as error:
            self._give_up(error)
            return
        if request is not None:
            self._answer(request)

    def _give_up(self, error: BadRequest) -> None:
        """Answer 400, and read on for a while: a close with bytes unread would take it back."""
        self._gave_up = True
        self._transport.write(render(_bad_request(error), close=True))
        self._transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER, self._transport.close)

    def _take_request(self) -> Request | None:
        """Take one whole request out of the buffer, or None while there is none."""
        end = self._buffer.find(b"\r\n\r\n")
        if end > LONGEST_HEAD or (end < 0 and len(self._buffer) > LONGEST_HEAD):
            raise BadRequest("the headers are too long")
        if end < 0:
            return None
        method, path, query, headers = parse_head(self._buffer[:end])
        after = end + 4 + body_length(headers)
        if len(self._buffer) < after:
            return None
        body, self._buffer = self._buffer[end + 4 : after], self._buffer[after:]
        return Request(method, path, query, headers, body)

    def _answer(self, request: Request) -> None:
        self._busy = True
        reply = self._service.answer(request)
        close = request.headers.get("connection", "").lower() == "close"
        loop = asyncio.get_running_loop()
        if reply.latency > _TIMER_LEAD:
            loop.call_later(reply.latency - _TIMER_LEAD, self._send, reply, close)
        else:
            loop.call_soon(self._send, reply, close)

    def _send(self, reply: Reply, close: bool) -> None:  # noqa: FBT001  call_later has no keywords
        self._busy = False
        if self._transport.is_closing():
            return
        self._transport.write(render(reply, close=close))
        if close:
            self._transport.close()
            return
        self._transport.resume_reading()
        if self._buffer:
            self._next()


def _bad_request(error: BadRequest) -> Reply:
    body = f"400 Bad Request: {error}\n".encode()
    return Reply(400, (("Content-Type", "text/plain; charset=utf-8"),), body)


class Simulator:
    """A simulated gpdb API that listens from ``start`` to ``stop``, or as a context manager.

    Args:
        scenario: what it knows.
        address: host and port; port 0 takes a free one.
        clock: what time it is. The scenario's jobs begin with ``start``.
    """

    def __init__(
        self,
        scenario: Scenario,
        address: tuple[str, int] = ("127.0.0.1", 0),
        clock: Clock | None = None,
    ) -> None:
        self._scenario = scenario
        self._address = address
        self._clock = clock or Clock()
        self._running: _Running | None = None

    def start(self) -> Self:
        """Listen, and let the jobs begin.

        Raises:
            OSError: the address cannot be listened on.
        """
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._running = _Running(Service(self._scenario, self._clock), listener)
        return self

    def stop(self) -> None:
        """Drop every connection and free the port. Does nothing when it does not run."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port, such as ``http://127.0.0.1:18080``."""
        host, port = self._started.address[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def seconds(self) -> float:
        """Seconds since the start: the time of the scenario's jobs."""
        return self._started.service.seconds

    @property
    def _started(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("the simulator has not been started")
        return self._running


class _Running:
    """The thread, its loop and its connections."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self.service = service
        self.address: Any = listener.getsockname()
        self._listener = listener
        self._open_ones: set[asyncio.Transport] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_LIMIT)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Connection(self.service, self._open_ones),
            sock=self._listener,
            backlog=_BACKLOG,
        )
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for transport in tuple(self._open_ones):
            transport.abort()
        await asyncio.sleep(0)  # a turn of the loop closes the aborted sockets
