"""What a request's headers ask for. Pure."""

import math
import re

LONGEST_BUDGET = 300.0  # seconds; longer than any sensible scrape_timeout
SHORTEST_BUDGET = 0.1  # seconds; enough to show what is already known

_QUALITY = re.compile(r"[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE)


def scrape_budget(header: str | None, *, timeout: float, offset: float) -> float:
    """Return how many seconds a scrape may take.

    A header that is missing, no number, not finite or not above 0 says nothing: ``timeout`` holds.
    Any other is cut to LONGEST_BUDGET, less the offset, but at least SHORTEST_BUDGET, so that a
    scraper in a great hurry still gets what is already known.

    Args:
        header: the value of X-Prometheus-Scrape-Timeout-Seconds.
        timeout: seconds, for a scrape that does not say.
        offset: seconds that the answer needs for its way back.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        return timeout
    if not (math.isfinite(seconds) and seconds > 0):
        return timeout
    return max(min(seconds, LONGEST_BUDGET) - offset, SHORTEST_BUDGET)


def accepts_gzip(header: str | None) -> bool:
    """Return whether a value of Accept-Encoding allows gzip (RFC 9110, section 12.5.3)."""
    qualities: dict[str, bool] = {}
    for item in (header or "").lower().split(","):
        coding, *parameters = item.split(";")
        qualities[coding.strip()] = all(_is_wanted(parameter) for parameter in parameters)
    for coding in ("gzip", "x-gzip", "*"):
        if coding in qualities:
            return qualities[coding]
    return False


def _is_wanted(parameter: str) -> bool:
    """Return whether it is a quality above 0; one that cannot be read asks for nothing."""
    matched = _QUALITY.fullmatch(parameter)
    return matched is not None and float(matched[1]) > 0
