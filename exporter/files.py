"""Reads files that may never answer: on a mount that hangs, or a pipe that nobody writes to.

No system call can be bounded from outside. So another thread looks at the file, and the caller
stops waiting for it. Until that thread has come back, nobody else looks at the file: a mount that
hangs holds one thread for each of its files, and callers fail at once.
"""

import errno
import os
import queue
import stat as modes
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar, cast

from exporter.clock import Deadline

T = TypeVar("T")

PATIENCE: Final = 2.0
"""Seconds that a look at a file may take while the exporter serves."""
START_PATIENCE: Final = 5.0
"""Seconds that all files of a configuration may take together, at a start or a reload."""
NO_ANSWER: Final = "it does not answer: a mount hangs, or nobody writes to a pipe"

_LEAST: Final = 0.1  # seconds for each further file once the patience has ended
_MOST_IDLE: Final = 4  # threads that wait for a file to look at

_patience: ContextVar[Deadline | None] = ContextVar("_patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let all looks in this block take so long together, in place of ``PATIENCE`` each.

    Args:
        seconds: for the whole block.
    """
    token = _patience.set(Deadline.after(seconds))
    try:
        yield
    finally:
        _patience.reset(token)


def stat(path: str) -> os.stat_result:
    """Return a file's status.

    Raises:
        OSError: there is none, or no answer (TimeoutError).
        ValueError: the path holds a NUL.
    """
    return within(("stat", path), lambda: os.stat(path))  # noqa: PTH116  half the cost of Path.stat


Fingerprint = tuple[int, ...]
"""Differs when a file was written or replaced."""


def fingerprint(status: os.stat_result) -> Fingerprint:
    """Return the fingerprint of a file.

    The time of the last change of the status is in it, since a tool that copies a file into place
    may keep the old one's time of modification.
    """
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_dev,
        status.st_ino,
        status.st_size,
    )


def read(path: str, most: int, *, regular: bool = False) -> tuple[os.stat_result, bytes]:
    """Return a file's status and the beginning of its content.

    Args:
        path: of the file.
        most: bytes that are read at most.
        regular: refuse a pipe or a device; else what comes through a pipe until its end is read.

    Raises:
        OSError: it cannot be read, or there is no answer (TimeoutError).
        ValueError: the path holds a NUL.
    """
    return within(("read", path, most, regular), lambda: read_here(path, most, regular=regular))


def hangs(path: str) -> bool:
    """Tell whether a look at a file has been given up, and has not come back since."""
    return _looks.is_overdue(path)


def within(key: tuple[Hashable, ...], work: Callable[[], T]) -> T:
    """Return what ``work`` returns, in another thread. Callers with one key share one thread.

    Args:
        key: stands for what the work does; the file's path is in it.
        work: may take for ever.

    Raises:
        TimeoutError: the patience has ended, for this caller or an earlier one; its
            ``strerror`` is ``NO_ANSWER``.
        OSError: there is no thread to be had; or whatever the work raises.
    """
    deadline = _patience.get()
    seconds = PATIENCE if deadline is None else max(deadline.left(), _LEAST)
    return cast("T", _looks.result(key, work, seconds))


def read_here(path: str, most: int, *, regular: bool = False) -> tuple[os.stat_result, bytes]:
    """Do as ``read`` does, in the caller's thread, however long it takes.

    Raises:
        OSError: it cannot be read.
        ValueError: the path holds a NUL.
    """
    with open(path, "rb", opener=_open_without_waiting if regular else None) as file:
        status = os.fstat(file.fileno())
        if regular and not modes.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return status, file.read(most)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to opens at once


class _Look:
    """One piece of work, and how it ended.

    Attributes:
        is_overdue: somebody has stopped waiting for it.
    """

    __slots__ = ("future", "is_overdue", "key", "work")

    def __init__(self, key: tuple[Hashable, ...], work: Callable[[], Any]) -> None:
        self.key = key
        self.work = work
        self.future: Future[Any] = Future()
        self.is_overdue = False


class Looks:
    """The looks that are under way, and the threads that are free for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[tuple[Hashable, ...], _Look] = {}
        self._handed_over: queue.SimpleQueue[_Look] = queue.SimpleQueue()
        self._idle = 0  # threads that wait, less the looks that are handed over

    def is_overdue(self, path: str) -> bool:
        """See ``hangs``."""
        with self._lock:
            return any(look.is_overdue and path in look.key for look in self._under_way.values())

    def result(self, key: tuple[Hashable, ...], work: Callable[[], Any], seconds: float) -> Any:
        """Return what a look gives, waiting at most so long. See ``within``."""
        with self._lock:
            look = self._under_way.get(key)
            if look is None:
                look = self._begin(_Look(key, work))
            elif look.is_overdue:
                raise TimeoutError(errno.ETIMEDOUT, NO_ANSWER)
        try:
            return look.future.result(seconds)
        except TimeoutError:
            if look.future.done():  # it came just now, or this is what the work raised
                return look.future.result()
            look.is_overdue = True
            raise TimeoutError(errno.ETIMEDOUT, NO_ANSWER) from None

    def _begin(self, look: _Look) -> _Look:
        if self._idle:
            self._idle -= 1
        else:
            try:
                threading.Thread(target=self._serve, name="file", daemon=True).start()
            except (RuntimeError, MemoryError):
                raise OSError(errno.EAGAIN, "there is no thread to read it in") from None
        self._under_way[look.key] = look
        self._handed_over.put(look)
        return look

    def _serve(self) -> None:
        stays = True
        while stays:
            look = self._handed_over.get()
            try:
                outcome, error = look.work(), None
            except BaseException as raised:  # noqa: BLE001  it is the caller's
                outcome, error = None, raised
            with self._lock:  # before the result is there, so that the next look is a fresh one
                del self._under_way[look.key]
                stays = self._idle < _MOST_IDLE
                self._idle += stays
            if error is None:
                look.future.set_result(outcome)
            else:
                look.future.set_exception(error)
            del look, outcome, error  # a secret perhaps, and until the next look there is time


_looks = Looks()
