"""A limit of requests over time."""

import threading
from collections.abc import Callable


class Bucket:
    """A bucket of tokens: each request takes one, and each interval brings one.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = (0.0, 0)
        self._tokens = 0.0
        self._at = 0.0  # when there were so many

    def allows(self, interval: float, burst: int) -> bool:
        """Take a token, if the limit leaves one. Another limit begins with a full bucket.

        Args:
            interval: seconds between two requests, on average; 0 for no limit.
            burst: requests that may come at once.
        """
        if not interval:
            return True
        limit = (interval, burst)
        now = self._clock()
        with self._lock:
            if limit != self._limit:
                self._limit, self._tokens = limit, float(burst)
            else:
                more = (now - self._at) / interval
                self._tokens = min(self._tokens + more, float(burst))
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
