"""A name server of the tests' own, and a way to make the exporter ask it."""

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

HOST = "gpdb.faults.test"
_A = b"\0\1"  # the type of question that asks for an IPv4 address
_PORT = 53  # resolv.conf knows no other

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ,
    reason="only root may put a resolv.conf in place for one process, and serve port 53",
)


class NameServer:
    """Answers for names over UDP, from the entry of its ``with`` block to the end.

    Args:
        folder: for a resolv.conf that leads to it.
        addresses: IPv4 addresses by name. All other names do not exist.

    Attributes:
        addresses: as above; may be changed.
        is_silent: it takes questions and never answers.
        questions: how many came.
        prefix: of a command that is to resolve names here.
    """

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.addresses = dict(addresses)
        self.is_silent = False
        self.questions = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        here = _address_of_ours()
        self._socket.bind((here, _PORT))
        self._thread = threading.Thread(target=self._serve)
        self._over = threading.Event()
        file = folder / "resolv.conf"
        # Ten attempts of half a minute each: nobody who waits for the system's resolver is in time.
        file.write_text(f"nameserver {here}\noptions timeout:30 attempts:10\n")
        # In a mount namespace of its own: no other process sees this resolv.conf.
        script = f'mount --bind "{file}" /etc/resolv.conf && exec "$@"'
        self.prefix = ("unshare", "--mount", "sh", "-c", script, "sh")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if self._over.is_set():
                return
            self.questions += 1
            if not self.is_silent:
                self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        """Return the answer to a question: RFC 1035, section 4."""
        end = question.index(b"\0", 12) + 5  # the name, its end, type and class
        address = self.addresses.get(_name(question))
        code = b"\x81\x80" if address else b"\x81\x83"  # no error, or no such name
        has_answer = address is not None and question[end - 4 : end - 2] == _A
        counts = b"\0\1" + (b"\0\1" if has_answer else b"\0\0") + bytes(4)
        record = b""
        if has_answer and address is not None:
            # The name as in the question, type A, class IN, forgotten at once, four bytes.
            record = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4" + socket.inet_aton(address)
        return question[:2] + code + counts + question[12:end] + record


def _name(question: bytes) -> str:
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower()


def _address_of_ours() -> str:
    """Return an address on loopback that no other run takes."""
    number = os.getpid()
    return f"127.{53 + number // 62_500 % 200}.{1 + number // 250 % 250}.{1 + number % 250}"
