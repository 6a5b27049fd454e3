"""Time as an argument, so that nothing in the core looks at a clock by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_SHORTEST = 0.001  # seconds; a timeout of 0 means not to wait for anything at all
_STEP = 0.1  # seconds; both clocks are slewed together, so a larger difference is a step


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment until which something may wait: absolute, so that it travels through many steps.

    Attributes:
        at: monotonic seconds.
        monotonic: the clock that it is of.
    """

    at: float
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> "Deadline":
        """Return the deadline so many seconds from now."""
        return cls(monotonic() + seconds, monotonic)

    def earlier(self, seconds: float) -> "Deadline":
        """Return the deadline so many seconds before this one."""
        return replace(self, at=self.at - seconds)

    @property
    def has_passed(self) -> bool:
        """Whether nothing is left of the time."""
        return self.monotonic() >= self.at

    def left(self) -> float:
        """Return the seconds that are left; 0 or less once it has passed."""
        return self.at - self.monotonic()

    def timeout(self) -> float:
        """Return the seconds that are left as a socket's timeout: always above 0."""
        return max(self.at - self.monotonic(), _SHORTEST)


@dataclass(slots=True)
class Clock:
    """The two clocks of a process.

    What is remembered is a monotonic moment. ``offset`` turns it into a time for people when it is
    shown, by the wall clock as it stands then: a wall clock that is set right moves all times that
    are shown, and changes no age.

    Attributes:
        wall: Unix seconds: what people and the API read. It can jump.
        monotonic: seconds from an arbitrary start: what deadlines and ages are counted in.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _offset: float | None = field(default=None, init=False, repr=False, compare=False)

    def offset(self) -> float:
        """Return Unix seconds less monotonic seconds.

        It is the same number until the wall clock is stepped, so that a time is shown with the
        same digits in each scrape. May be called in any thread.
        """
        before, now, after = self.monotonic(), self.wall(), self.monotonic()
        offset = self._offset
        if offset is None or not before - _STEP <= now - offset <= after + _STEP:
            offset = self._offset = now - after
        return offset
