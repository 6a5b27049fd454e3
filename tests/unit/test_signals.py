"""What becomes of signals, whenever they come."""

import signal
from itertools import permutations

import pytest

from exporter.cli.main import COMMANDS
from exporter.signals import RELOAD, Signals, serves

TERM, INT = signal.SIGTERM, signal.SIGINT


class Left:
    """Mimics the end of the process: notes each exit code instead."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def __call__(self, code: int) -> None:
        """Note it."""
        self.codes.append(code)


@pytest.fixture
def left() -> Left:
    """With which exit codes the process was ended."""
    return Left()


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_start_is_ended_at_once(left: Left, number: int) -> None:
    """Until it serves, a command is ended by the first signal, as cleanly as later."""
    Signals(leave=left).arrive(number)

    assert left.codes == [0]


def test_a_reload_ends_no_start(left: Left) -> None:
    """SIGHUP during a start is remembered, once: the file may have been read before it changed."""
    signals = Signals(leave=left)
    for _ in range(1_000):
        signals.arrive(RELOAD)

    assert left.codes == []
    assert [signals.next(0), signals.next(0)] == [RELOAD, None]


@pytest.mark.parametrize("number", [TERM, INT, RELOAD])
def test_a_command_that_ends_by_itself_is_ended(left: Left, number: int) -> None:
    """What was not done is no success: the exit code is that of the signal."""
    Signals(serves=False, leave=left).arrive(number)

    assert left.codes == [128 + number]


@pytest.mark.parametrize("numbers", list(permutations([TERM, RELOAD])))
def test_a_signal_waits_for_whoever_serves(left: Left, numbers: tuple[int, ...]) -> None:
    """Once it serves, a command gets each signal in its turn."""
    signals = Signals(leave=left)
    signals.take()
    for number in numbers:
        signals.arrive(number)

    assert [signals.next(0) for _ in range(3)] == [*numbers, None]
    assert left.codes == []


def test_who_does_not_react_is_ended(left: Left) -> None:
    """A second signal ends a process that has not even taken note of the first."""
    signals = Signals(leave=left)
    signals.take()
    signals.arrive(TERM)
    signals.arrive(RELOAD)
    assert left.codes == []

    signals.arrive(INT)

    assert left.codes == [0]


def test_who_reacts_gets_the_second_signal_too(left: Left) -> None:
    """A second signal is for whoever has taken the first: it says to wait no longer."""
    signals = Signals(leave=left)
    signals.take()
    signals.arrive(TERM)
    first = signals.next(0)
    signals.arrive(TERM)

    assert (first, signals.next(0)) == (TERM, TERM)
    assert left.codes == []


def test_given_back(left: Left) -> None:
    """A command that prints its last lines is ended by a further signal."""
    signals = Signals(serves=False, leave=left)
    signals.take()
    signals.arrive(INT)
    signals.next(0)
    signals.give_back()
    signals.arrive(INT)

    assert left.codes == [130]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], True),
        (["--config.file=x"], True),
        (["serve"], True),
        (["demo"], True),
        (["simulate"], True),
        (["query", "job"], False),
        (["check-config", "--live"], False),
    ],
)
def test_serves(arguments: list[str], *, expected: bool) -> None:
    """Which command it is, is known before anything of it is imported."""
    assert serves(arguments) is expected


def test_serves_knows_every_command() -> None:
    """A new command is in the test above, and so somebody has thought of its signals."""
    one_shot = {"query", "check-config", "wait", "watch", "announce", "forget"}
    assert set(COMMANDS) == {"serve", "demo", "simulate"} | one_shot
