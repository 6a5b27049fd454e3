import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ms", 0.001),
        ("500ms", 0.5),
        ("5s", 5),
        ("05s", 5),
        ("90s", 90),
        ("1m30s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86_400),
        ("1w", 604_800),
        ("1y", 31_536_000),
        ("1y2w3d4h5m6s7ms", 33_019_506.007),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration is the sum of its parts, in seconds, as Prometheus reads it."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "5", "-5s", "+5s", "5 s", " 5s", "5s ", "5s\n", "0\n", "1.5s", "1e3s", ".5s"),
        *("s", "5S", "5min", "5sec", "5us", "5ns", "30s1m", "1s1s", "1ms1s", "1m 30s", "1:30"),
        *("٥s", "5ｓ", "9" * 400 + "s", "1_0s", "inf", "nan"),  # noqa: RUF001  other digits
    ],
)
def test_no_duration(text: str) -> None:
    """Without a unit, with a fraction, a sign, a space or parts out of order it is none."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**14))
def test_duration_round_trip(milliseconds: int) -> None:
    """Every whole number of milliseconds is read back from how it is shown."""
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (90.0, "1m30s"), (1800.0, "30m")]
)
def test_show_duration(seconds: float, text: str) -> None:
    """A duration is shown with its largest units."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("1B", 1), ("256KiB", 262_144), ("4MiB", 4_194_304), ("1GiB", 1_073_741_824)],
)
def test_size(text: str, size: int) -> None:
    """A size is a number of bytes, in powers of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "1", "KiB", "256KB", "256kib", "256K", "1.5MiB", "-1KiB", "1 KiB", "1KiB\n", "1TiB", "1b"],
)
def test_no_size(text: str) -> None:
    """Without a unit, or with one of powers of 1000, it is none."""
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 2**39))
def test_size_round_trip(size: int) -> None:
    """Every size is read back from how it is shown."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1023, "1023B"), (262_144, "256KiB"), (1 << 30, "1GiB")]
)
def test_show_size(size: int, text: str) -> None:
    """A size is shown in the largest unit that holds it whole."""
    assert format_size(size) == text
