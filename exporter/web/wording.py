"""Numbers and times in words for people. Pure."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LARGEST = 1e300  # an int can be larger than any float
_LONGEST_COUNT = 1e18  # written out; a longer row of digits helps nobody


def duration(seconds: float) -> str:
    """Return a length of time in at most two units, such as ``3 h 20 min``."""
    whole = int(abs(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = whole % big // small
    first = f"{whole // big:,} {big_unit}"
    return f"{first} {rest} {small_unit}" if rest else first


def count(value: float) -> str:
    """Return a number of things, its thousands set apart."""
    if abs(value) < _LONGEST_COUNT:
        return f"{value:,.0f}"
    return f"{max(min(value, _LARGEST), -_LARGEST):.3g}"


def rate(entries_per_second: float) -> str:
    """Return a rate; with a decimal where it is small."""
    value = entries_per_second
    return f"{value:,.1f}" if 0 < abs(value) < 10 else count(value)


def clock(timestamp: float, now: float) -> str:
    """Return a moment as people say it: the time, and the day where it is not today's, in UTC.

    Empty beyond the calendar.
    """
    try:
        moment, today = datetime.fromtimestamp(timestamp, UTC), datetime.fromtimestamp(now, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    if moment.date() == today.date():
        return f"{moment:%H:%M} UTC"
    if moment.year == today.year:
        return f"{moment.day} {moment:%b %H:%M} UTC"
    return f"{moment.day} {moment:%b %Y}"


def utc(timestamp: float) -> tuple[str, str] | None:
    """Return a moment for machines and for people; None beyond the calendar.

    Args:
        timestamp: Unix seconds.
    """
    try:
        moment = datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M:%S} UTC"
