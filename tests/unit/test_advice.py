"""The one table of advice: every reason is explained, in words that need no target."""

from collections.abc import Iterator
from string import Formatter

import pytest

from exporter.advice import ADVICE, IN_GENERAL
from exporter.errors import REASONS


def test_each_reason_has_its_row() -> None:
    """No reason is without advice, and no advice is left over."""
    assert set(ADVICE) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_in_general(reason: str) -> None:
    """Each row gives two sentences: what it means, and what to do."""
    for sentence in ADVICE[reason].in_general():
        assert len(sentence) > 20
        assert sentence[0].isupper()
        assert sentence[-1] == "."
        assert "{" not in sentence


def _names() -> Iterator[str]:
    for advice in ADVICE.values():
        for text in (advice.what, advice.remedy):
            yield from (name for _, name, _, _ in Formatter().parse(text) if name)


def test_each_name_is_used() -> None:
    """What stands for a name is used somewhere."""
    assert set(_names()) == {*IN_GENERAL, "grant"}
