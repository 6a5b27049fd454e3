"""The log's way out, where perhaps nobody reads it."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.logs import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The end to read from, which never waits, and the end to write to."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(end)


def record(message: str) -> logging.LogRecord:
    """Return an event."""
    return logging.makeLogRecord({"msg": message})


def outlet(descriptor: int) -> Outlet:
    """Return an outlet whose lines are the messages, and the number of dropped ones."""
    handler = Outlet(descriptor)
    formatter = logging.Formatter("%(message)s%(dropped)s", defaults={"dropped": ""})
    handler.setFormatter(formatter)
    return handler


def fill(writing: int) -> None:
    """Fill a pipe to its last page."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4_096)
    os.set_blocking(writing, True)


def drained(reading: int) -> list[str]:
    """Empty a pipe; return its lines."""
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(reading, 1 << 20):
            data += piece
    return data.decode().splitlines()


def test_a_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    """A line is there as soon as it is logged, in UTF-8, whatever it holds."""
    outlet(pipe[1]).handle(record("文档 \ud800"))

    assert drained(pipe[0]) == ["文档 \\ud800"]


def test_a_line_that_would_wait_is_dropped(pipe: tuple[int, int]) -> None:
    """A full pipe makes nobody wait; who reads again is told how many lines are not there."""
    handler = outlet(pipe[1])
    fill(pipe[1])

    for number in range(3):
        handler.handle(record(f"lost {number}"))
    before = drained(pipe[0])
    handler.handle(record("seen"))
    handler.handle(record("seen too"))

    assert {*"".join(before)} == {"x"}
    assert drained(pipe[0]) == ["log lines were dropped3", "seen", "seen too"]


def test_a_line_that_is_cut_off_has_an_end(pipe: tuple[int, int]) -> None:
    """A long line for which the room runs out is counted, and the next begins on its own."""
    handler = outlet(pipe[1])

    handler.handle(record("y" * 1_000_000))
    before = drained(pipe[0])
    handler.handle(record("seen"))

    assert len(before) == 1
    assert {*before[0]} == {"y"}
    assert drained(pipe[0]) == ["", "log lines were dropped1", "seen"]


@pytest.mark.parametrize("which", [0, 1], ids=["nobody can read", "it is closed"])
def test_a_broken_pipe_is_no_fault_of_the_caller(pipe: tuple[int, int], which: int) -> None:
    """Where nobody can ever read, nothing is raised."""
    handler = outlet(pipe[1])
    os.close(pipe[which])

    handler.handle(record("lost"))
    handler.handle(record("lost"))


def test_a_file_takes_all(tmp_path: Path) -> None:
    """A file never makes anybody wait, so that nothing is dropped."""
    with (tmp_path / "log").open("wb") as file:
        handler = outlet(file.fileno())
        for number in range(1_000):
            handler.handle(record(f"{number} {'z' * 5_000}"))

    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1_000)]
