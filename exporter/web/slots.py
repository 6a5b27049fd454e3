"""Who holds the server's slots, and who must give one up."""

import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from exporter.clock import Deadline


class Holder(Protocol):
    """A connection, as far as its slot is concerned."""

    def hang_up(self) -> None:
        """Make its thread leave soon."""


H = TypeVar("H", bound=Holder)


class Admission(enum.Enum):
    """What becomes of a newcomer."""

    FREE = "free"  # it has a slot that was free: it needs a thread
    HANDED = "handed"  # whoever leaves next hands its slot over, and its thread with it
    CLOSED = "closed"  # it has none


class Slots(Generic[H]):
    """At most so many holders at a time; a new one takes the place of the longest waiting one.

    A holder is admitted, pauses whenever it must wait for its client, and begins when a request
    is complete. It can be evicted from soon after its first pause to that beginning: not before it
    has looked whether its request has come already, nor in the moment that a request takes to
    follow its connection, or else a crowd of good clients would drive each other out.
    """

    def __init__(
        self, limit: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open so many slots.

        Args:
            limit: holders at a time.
            patience: seconds of waiting for which nobody is evicted.
            clock: monotonic seconds.
        """
        self._limit = limit
        self._patience = patience
        self._clock = clock
        self._changed = threading.Condition()  # guards all below
        self._held: set[H] = set()
        self._waiting: dict[H, float] = {}  # since when; the longest waiting first
        self._evicted: set[H] = set()
        self._successors: deque[H] = deque()  # admitted, for each of whom one was evicted
        self._closed = False

    def admit(self, holder: H) -> Admission:
        """Wait until there is a slot, or one that can be evicted for it."""
        with self._changed:
            while not self._closed and len(self._held) >= self._limit:
                ripe_in = self._ripe_in()
                if ripe_in is not None and ripe_in <= 0:
                    self._evict()
                    break
                self._changed.wait(ripe_in)
            if self._closed:
                return Admission.CLOSED
            if len(self._held) < self._limit:
                self._held.add(holder)
                return Admission.FREE
            self._successors.append(holder)
            return Admission.HANDED

    def pause(self, holder: H) -> bool:
        """It must wait for its client. False when it should leave instead."""
        with self._changed:
            if self._closed or holder in self._evicted:
                return False
            self._waiting.setdefault(holder, self._clock())  # waiting on is no new waiting
            self._changed.notify_all()
            return True

    def begin(self, holder: H) -> bool:
        """Its request is complete. False when it was evicted meanwhile."""
        with self._changed:
            self._waiting.pop(holder, None)
            return holder not in self._evicted

    def release(self, holder: H) -> H | None:
        """It has left. Return who takes over its slot and its thread, if anybody does."""
        with self._changed:
            self._held.discard(holder)
            self._waiting.pop(holder, None)
            self._evicted.discard(holder)
            self._changed.notify_all()
            if not self._successors:
                return None
            successor = self._successors.popleft()
            self._held.add(successor)
            return successor

    def shed(self) -> bool:
        """Evict the one that has waited longest; False when none waits."""
        with self._changed:
            return self._evict()

    def settle(self, grace: float) -> None:
        """Wait up to so many seconds until all that hold a slot wait for their clients."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting.keys() >= self._held, grace)

    def close(self) -> None:
        """Admit no more, and evict all that wait."""
        with self._changed:
            self._closed = True
            while self._evict():
                pass
            self._changed.notify_all()

    def drain(self, deadline: Deadline) -> None:
        """Wait until all have left, at most until the deadline; then evict who is still there."""
        with self._changed:
            while self._held and (left := deadline.left()) > 0:
                self._changed.wait(left)
            for holder in self._held:
                holder.hang_up()

    def _ripe_in(self) -> float | None:
        """Return in how many seconds the first can be evicted; None when none waits."""
        for since in self._waiting.values():
            return since + self._patience - self._clock()
        return None

    def _evict(self) -> bool:
        """Hang up under the lock, so that the holder cannot begin meanwhile."""
        for holder in self._waiting:
            del self._waiting[holder]
            self._evicted.add(holder)
            holder.hang_up()
            return True
        return False
