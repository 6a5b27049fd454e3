"""The offset between the two clocks of a process."""

from exporter.clock import Clock
from tests.fakes import HandSetClock


def test_an_offset_stays_the_same_while_time_passes() -> None:
    """A time that is shown has the same digits in each scrape."""
    wall, monotonic = 1_704_700_000.123, 1_000.456
    ticks = {"passed": 0.0, "late": 0.0}
    clock = Clock(
        wall=lambda: wall + ticks["passed"] + ticks["late"],
        monotonic=lambda: monotonic + ticks["passed"],
    )
    first = clock.offset()

    offsets = set()
    for number in range(1_000):
        ticks["passed"] += 0.1
        ticks["late"] = number % 7 * 1e-5  # the two clocks are not read at once
        offsets.add(clock.offset())

    assert offsets == {first}


def test_a_step_of_the_wall_clock_changes_the_offset() -> None:
    """After a step the offset is that of the clock as it stands, back and forth."""
    time = HandSetClock()
    clock = time.clock()
    offsets = [clock.offset()]
    for step in (3_600.0, -7_200.0, 3_600.0, 1.0):
        time.jump(step)
        time.advance(5.0)
        offsets.append(clock.offset())

    assert [offset - offsets[0] for offset in offsets] == [0.0, 3_600.0, -3_600.0, 0.0, 1.0]


def test_a_pause_between_the_two_readings_is_no_step() -> None:
    """Where the process is held up while it reads the clocks, the offset stays as it was."""
    time = HandSetClock()

    def held_up() -> float:
        time.advance(5.0)
        return time.wall

    steady = Clock(wall=lambda: time.wall, monotonic=lambda: time.monotonic)
    offset = steady.offset()
    steady.wall = held_up

    assert steady.offset() == offset
