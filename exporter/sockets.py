"""Sockets whose timeout bounds everything received until it is set again.

An ordinary socket's timeout starts anew with each ``recv``, so that a peer that sends a byte a
second holds its reader for ever. Sending, connecting and the TLS handshake need no such help:
CPython gives each ``sendall``, ``connect`` and ``do_handshake`` one deadline.
"""

import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CLOSE_ENOUGH = 0.001  # seconds


class _Deadline(socket.socket):
    """What the two have in common: ``settimeout`` sets a deadline, receiving keeps to it.

    None and 0 mean what they always mean: wait for ever, and never wait. ``gettimeout`` returns
    what was left at the last receiving, so set the timeout again before sending.
    """

    _deadline: float | None = None  # of the class: an SSLContext never calls __init__

    def settimeout(self, value: float | None, /) -> None:
        """Allow all receiving together this many seconds from now."""
        self._wait_at_most(value)
        self._deadline = monotonic() + value if value else None

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001  the library's signature
        """Drop the deadline."""
        super().setblocking(flag)
        self._deadline = None

    def cut(self) -> None:
        """End whatever another thread is doing with this socket.

        An SSLSocket's own ``shutdown`` would take TLS from under that thread, which would then
        read the enciphered bytes.
        """
        socket.socket.shutdown(self, socket.SHUT_RDWR)

    def end_sending(self) -> None:
        """Send no more, and keep receiving."""
        socket.socket.shutdown(self, socket.SHUT_WR)

    def _shrink(self) -> None:
        if self._deadline is not None:
            left = self._deadline - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._wait_at_most(left)

    def _wait_at_most(self, seconds: float | None) -> None:
        """Set the library's timeout, unless it is right to a millisecond.

        Setting it is a system call that lets go of the interpreter, for which all threads wait.
        """
        now = self.gettimeout()
        if not (now and seconds) or abs(now - seconds) > _CLOSE_ENOUGH:
            super().settimeout(seconds)


class DeadlineSocket(_Deadline):
    """A socket on which ``recv``, ``recv_into`` and ``makefile`` share one timeout."""

    @classmethod
    def adopt(cls, sock: socket.socket) -> Self:
        """Take over the descriptor and the timeout of a socket, which is of no use afterwards."""
        timeout = sock.gettimeout()
        adopted = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        adopted.settimeout(timeout)
        return adopted

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive in what is left of the time; raise TimeoutError when nothing is left."""
        self._shrink()
        return super().recv(bufsize, flags)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """Receive in what is left of the time; raise TimeoutError when nothing is left."""
        self._shrink()
        return super().recv_into(buffer, nbytes, flags)

    def recv_at_once(self, bufsize: int) -> bytes | None:
        """Receive what is there; None where that would take waiting. The deadline counts."""
        self._shrink()
        try:
            return super().recv(bufsize, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None


class DeadlineTlsSocket(_Deadline, ssl.SSLSocket):
    """The same over TLS: give this class to an ``SSLContext`` as its ``sslsocket_class``."""

    def read(self, len: int = 1024, buffer: "WriteableBuffer | None" = None) -> bytes:  # noqa: A002  the library's signature
        """Receive in what is left of the time; ``recv``, ``recv_into`` and ``makefile`` use it."""
        self._shrink()
        return super().read(len, buffer)

    def recv_at_once(self, bufsize: int) -> bytes | None:
        """Receive what is there; None where that would take waiting, as for half a record."""
        self._shrink()
        super(_Deadline, self).settimeout(0)  # the deadline stays: the next read sets what is left
        try:
            return super().read(bufsize)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def say_goodbye(self) -> None:
        """Send the peer the end of the stream, if that works without waiting."""
        super(_Deadline, self).settimeout(0)
        with suppress(OSError, ValueError):  # it has gone, or TLS never came about
            self.unwrap()
