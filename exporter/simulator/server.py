"""The simulator on a socket: the standard library's HTTP server, with keep-alive."""

import logging
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from exporter.clock import Clock
from exporter.simulator.scenario import Scenario
from exporter.simulator.service import Reply, Service
from exporter.simulator.verify import Request

LONGEST_BODY = 65_536  # bytes
_POLL = 0.05  # seconds until the server notices that it is to stop
_log = logging.getLogger(__name__)


class _Handler(BaseHTTPRequestHandler):
    """One client: one request at a time, the next one after the answer."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # a status line, too, for what is no request line
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece: two writes would wait for each other
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    server: "_Server"

    def do_POST(self) -> None:
        """Answer a call after the latency that the scenario has for it."""
        body = self._read_body()
        if body is None:
            return
        names = {name.lower() for name in self.headers}
        headers = {
            name: ",".join(value.strip() for value in self.headers.get_all(name, []))
            for name in names
        }
        path, _, query = self.path.partition("?")
        reply = self.server.answer(Request(self.command, path, query, headers, body))
        if reply.latency > 0 and self.server.stopping.wait(reply.latency):
            self.close_connection = True
            return
        self.send_response_only(reply.http_status)  # without the date of this machine's clock
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST  # noqa: N815  the name that the library calls

    def _read_body(self) -> bytes | None:
        """Return the request's body; None where there is none to answer for."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "expected Content-Length, not a transfer encoding")
        elif not (length.isascii() and length.isdigit() and len(length) < 10):
            self.send_error(400, "expected Content-Length to be a number")
        elif int(length) > LONGEST_BODY:
            self.send_error(413, "the body is too long")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self.close_connection = True
        return None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Write no line for each call: the service counts them."""


class _Server(ThreadingHTTPServer):
    """The listener, and a thread for each connection."""

    request_queue_size = 512  # a burst of clients connects at once

    def __init__(self, service: Service, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.service = service
        self.stopping = threading.Event()
        self._answering = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL,), name="simulator", daemon=True
        )
        self._thread.start()

    def answer(self, request: Request) -> Reply:
        """Call the service, for one client at a time."""
        with self._answering:
            return self.service.answer(request)

    def stop(self) -> None:
        """Accept no more, cut every connection, and free the port."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        for sock in self._open.copy():
            with suppress(OSError):  # its client was faster
                sock.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection, so that ``stop`` can cut it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection, and close it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with a connection; a client may go whenever it likes."""
        del request, client_address
        if not isinstance(sys.exception(), OSError):
            _log.exception("connection failed")


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
        self._server: _Server | None = None

    def start(self) -> Self:
        """Listen, and let the jobs begin.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server = _Server(Service(self._scenario, self._clock), self._address)
        return self

    def stop(self) -> None:
        """Drop every connection and free the port. Does nothing when it does not run."""
        if self._server is not None:
            self._server.stop()
            self._server = None

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
        host, port = self._started.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @property
    def seconds(self) -> float:
        """Seconds since the start: the time of the scenario's jobs."""
        return self._started.service.seconds

    @property
    def _started(self) -> _Server:
        if self._server is None:
            raise RuntimeError("the simulator has not been started")
        return self._server
