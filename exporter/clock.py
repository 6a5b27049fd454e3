"""Time as an argument, so that nothing in the core looks at a clock by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a process.

    Attributes:
        wall: Unix seconds: what people and the API read. It can jump.
        monotonic: seconds from an arbitrary start: what deadlines and ages are counted in.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
