"""One client's connection: heads come in, responses go out, and neither takes for ever."""

import logging
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from exporter.clock import Deadline
from exporter.sockets import DeadlineSocket, DeadlineTlsSocket
from exporter.web.messages import (
    BodyLimit,
    Head,
    RefusedRequest,
    Response,
    find_head,
    parse_head,
    response_head,
)
from exporter.web.security.tls import TlsEndpoint, alternative_names

_log = logging.getLogger(__name__)
_TLS_HANDSHAKE = b"\x16"  # the first byte of a client that speaks TLS (RFC 8446, section 5.1)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RECEIVE = 16_384  # bytes at a time
_JOIN = 65_536  # bytes; a body up to this travels in one piece with its head
_LINGER = 2.0  # seconds in which a refused client may still read why


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take.

    Attributes:
        slots: connections, and so threads, at a time.
        backlog: connections that the kernel keeps waiting for a slot.
        request_seconds: for a whole request, with the TLS handshake before the first one.
        write_seconds: for the whole response.
        patience_seconds: of waiting for a request, for which nobody is evicted.
        idle_seconds: between two requests on one connection.
        request_line_bytes: more is answered by 414.
        header_bytes: of all headers together; more is answered by 431.
    """

    slots: int = 64
    backlog: int = 128
    request_seconds: float = 5.0
    write_seconds: float = 10.0
    patience_seconds: float = 0.02
    idle_seconds: float = 120.0
    request_line_bytes: int = 8_192
    header_bytes: int = 32_768


class Connection:
    """A connection whose every step has a deadline. For one thread, but for ``hang_up``."""

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        may_wait: Callable[["Connection"], bool],
        tls: Callable[[], TlsEndpoint | None] = lambda: None,
    ) -> None:
        """Take over a socket.

        Args:
            sock: just accepted.
            limits: what the client may take.
            may_wait: is called before waiting for the client; False ends the connection.
            tls: how to speak TLS from now on; None for plain HTTP.
        """
        self._sock: DeadlineSocket | DeadlineTlsSocket = DeadlineSocket.adopt(sock)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self._limits = limits
        self._may_wait = may_wait
        self._tls = tls
        self._secured = False  # it speaks TLS, or need not
        self._received = bytearray()
        self._kept = False  # a request came before

    def hang_up(self) -> None:
        """Make whatever another thread is doing with this connection end at once."""
        with suppress(OSError):  # the client was faster
            self._sock.cut()

    def close(self) -> None:
        """Give the descriptor back."""
        if isinstance(self._sock, DeadlineTlsSocket):
            self._sock.say_goodbye()
        self._sock.close()

    def read_request(self, body_limit: BodyLimit) -> Head | None:
        """Return the next request with its body; None when none will come.

        Args:
            body_limit: a longer body is refused before it is read.

        Raises:
            RefusedRequest: it is to be answered by a 4xx.
            OSError: the client went away.
        """
        self._sock.settimeout(
            self._limits.idle_seconds if self._kept else self._limits.request_seconds
        )
        try:
            if not self._received and not (self._secure() and self._receive()):
                return None
        except TimeoutError:
            return None
        if self._kept:
            self._sock.settimeout(self._limits.request_seconds)
        self._kept = True
        try:
            head = self._read_head()
            return self._with_body(head, body_limit(head.request)) if head else None
        except TimeoutError:
            raise RefusedRequest(408, "The request did not come in time.") from None

    def _secure(self) -> bool:
        """Go over to TLS, where that is asked for; return whether the client may go on."""
        if self._secured:
            return True
        self._secured = True
        endpoint = self._tls()
        if endpoint is None:
            return True
        deadline = Deadline.after(self._limits.request_seconds)
        if not (self._poll.poll(0) or self._may_wait(self)):
            return False
        first = self._sock.recv(1, socket.MSG_PEEK)  # no TLS object yet for who stays silent
        if first and first != _TLS_HANDSHAKE:
            raise RefusedRequest(400, "This port speaks TLS: the address begins with https://.")
        return bool(first) and self._shake_hands(endpoint, deadline)

    def _shake_hands(self, endpoint: TlsEndpoint, deadline: Deadline) -> bool:
        """Return whether the client may go on; the deadline is for its request too.

        Raises:
            OSError: it could not agree with us, or not in time.
            RefusedRequest: its certificate has no allowed name.
        """
        self._sock = sock = endpoint.wrap(self._sock)
        # It may have been hung up while the descriptor went from one object to the other.
        if not self._may_wait(self):
            return False
        sock.settimeout(deadline.timeout())
        try:
            sock.do_handshake()
        except ssl.SSLError:
            self._let_read()
            raise
        sock.settimeout(deadline.timeout())  # the library begins it anew
        if not endpoint.allowed_sans:
            return True
        try:
            names = alternative_names(sock.getpeercert() or {})
        except ValueError:  # UnicodeDecodeError: one of them is no text
            names = set()
        if not endpoint.allowed_sans.isdisjoint(names):
            return True
        shown = ", ".join(sorted(names)) or "none that can be read"
        _log.warning("client certificate with no allowed name", extra={"names": shown})
        # The handshake is over, and Python's TLS has no alert for it but that we close.
        raise RefusedRequest(
            403, "The client's certificate has none of the names that are allowed here."
        )

    def _let_read(self) -> None:
        """Let a client read OpenSSL's alert: closing on what it still sends would reset it."""
        self._sock.end_sending()
        self._sock.settimeout(_LINGER)
        deadline = Deadline.after(_LINGER)
        while not deadline.has_passed and socket.socket.recv(self._sock, _RECEIVE):
            pass

    def _receive(self) -> bool:
        """Return whether anything more came."""
        data = self._sock.recv_at_once(_RECEIVE) if self._poll.poll(0) else None
        if data is None:
            if not self._may_wait(self):
                return False
            data = self._sock.recv(_RECEIVE)
        self._received += data
        return bool(data)

    def _read_head(self) -> Head | None:
        limits, received, seen = self._limits, self._received, 0
        while True:
            while received.startswith(b"\r\n"):  # RFC 9112, section 2.2: to be ignored
                del received[:2]
            end = find_head(
                received, seen, line_limit=limits.request_line_bytes, limit=limits.header_bytes
            )
            if end >= 0:
                break
            seen = len(received)
            if not self._receive():
                return None
        raw = bytes(received[: end + 4])
        del received[: end + 4]
        return parse_head(raw)

    def _with_body(self, head: Head, limit: int) -> Head | None:
        """Return the head with the whole body in its request; None if the client left before."""
        received, size = self._received, head.body_bytes
        if not size:
            return head
        if size > limit:
            takes = f"a body of {limit} bytes at the most" if limit else "no body"
            raise RefusedRequest(413, f"This path takes {takes}.")
        if head.expects_continue and len(received) < size:
            self._sock.sendall(_CONTINUE)
        while len(received) < size:
            if not self._receive():
                return None
        body = bytes(received[:size])
        del received[:size]
        return replace(head, request=replace(head.request, body=body))

    def write(self, response: Response, *, keep_alive: bool, with_body: bool, now: float) -> None:
        """Send a response.

        Args:
            response: with its body, also where that is not sent.
            keep_alive: whether to say that another request may follow.
            with_body: False in the answer to a HEAD.
            now: Unix seconds.

        Raises:
            OSError: the client went away, or did not take it in time.
        """
        head = response_head(response, keep_alive=keep_alive, now=now)
        body = response.body if with_body else b""
        parts = (head + body,) if len(body) <= _JOIN else (head, body)
        deadline = Deadline.after(self._limits.write_seconds)
        for part in parts:
            self._sock.settimeout(deadline.timeout())
            self._sock.sendall(part)

    def linger(self) -> None:
        """Let a refused client read why: closing on what it still sends would reset it.

        Raises:
            OSError: the client went away, or sends without end.
        """
        if isinstance(self._sock, DeadlineTlsSocket):
            self._sock.say_goodbye()
        self._sock.end_sending()
        self._sock.settimeout(_LINGER)
        while self._receive():
            self._received.clear()
