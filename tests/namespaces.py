"""A network of a test's own: loopback and what it likes, and no way out. Takes root."""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import pytest

T = TypeVar("T")

_NEWNET = 0x40000000  # CLONE_NEWNET: linux/sched.h
_SET_ADDRESS, _SET_FLAGS = 0x8916, 0x8914  # SIOCSIFADDR, SIOCSIFFLAGS: linux/sockios.h
_UP = 0x1  # IFF_UP: linux/if.h

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="only root may make a network of its own"
)


class Network:
    """A network namespace, from the entry of its ``with`` block to the end.

    Args:
        address: an IPv4 address that this machine has there, beside 127.0.0.1.

    Attributes:
        prefix: of a command that is to run there.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = -1
        self.prefix: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._file = _in_thread(self._make)
        self.prefix = ("nsenter", f"--net=/proc/{os.getpid()}/fd/{self._file}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def run(self, work: Callable[[], T]) -> T:
        """Return what it returns in a thread that is there. Sockets that it makes stay there."""

        def enter_and_work() -> T:
            _check(_libc.setns(self._file, _NEWNET))
            return work()

        return _in_thread(enter_and_work)

    def _make(self) -> int:
        _check(_libc.unshare(_NEWNET))
        file = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
            address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(self._address))
            fcntl.ioctl(any_socket, _SET_ADDRESS, struct.pack("16s16s", b"lo:1", address))
        return file


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _in_thread(work: Callable[[], T]) -> T:
    """Return what it returns in a thread of its own, whose network is its own affair."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  raised again below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
