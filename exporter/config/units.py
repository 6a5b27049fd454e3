"""Durations and sizes as people write them. Pure.

Durations are Prometheus's: https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

import re
from typing import Final

_DURATION_UNITS: Final = (
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
)  # milliseconds
_SIZE_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

DURATION_PATTERN: Final = (
    "^(?=.)" + "".join(f"([0-9]{{1,12}}{unit})?" for unit, _ in _DURATION_UNITS) + "$|^0$"
)
SIZE_PATTERN: Final = "^[0-9]{1,12}(" + "|".join(_SIZE_UNITS) + ")$"

_DURATION = re.compile(DURATION_PATTERN)
_SIZE = re.compile("([0-9]{1,12})(" + "|".join(_SIZE_UNITS) + ")")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``500ms`` or ``1m30s``.

    Raises:
        ValueError: it is none. The units go from the largest to the smallest, each at most once;
            only 0 needs none.
    """
    match = _DURATION.match(text)
    if match is None or "\n" in text:
        raise ValueError("not a duration")
    parts = zip(match.groups(), _DURATION_UNITS, strict=True)
    return sum(int(part.removesuffix(unit)) * size for part, (unit, size) in parts if part) / 1000


def format_duration(seconds: float) -> str:
    """Return the shortest spelling that ``parse_duration`` reads as these seconds."""
    rest = round(seconds * 1000)
    text = ""
    for unit, size in _DURATION_UNITS:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``256KiB``.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def format_size(size: int) -> str:
    """Return bytes in the largest unit that holds them whole."""
    unit, factor = max(
        ((unit, factor) for unit, factor in _SIZE_UNITS.items() if size % factor == 0),
        key=lambda pair: pair[1] if size else -pair[1],
    )
    return f"{size // factor}{unit}"
