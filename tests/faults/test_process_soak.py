"""A short soak; docs/reliability.md has the figures of a long one."""

from pathlib import Path

from tests.faults.raw import MIB
from tests.faults.soak import MOST_AT_REST, POOLED, soak

SCRAPES = 1_000


def test_a_soak(tmp_path: Path) -> None:
    """Fault 56: many scrapes with mixed faults leave no thread, no descriptor, little memory."""
    result = soak(SCRAPES, tmp_path)

    assert set(result.answers) == {0, 200, 400}
    assert result.after.threads <= MOST_AT_REST
    assert result.after.descriptors <= result.before.descriptors + POOLED
    assert result.slope < 16 * MIB
