"""How much is tried: a little in CI, ``FUZZ_EXAMPLES=100000`` for docs/reliability.md."""

import os

from hypothesis import HealthCheck, Phase, settings

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def amount(short: int) -> int:
    """Return how many answers or requests to try: ``short``, unless the environment says more."""
    return _EXAMPLES or short


def tries(short: int, batch: int, *, part: int = 1) -> settings:
    """Return settings that try so many.

    Args:
        short: see ``amount``.
        batch: of them in an example.
        part: of them all, one in so many.
    """
    return settings(
        max_examples=max(amount(short) // part // batch, 1),
        deadline=None,
        database=None,
        # An example is a batch: what hypothesis explains or mutates of it takes longer than it.
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
