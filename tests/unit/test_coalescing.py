"""One page for a crowd, and none that was begun before it was asked for."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from exporter.coalescing import Coalescing
from tests.fakes import LIMIT

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for. It is looked up under a lock: then its caller shares what is not begun."""

    name: str
    looked_up: threading.Event = field(default_factory=threading.Event, compare=False)

    def __hash__(self) -> int:
        self.looked_up.set()
        return hash(self.name)


class Making:
    """Makes pages that are numbers, one at a time, each when it is let go."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.sharing: Coalescing[int] = Coalescing()
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self._pool = pool
        self._made = 0

    def make(self) -> int:
        """Say that a page is begun, and return its number when it may end."""
        self._made += 1
        number = self._made
        self.begun.release()
        assert self.go.acquire(timeout=LIMIT)
        return number

    def ask(self, asked: str, make: Callable[[], int] | None = None) -> "Future[int]":
        """Ask in another thread; return once that waits, or makes the page."""
        key = Asked(asked)
        future = self._pool.submit(self.sharing.page, key, make or self.make)
        assert key.looked_up.wait(LIMIT)
        return future


@contextmanager
def making() -> Iterator[Making]:
    """Yield a world whose threads have all ended afterwards."""
    with ThreadPoolExecutor(32) as pool:
        yield Making(pool)


def test_a_crowd_shares_the_next_page() -> None:
    """Whoever comes while a page is made gets the next one, which all of them share."""
    with making() as world:
        first = world.ask("page")
        assert world.begun.acquire(timeout=LIMIT)
        crowd = [world.ask("page") for _ in range(16)]
        world.go.release(2)
        assert first.result(LIMIT) == 1
        assert {each.result(LIMIT) for each in crowd} == {2}


def test_what_differs_is_not_shared() -> None:
    """A page of other names, or in another format, is one of its own."""
    with making() as world:
        world.ask("first")
        assert world.begun.acquire(timeout=LIMIT)
        others = [world.ask("text"), world.ask("names"), world.ask("text")]
        world.go.release(3)
        numbers = [each.result(LIMIT) for each in others]
        assert numbers[0] == numbers[2]
        assert {numbers[0], numbers[1]} == {2, 3}


def test_pages_that_do_not_come_together_are_made_anew() -> None:
    """A page is never given to somebody who asks after it was begun."""
    with making() as world:
        world.go.release(2)
        assert world.ask("page").result(LIMIT) == 1
        assert world.ask("page").result(LIMIT) == 2


def test_a_page_that_cannot_be_made_is_told_to_all_and_holds_up_nobody() -> None:
    """The next one who asks may have better luck."""

    def fail() -> int:
        raise ValueError("a fault of ours")

    with making() as world:
        world.ask("other")
        assert world.begun.acquire(timeout=LIMIT)
        crowd = [world.ask("page", fail) for _ in range(3)]
        world.go.release(2)
        for each in crowd:
            with pytest.raises(ValueError, match="a fault of ours"):
                each.result(LIMIT)
        assert world.ask("page").result(LIMIT) == 2
