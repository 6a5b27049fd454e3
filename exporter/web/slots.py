"""Who holds the server's slots, and who must give one up."""

import threading
import time
from typing import Generic, Protocol, TypeVar


class Holder(Protocol):
    """A connection, as far as its slot is concerned."""

    def hang_up(self) -> None:
        """Make its thread leave soon."""


H = TypeVar("H", bound=Holder)


class Slots(Generic[H]):
    """At most so many holders at a time; a new one takes the place of the longest waiting one.

    A holder waits from its admission until its request is complete, and again after each answer.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()  # guards all below
        self._held: set[H] = set()
        self._waiting: dict[H, None] = {}  # the longest waiting first
        self._closed = False

    def admit(self, holder: H) -> bool:
        """Wait for a slot, evicting for it where one can be evicted; False when closed."""
        with self._changed:
            evicted = False
            while len(self._held) >= self._limit and not self._closed:
                evicted = evicted or self._evict()
                self._changed.wait()
            if self._closed:
                return False
            self._held.add(holder)
            self._waiting[holder] = None
            return True

    def begin(self, holder: H) -> bool:
        """Its request is complete. False when it was evicted meanwhile."""
        with self._changed:
            if holder not in self._waiting:
                return False
            del self._waiting[holder]
            return True

    def pause(self, holder: H) -> bool:
        """It waits for a request again. False when it should leave."""
        with self._changed:
            if self._closed:
                return False
            self._waiting[holder] = None
            self._changed.notify_all()
            return True

    def release(self, holder: H) -> None:
        """It has left."""
        with self._changed:
            self._held.discard(holder)
            self._waiting.pop(holder, None)
            self._changed.notify_all()

    def shed(self) -> bool:
        """Evict the one that has waited longest; False when none waits."""
        with self._changed:
            return self._evict()

    def close(self) -> None:
        """Admit no more, and evict all that wait."""
        with self._changed:
            self._closed = True
            while self._evict():
                pass
            self._changed.notify_all()

    def drain(self, grace: float) -> None:
        """Wait up to so many seconds until all have left, then evict whoever is still there."""
        deadline = time.monotonic() + grace
        with self._changed:
            while self._held and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            for holder in self._held:
                holder.hang_up()

    def _evict(self) -> bool:
        """Hang up under the lock, so that the holder cannot begin meanwhile."""
        for holder in self._waiting:
            del self._waiting[holder]
            holder.hang_up()
            return True
        return False
