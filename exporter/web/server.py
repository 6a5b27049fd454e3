"""A bounded HTTP server: so many threads, so long for each step, and no client starves another.

One thread serves one connection, at most ``Limits.slots`` at a time. When all slots are taken, the
connection that has waited longest for a complete request, half-open or idle, makes room for the
new one. When all are truly serving, new ones wait in the kernel's backlog.
"""

import errno
import logging
import select
import socket
import threading
import time
from collections.abc import Callable

from exporter.clock import Deadline
from exporter.web.addresses import Address, listen
from exporter.web.connection import Connection, Limits
from exporter.web.messages import BodyLimit, Handler, RefusedRequest, Request, Response, text
from exporter.web.security.tls import TlsEndpoint
from exporter.web.slots import Admission, Slots

_log = logging.getLogger(__name__)
_PAUSE = 0.1  # seconds before the next connection is taken after one could not be
_SHED_PAUSE = 0.01  # seconds likewise, where one was evicted: its descriptor is soon free
_BETWEEN_WARNINGS = 60.0  # seconds
_SPENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Server:
    """Serves a handler on one address. Several servers may share a handler."""

    def __init__(
        self,
        address: Address,
        handler: Handler,
        *,
        body_limit: BodyLimit = lambda _: 0,
        limits: Limits | None = None,
        wall: Callable[[], float] = time.time,
        tls: Callable[[], TlsEndpoint | None] = lambda: None,
    ) -> None:
        """Bind the address; connections queue in the backlog until ``start``.

        Args:
            address: as ``parse_listen_address`` returns it; port 0 takes a free one.
            handler: is called in many threads at once.
            body_limit: how many bytes of body the handler takes; more is answered by 413.
            limits: what one client may take.
            wall: Unix seconds, for the header Date.
            tls: says at each connection how to speak TLS; None for plain HTTP.

        Raises:
            OSError: the address cannot be bound; see ``explain_listen_error``.
        """
        self._handler = handler
        self._body_limit = body_limit
        self._limits = limits or Limits()
        self._wall = wall
        self._tls = tls
        self._listener = listen(address, self._limits.backlog)
        self._listener.settimeout(0)
        host, port = self._listener.getsockname()[:2]
        self.address: Address = (host, port)  # where it really listens: the port is never 0
        self._wake, self._woken = socket.socketpair()
        self._slots: Slots[Connection] = Slots(self._limits.slots, self._limits.patience_seconds)
        self._stopping = threading.Event()  # each answer is the last on its connection
        self._closing = threading.Event()  # no connection is taken any more
        self._next_warning = 0.0  # monotonic
        self._acceptor = threading.Thread(target=self._accept_all, name="web-accept", daemon=True)

    def start(self) -> None:
        """Begin to serve, in threads of its own."""
        self._acceptor.start()

    def stop(self, grace: float) -> None:
        """Let the requests in flight be answered, then close.

        Meanwhile new ones are answered too, each as the last on its connection: else a probe
        that asks whether we are ready would find nobody.

        Args:
            grace: seconds to wait for requests in flight; those left then are cut.
        """
        if self._stopping.is_set():
            return
        deadline = Deadline.after(grace)
        self._stopping.set()
        self._slots.settle(grace)
        self._closing.set()
        self._wake.send(b"stop")
        self._slots.close()
        if self._acceptor.ident is not None:
            self._acceptor.join()
        for sock in (self._listener, self._wake, self._woken):
            sock.close()
        self._slots.drain(deadline)

    def _accept_all(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._closing.is_set():
            poll.poll()
            try:
                self._accept_one()
            except (BlockingIOError, ConnectionAbortedError):
                continue  # woken to stop, or the client has already gone
            except Exception as error:  # noqa: BLE001  whatever it is, the next client is served
                self._back_off(error)

    def _accept_one(self) -> None:
        sock, _ = self._listener.accept()
        connection = Connection(sock, self._limits, self._slots.pause, self._tls)
        admission = self._slots.admit(connection)
        if admission is Admission.CLOSED:
            connection.close()
        if admission is not Admission.FREE:
            return
        thread = threading.Thread(target=self._work, args=(connection,), name="web", daemon=True)
        try:
            thread.start()
        except BaseException:  # no memory, no more threads
            connection.close()
            self._slots.release(connection)
            raise

    def _back_off(self, error: Exception) -> None:
        """Neither spin nor fill the log while descriptors, threads or memory are short."""
        spent = isinstance(error, OSError) and error.errno in _SPENT
        shed = spent and self._slots.shed()
        now = time.monotonic()
        if now >= self._next_warning:
            _log.warning("cannot take a connection", extra={"error": str(error)})
            self._next_warning = now + _BETWEEN_WARNINGS
        self._closing.wait(_SHED_PAUSE if shed else _PAUSE)

    def _work(self, connection: Connection | None) -> None:
        while connection is not None:
            self._serve(connection)
            connection = self._slots.release(connection)

    def _serve(self, connection: Connection) -> None:
        # The connection's own thread, and so a TLS handshake holds up nobody else.
        try:
            self._converse(connection)
        except OSError as error:
            _log.debug("client went away", extra={"error": str(error)})
        except Exception:  # noqa: BLE001  a fault of ours costs one connection
            _log.exception("connection failed")
        finally:
            connection.close()

    def _converse(self, connection: Connection) -> None:
        keep_alive = True
        while keep_alive:
            try:
                head = connection.read_request(self._body_limit)
            except RefusedRequest as refused:
                connection.write(
                    refused.response, keep_alive=False, with_body=True, now=self._wall()
                )
                connection.linger()
                return
            if head is None or not self._slots.begin(connection):
                return
            response = self._answer(head.request)
            keep_alive = head.keep_alive and not self._stopping.is_set()
            connection.write(
                response,
                keep_alive=keep_alive,
                with_body=head.request.method != "HEAD",
                now=self._wall(),
            )

    def _answer(self, request: Request) -> Response:
        try:
            return self._handler(request)
        except Exception:  # noqa: BLE001  a fault of the handler costs one answer
            extra = {"method": request.method[:20], "path": request.path[:200]}
            _log.exception("request failed", extra=extra)
            return text(500, "Internal error. The exporter's log says where.")
