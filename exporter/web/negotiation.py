"""What a request's headers ask for. Pure."""

import math
from collections.abc import Mapping
from urllib.parse import urlsplit

from exporter.formats import weighted

LONGEST_BUDGET = 300.0  # seconds; longer than any sensible scrape_timeout
SHORTEST_BUDGET = 0.1  # seconds; enough to show what is already known


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
    """Return whether a value of Accept-Encoding prefers gzip, or takes it as gladly as no coding.

    Where neither is wanted there is no gzip: everybody reads what is not coded. RFC 9110, section
    12.5.3.
    """
    qualities = {item.name: item.quality for item in weighted(header or "")}
    others = qualities.get("*", 0.0)
    gzip = qualities.get("gzip", qualities.get("x-gzip", others))
    return gzip > 0 and gzip >= qualities.get("identity", others)


def is_cross_site(headers: Mapping[str, str], external_url: str = "") -> bool:
    """Whether a browser sends the request for the page of another site.

    Browsers say so by Sec-Fetch-Site (W3C Fetch Metadata), at least to HTTPS and to this machine;
    else the header Origin (RFC 6454) names the page's own scheme and host. Programs send neither.

    Args:
        headers: of the request, by lower-case name.
        external_url: under which browsers know us, if a proxy changes the header Host.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    scheme, _, authority = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    if port is None or not authority:
        return True
    ours = (headers.get("host", ""), urlsplit(external_url).netloc)
    return authority.removesuffix(port) not in {host.lower().removesuffix(port) for host in ours}
