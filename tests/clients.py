"""What a client on a raw socket reads."""

import contextlib
import http.client
import socket


def answer(sock: socket.socket, method: str = "GET") -> tuple[int, bytes]:
    """Read one response: its status and its body."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response.status, response.read()


def rest(sock: socket.socket) -> bytes:
    """Read until the other side closes, in good order or not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65_536):
            received += data
    return received
