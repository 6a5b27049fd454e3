"""How much is tried: a little in CI, ``FUZZ_EXAMPLES=100000`` for docs/reliability.md."""

import gc
import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = TypeVar("T")

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
_AT_A_TIME = 100  # examples; hypothesis keeps a megabyte and more of each until it is done


def attempt(
    check: Callable[[list[T]], None],
    things: st.SearchStrategy[T],
    *,
    short: int,
    batch: int = 10,
    part: int = 1,
) -> None:
    """Check things in batches.

    Args:
        check: takes a batch, and fails where anything is wrong.
        things: such as answers.
        short: how many to try, unless the environment says more.
        batch: how many of them share an example.
        part: of what the environment says, to try one in so many.
    """
    batches = st.lists(things, min_size=batch, max_size=batch)
    left = max((_EXAMPLES // part or short) // batch, 1)
    while left > 0:
        _settings(min(left, _AT_A_TIME))(given(batches)(check))()
        left -= _AT_A_TIME
        gc.collect()  # all of it hangs together in circles


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        # To mutate or explain a batch takes longer than to make another one.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
