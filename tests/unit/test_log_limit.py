"""The log is limited in rate: so many lines with one message in a minute."""

import logging

import pytest

from exporter.logs import RateLimit

MOST = 100


class Stage:
    """A limit, its clock, and what it tells."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[dict[str, object]] = []
        self.limit = RateLimit(self.tell, lambda: self.now)

    def tell(self, record: logging.LogRecord) -> None:
        """Take a notice, as the handler does: through the filter."""
        assert self.limit.filter(record)
        fields = vars(record)
        self.told.append({name: fields[name] for name in ("msg", "about", "left_out")})

    def log(self, message: str, times: int = 1, level: int = logging.WARNING) -> int:
        """Log a message so often; return how many of them were let through."""
        record = logging.LogRecord("exporter.x", level, __file__, 1, message, (), None)
        return sum(self.limit.filter(record) for _ in range(times))


@pytest.fixture
def stage() -> Stage:
    """A fresh limit."""
    return Stage()


def notice(message: str, left_out: int) -> dict[str, object]:
    """What is told about a message."""
    return {"msg": "log lines were left out", "about": message, "left_out": left_out}


def test_few_lines(stage: Stage) -> None:
    """Up to a hundred lines a minute are let through, and nothing is told."""
    passed = [stage.log("job failed", MOST)]
    stage.now += 61
    passed.append(stage.log("job failed", MOST))

    assert passed == [MOST, MOST]
    assert stage.told == []


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_many_lines(stage: Stage, level: int) -> None:
    """What is more is left out, at every level from info on."""
    assert stage.log("job failed", 250, level) == MOST


def test_the_next_line_tells(stage: Stage) -> None:
    """When the minute is over, the next line of any message is preceded by the number."""
    stage.log("job failed", 250)
    stage.now += 59.9
    stage.log("reload")
    early = list(stage.told)
    stage.now += 0.2
    passed = stage.log("reload")

    assert early == []
    assert passed == 1
    assert stage.told == [notice("job failed", 150)]


def test_it_is_told_once(stage: Stage) -> None:
    """The number is told once, and a new minute begins with it."""
    stage.log("job failed", 250)
    stage.now += 61
    passed = stage.log("job failed", 150)
    stage.now += 61
    stage.log("reload")
    stage.log("reload")

    assert passed == MOST
    assert stage.told == [notice("job failed", 150), notice("job failed", 50)]


def test_messages_are_counted_apart(stage: Stage) -> None:
    """A message that floods the log takes no other's lines."""
    stage.log("job failed", 1000)
    passed = stage.log("job ended", 50)
    stage.now += 61
    stage.log("reload")

    assert passed == 50
    assert stage.told == [notice("job failed", 900)]


def test_debug_is_not_limited(stage: Stage) -> None:
    """Who asks for the lines at debug gets them all; they count for nothing."""
    passed = stage.log("job query failed", 500, logging.DEBUG)

    assert passed == 500
    assert stage.log("job query failed") == 1
