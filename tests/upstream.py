"""A scripted HTTP server on loopback: raw sockets, so that it does what no good server would.

What it does for a request is a behaviour: ``send(message(b"{}"))``, ``hang()``,
``drip(message(b"{}"))``, ``both(send(message(b"{}")[:-1]), reset())``. An upstream takes one for
each request in turn, the last one again and again, or a function that picks by the request.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time
_PATIENCE = 60.0  # seconds until a thread that should end is given up


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Attributes:
        connection: the number of its connection, from 1.
        method: such as ``POST``.
        target: path and query, or host and port for CONNECT.
        header_lines: names and values as they were spelt.
        body: as many bytes as Content-Length said.
    """

    connection: int
    method: str
    target: str
    header_lines: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name."""
        return {name.lower(): value for name, value in self.header_lines}


class Wire:
    """The server's end of a connection.

    Attributes:
        number: from 1, in the order of the connections.
        received: every byte that the client sent, decrypted.
        sent: how many bytes the client's side took.
        is_open: whether there may be another request on it.
    """

    def __init__(self, sock: socket.socket, number: int, over: threading.Event) -> None:
        self.sock = sock
        self.number = number
        self.received = bytearray()
        self.sent = 0
        self.is_open = True
        self._unread = b""
        self._over = over

    def request(self) -> Request | None:
        """Read the next request; None at the end of the connection."""
        while b"\r\n\r\n" not in self._unread:
            if not self.listen():
                return None
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = tuple(
            (name, value.strip()) for name, _, value in (x.partition(":") for x in lines)
        )
        length = int(next((v for n, v in headers if n.lower() == "content-length"), "0"))
        while len(self._unread) < length:
            if not self.listen():
                return None
        body, self._unread = self._unread[:length], self._unread[length:]
        return Request(self.number, method, target, headers, body)

    def listen(self) -> bool:
        """Wait for more bytes; False at the end of the connection."""
        data = self.sock.recv(65_536)
        self.received += data
        self._unread += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        for start in range(0, len(data), 65_536):
            piece = data[start : start + 65_536]
            self.sock.sendall(piece)
            self.sent += len(piece)

    def pause(self, seconds: float | None = None) -> None:
        """Wait; raise ConnectionError where the server ends meanwhile."""
        if self._over.wait(seconds):
            raise ConnectionError

    def close(self, *, reset: bool = False) -> None:
        """End the connection, in good order or with a reset."""
        self.is_open = False
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()

    def wake(self) -> None:
        """Make whoever reads from it or writes to it stop."""
        with suppress(OSError):
            # Not through SSLSocket, which would pull its state from under the reader.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


Behaviour = Callable[[Wire], None]
Script = Callable[[Request], Behaviour]


class Upstream:
    """The server, from the entry of its ``with`` block to the end.

    Args:
        script: behaviours for the requests in turn, or one function that picks a behaviour.
        tls: to serve with TLS.
        greeting: what to do with a fresh connection, before TLS and before any request.
        host: the address to listen at, on loopback.
        port: to listen at; 0 for any free one.

    Attributes:
        requests: all that came, in order.
        wires: one for each connection.
        port: where it listens.
        tls_versions: of each completed handshake, such as ``TLSv1.3``.
    """

    def __init__(
        self,
        script: Script | Iterable[Behaviour] = (),
        *,
        tls: ssl.SSLContext | None = None,
        greeting: Behaviour | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        self.wires: list[Wire] = []
        self.tls_versions: list[str | None] = []
        self._script = script if callable(script) else _in_turn(tuple(script))
        self._tls = tls
        self._greeting = greeting
        self._over = threading.Event()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._host = f"[{host}]" if ":" in host else host
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        """Its address: by number over plain HTTP, by name over TLS."""
        return f"https://localhost:{self.port}" if self._tls else f"http://{self._host}:{self.port}"

    @property
    def sent(self) -> int:
        """How many bytes all clients together took."""
        return sum(wire.sent for wire in self.wires)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(_PATIENCE)  # no further connection comes after it
        self._listener.close()
        for wire in self.wires:
            wire.wake()
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a behaviour does not end"

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._over.is_set():
                sock, _ = self._listener.accept()
                wire = Wire(sock, len(self.wires) + 1, self._over)
                self.wires.append(wire)
                thread = threading.Thread(target=self._serve, args=(wire,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, wire: Wire) -> None:
        # ValueError: a TLS socket that is closed while it is read.
        with suppress(OSError, ValueError):
            self._begin(wire)
            while wire.is_open and (request := wire.request()) is not None:
                with self._lock:
                    self.requests.append(request)
                    behaviour = self._script(request)
                behaviour(wire)
        wire.sock.close()

    def _begin(self, wire: Wire) -> None:
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._greeting is not None:
            self._greeting(wire)
        if self._tls is not None and wire.is_open:
            tls = self._tls.wrap_socket(wire.sock, server_side=True)
            wire.sock = tls
            self.tls_versions.append(tls.version())


def _in_turn(behaviours: tuple[Behaviour, ...]) -> Script:
    """Pick the first behaviour for the first request, and the last for all that are left."""
    left = list(behaviours) or [hang()]
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def message(
    body: bytes | Mapping[str, object] = b"",
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    length: int | None = None,
    chunk: int = 0,
) -> bytes:
    """Return the bytes of an HTTP answer.

    Args:
        body: as it is, or an object to be written as JSON.
        status: the HTTP status.
        headers: further ones.
        length: Content-Length, when it is to be a lie; -1 for none.
        chunk: bytes of each chunk; 0 to send a Content-Length instead.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    if chunk:
        lines.append("Transfer-Encoding: chunked")
        pieces = [raw[start : start + chunk] for start in range(0, len(raw), chunk)]
        raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    elif length != -1:
        lines.append(f"Content-Length: {len(raw) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + raw


def send(data: bytes) -> Behaviour:
    """Send these bytes."""
    return lambda wire: wire.send(data)


def drip(data: bytes, *, every: float = 0.01) -> Behaviour:
    """Send these bytes one by one, that many seconds apart."""

    def behave(wire: Wire) -> None:
        for byte in data:
            wire.send(bytes([byte]))
            wire.pause(every)

    return behave


def pour(piece: bytes) -> Behaviour:
    """Send the same bytes again and again, until the client is gone."""

    def behave(wire: Wire) -> None:
        while True:
            wire.send(piece)

    return behave


def listen() -> Behaviour:
    """Wait until the client sends anything more, and take it in."""

    def behave(wire: Wire) -> None:
        wire.listen()

    return behave


def rest(seconds: float) -> Behaviour:
    """Do nothing for a while."""
    return lambda wire: wire.pause(seconds)


def hang() -> Behaviour:
    """Do nothing, and keep the connection."""
    return lambda wire: wire.pause()


def hang_up() -> Behaviour:
    """Close the connection in good order."""
    return lambda wire: wire.close()


def reset() -> Behaviour:
    """Break the connection."""
    return lambda wire: wire.close(reset=True)


def both(*behaviours: Behaviour) -> Behaviour:
    """Do one after the other."""

    def behave(wire: Wire) -> None:
        for behaviour in behaviours:
            behaviour(wire)

    return behave


def tunnel(port: int) -> Behaviour:
    """Accept a CONNECT to whatever host, and lead it to a port of this machine."""

    def behave(wire: Wire) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy_back, args=(there, wire))
            back.start()
            with suppress(OSError):
                while data := wire.sock.recv(65_536):
                    wire.received += data
                    there.sendall(data)
            with suppress(OSError):
                there.shutdown(socket.SHUT_RDWR)
            back.join(_PATIENCE)
        wire.close()

    return behave


def _copy_back(there: socket.socket, wire: Wire) -> None:
    with suppress(OSError):
        while data := there.recv(65_536):
            wire.send(data)
    wire.wake()
