"""A crowd of scrapers in one thread, so that the client takes little from the server under test."""

import selectors
import socket
import time
from urllib.parse import urlsplit

_BUFFER = bytearray(1 << 20)


def slowest(url: str, count: int, *, least: int) -> float:
    """Ask so many times at once, and return the seconds until the last answer was complete.

    Args:
        url: of a page, over HTTP.
        count: of the connections.
        least: bytes that each answer must have.
    """
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    received: dict[socket.socket, int] = {}
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for _ in range(count):
            sock = socket.create_connection((parts.hostname, parts.port))
            sock.sendall(request.encode())
            sock.settimeout(0)
            selector.register(sock, selectors.EVENT_READ, sock)
            received[sock] = 0
        while selector.get_map():
            for key, _ in selector.select(timeout=60):
                _receive(selector, key.data, received)
        seconds = time.perf_counter() - began
    whole = sum(size >= least for size in received.values())
    assert whole == count, f"only {whole} of {count} were served"
    return seconds


def _receive(
    selector: selectors.BaseSelector, sock: socket.socket, received: dict[socket.socket, int]
) -> None:
    size = sock.recv_into(_BUFFER)
    if not received[sock]:
        assert _BUFFER.startswith(b"HTTP/1.1 200 "), bytes(_BUFFER[:200])
    received[sock] += size
    if not size:
        selector.unregister(sock)
        sock.close()
