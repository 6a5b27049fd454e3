"""The list of guards is true: `make guards` can take out each of them."""

import ast
from collections import Counter

from tests.guards.remove_one import ROOT, load

GUARDS = load()


def test_each_guard_can_be_taken_out() -> None:
    """What stands for a guard is there exactly once, and without it the file is still Python."""
    for guard in GUARDS:
        without = guard.removed_from(ROOT)

        assert without != (ROOT / guard.file).read_text("utf-8"), guard.name
        ast.parse(without)


def test_the_tests_of_each_guard_exist() -> None:
    """Each guard names tests, and they are there."""
    named = sorted({test for guard in GUARDS for test in guard.tests})

    assert all(guard.tests for guard in GUARDS)
    for test in named:
        path, _, function = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not function or f"\ndef {function}(" in text, test


def test_each_guard_is_listed_once() -> None:
    """No two entries have one name, or take out the same text in the same way."""
    names = Counter(guard.name for guard in GUARDS)
    removals = Counter((guard.file, guard.old, guard.new) for guard in GUARDS)

    assert max(names.values()) == 1
    assert max(removals.values()) == 1
