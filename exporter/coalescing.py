"""Coalesces concurrent requests for the same page."""

import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

Page = TypeVar("Page")

_TURN = 0.0002  # seconds that whoever makes a page keeps the interpreter's lock from others


class Coalescing(Generic[Page]):
    """Makes one page at a time, and one page for all requests that wait for the same.

    Making a page holds the interpreter's lock nearly all the time, so that the pages of a crowd
    would be made one after the other anyway. Nobody gets a page that was begun before its request:
    whoever comes while one is being made waits for the next, together with all others who do.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[Hashable, Future[Page]] = {}  # none of them is begun
        self._making = threading.Lock()

    def page(self, key: Hashable, make: Callable[[], Page]) -> Page:
        """Return a page, made by this caller or another one; or raise what making it raised.

        Args:
            key: what the page shows, equal for requests that can share one.
            make: makes it.
        """
        with self._lock:
            page = self._awaited.get(key)
            is_ours = page is None
            if page is None:
                page = self._awaited[key] = Future()
        if is_ours:
            self._fill(page, key, make)
        return page.result()

    def _fill(self, page: Future[Page], key: Hashable, make: Callable[[], Page]) -> None:
        with self._making:
            with self._lock:
                del self._awaited[key]
            try:
                with _short_turns():
                    page.set_result(make())
            except BaseException as error:  # noqa: BLE001  all who wait for it get it
                page.set_exception(error)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let other threads on often.

    With Python's own 5 ms each of a crowd waits that long at each of its reads and writes. Only
    while a page is made: shorter turns make queries no faster, and cost a little.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
