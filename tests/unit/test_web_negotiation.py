import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import (
    LONGEST_BUDGET,
    SHORTEST_BUDGET,
    accepts_gzip,
    scrape_budget,
)


@pytest.mark.parametrize("header", [None, "", "abc", "0", "-1", "NaN", "inf", "1e400", "5, 5"])
def test_a_header_that_says_nothing_gives_the_default(header: str | None) -> None:
    """Missing, not a number, not finite and not above zero all mean the configured timeout."""
    assert scrape_budget(header, timeout=9, offset=0.5) == 9


@pytest.mark.parametrize(
    ("header", "budget"),
    [
        ("10", 9.5),
        ("10.25", 9.75),
        ("1e1", 9.5),
        ("1e9", LONGEST_BUDGET - 0.5),
        ("0.2", SHORTEST_BUDGET),
        ("0.5", SHORTEST_BUDGET),
        ("1e-300", SHORTEST_BUDGET),
    ],
)
def test_a_header_is_taken_less_the_offset(header: str, budget: float) -> None:
    """The scraper's timeout holds within bounds, and never comes to nothing."""
    assert scrape_budget(header, timeout=9, offset=0.5) == budget


@given(st.text() | st.floats().map(str))
def test_no_header_breaks_a_scrape(header: str) -> None:
    """Whatever a scraper sends, the budget is a sensible number of seconds."""
    assert SHORTEST_BUDGET <= scrape_budget(header, timeout=9, offset=0.5) <= LONGEST_BUDGET


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0.001", True),
        ("gzip; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("br, zstd", False),
        ("gzip;q=abc", False),
        ("gzip;q=2", False),
        ("gzip;q=0.5, identity;q=1", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=0.5, identity;q=0", True),
        ("gzip;q=0.5, *;q=1", False),
        ("gzip, *;q=0", True),
        ("identity;q=0", False),
        ("identity;q=0, *", True),
        ("identity;q=0, *;q=0", False),
        ("*;q=0.5, identity;q=1", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_used_where_it_is_wanted(*, header: str | None, wanted: bool) -> None:
    """Qualities are respected, the exact name before the star; what cannot be read is a no."""
    assert accepts_gzip(header) is wanted
