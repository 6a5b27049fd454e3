"""How fast the progress of one job grows. Pure; time is an argument."""

WINDOW = 300.0  # seconds that the rate is taken over, once so much was observed
_STEP = 60.0  # seconds between the marks that are kept: a job under way must stay small
_SHORTEST = 30.0  # seconds; the API counts in batches, so less says nothing


class Pace:
    """The progress observed lately.

    The API may count in batches: between two answers the progress can stand still and then jump.
    So the rate is that of the last five minutes, or of what was observed of them.
    """

    __slots__ = ("_last", "_marks")

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []  # monotonic seconds and progress, oldest first
        self._last = (0.0, 0)

    def observe(self, progress: int, now: float) -> None:
        """Take an answer in (now: monotonic seconds). A progress that falls begins anew."""
        if self._marks and progress < self._last[1]:
            self._marks.clear()
        self._last = (now, progress)
        if not self._marks or now - self._marks[-1][0] >= _STEP:
            self._marks.append(self._last)
        while len(self._marks) > 1 and now - self._marks[1][0] >= WINDOW:
            del self._marks[0]

    @property
    def per_second(self) -> float | None:
        """The rate; None until half a minute was observed."""
        if not self._marks:
            return None
        (since, before), (now, after) = self._marks[0], self._last
        return (after - before) / (now - since) if now - since >= _SHORTEST else None
