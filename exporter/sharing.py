"""One page for all who ask for the same while it is not begun."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Page = TypeVar("Page")


class Sharing(Generic[Page]):
    """Makes one page at a time, and one for all who wait for the same.

    Making a page holds the interpreter's lock nearly all the time, so that the pages of a crowd
    would be made one after the other anyway. Nobody gets a page that was begun before they asked:
    whoever comes while one is being made waits for the next, together with all others who do.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[Hashable, Future[Page]] = {}  # none of them is begun
        self._making = threading.Lock()

    def page(self, asked: Hashable, make: Callable[[], Page]) -> Page:
        """Return a page, made by this caller or another one; or raise what making it raised.

        Args:
            asked: what it is to show, equal for those who can share a page.
            make: makes it.
        """
        with self._lock:
            page = self._awaited.get(asked)
            is_ours = page is None
            if page is None:
                page = self._awaited[asked] = Future()
        if is_ours:
            self._fill(page, asked, make)
        return page.result()

    def _fill(self, page: Future[Page], asked: Hashable, make: Callable[[], Page]) -> None:
        with self._making:
            with self._lock:
                del self._awaited[asked]
            try:
                page.set_result(make())
            except BaseException as error:  # noqa: BLE001  whoever waits for it is told
                page.set_exception(error)
