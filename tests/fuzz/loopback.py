"""A server for answers by the ten thousand: one thread, no bookkeeping.

``tests.upstream`` keeps every connection and every request, to be asked about.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_PATIENCE = 60.0  # seconds until a thread that should end is given up

Script = Callable[[int, bytes], tuple[bytes, bool]]
"""From a listener's number and a request to the bytes of the answer, and whether to stay."""


class Loopback:
    """Answers requests at a number of ports of loopback, each connection when its turn comes.

    Args:
        script: picks the answers.
        listeners: how many ports.

    Attributes:
        urls: one for each listener.
    """

    def __init__(self, script: Script, listeners: int = 1) -> None:
        self._script = script
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(listeners)]
        self.urls = [f"http://127.0.0.1:{sock.getsockname()[1]}" for sock in self._listeners]
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        for number, sock in enumerate(self._listeners):
            self._selector.register(sock, selectors.EVENT_READ, number)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._wake.send(b"!")
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._wake.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if self._over.is_set():
                    return
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock in self._listeners:
                    client, _ = sock.accept()
                    client.settimeout(_PATIENCE)
                    self._selector.register(client, selectors.EVENT_READ, key.data)
                elif not self._answer(sock, key.data):
                    self._selector.unregister(sock)
                    sock.close()

    def _answer(self, sock: socket.socket, number: int) -> bool:
        """Answer one request; return whether there may be another."""
        with suppress(OSError):
            if (request := _request(sock)) is not None:
                answer, stay = self._script(number, request)
                sock.sendall(answer)
                return stay
        return False


def _request(sock: socket.socket) -> bytes | None:
    """Return a whole request of our client, which sends its Content-Length; None at the end."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            return received
        data = sock.recv(65_536)
        if not data:
            return None
        received += data
