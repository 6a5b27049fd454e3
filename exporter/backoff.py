"""Pauses that grow with each failure in a row. Pure."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 30  # any longest pause is reached by then, and no float overflows


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause that doubles with each further failure.

    Attributes:
        first: seconds after the first failure.
        longest: seconds that no pause exceeds.
    """

    first: float
    longest: float

    def pause(self, failures_before: int) -> float:
        """Return the seconds to pause after a failure, by how many came in a row before it."""
        return min(self.first * 2.0 ** min(failures_before, _MOST_DOUBLINGS), self.longest)
