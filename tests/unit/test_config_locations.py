"""How a message shows a value of the user's file."""

import pytest

from exporter.config.locations import shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", "'abc'"),
        ("a\nnamespace_password: hunter2-hunter2", "'a…'"),
        ("5s namespace_password: hunter2-hunter2", "'5s namespace_…'"),
        ("http://user:hunter2-hunter2@proxy", "'http…'"),
        ("x" * 1000 + "hunter2", None),
    ],
)
def test_what_may_be_a_secret_is_cut(text: str, told: str | None) -> None:
    """A value that took in more than its line is cut where that begins, and a long one anyway."""
    answer = shown(text)

    assert "hunter2" not in answer
    assert told in (None, answer)
