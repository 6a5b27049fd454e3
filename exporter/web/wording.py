"""Numbers, times and faults in words for people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LARGEST = 1e300  # an int can be larger than any float
_LONGEST_COUNT = 1e18  # written out; a longer row of digits tells nobody anything


@dataclass(frozen=True, slots=True)
class Advice:
    """Why a query failed, in one sentence, and what to do about it, in another."""

    what: str
    remedy: str


ADVICE: Mapping[str, Advice] = MappingProxyType(
    {
        "throttled": Advice(
            "The API says that it is asked too often.",
            "It is asked less often by itself. If this lasts, lower api.calls_per_second.",
        ),
        "auth": Advice(
            "The API does not accept the access key.",
            "Check that the key is enabled and that its secret belongs to it; "
            "a temporary key may have ended.",
        ),
        "clock_skew": Advice(
            "This machine's clock and the API's differ too much.",
            "Set this machine's clock, by NTP for instance.",
        ),
        "permission": Advice(
            "The access key may not ask about this job, or the namespace password is wrong.",
            "Grant the key the RAM action gpdb:GetUpsertCollectionDataJob; check the password.",
        ),
        "not_found": Advice(
            "The API does not know this job, its collection, namespace or instance.",
            "Check the ids and the region in the configuration; remove the job if it is gone.",
        ),
        "bad_request": Advice(
            "The API found a parameter missing or wrong.",
            "Check the target and the job in the configuration.",
        ),
        "api_fail": Advice(
            "The API answered that the call failed.",
            "The log has its message. A wrong namespace password may be the cause.",
        ),
        "server": Advice(
            "The API failed inside.",
            "It is asked again by itself. If this lasts, ask the cloud's support.",
        ),
        "bad_answer": Advice(
            "Something answered, but not as the API does.",
            "Check the target's endpoint, and any proxy on the way.",
        ),
        "too_large": Advice(
            "The answer is over api.max_response_bytes.",
            "Check the target's endpoint, and any proxy on the way.",
        ),
        "redirect": Advice(
            "Something redirected the call; that is never followed.",
            "Check the target's endpoint, and any proxy on the way.",
        ),
        "timeout": Advice(
            "No whole answer came within api.request_timeout.",
            "Check the network and any proxy on the way.",
        ),
        "connection": Advice(
            "The connection was refused or broken off.",
            "Check the target's endpoint, the firewall, and any proxy on the way.",
        ),
        "dns": Advice(
            "The name of the API's host has no address.",
            "Check the target's region or endpoint, and this machine's resolver.",
        ),
        "tls": Advice(
            "No trusted TLS connection came about.",
            "Check api.ca_file, this machine's date, and any proxy that opens TLS.",
        ),
        "proxy": Advice(
            "The proxy refused the call, which never reached the API.",
            "The log has the proxy's HTTP status. Check the proxy's user and password, "
            "and that it lets this machine connect to the API.",
        ),
        "credentials": Advice(
            "There is no usable access key or namespace password on this side.",
            "The log says why. Check the environment, the files of secrets, "
            "or what gives out the role's key.",
        ),
        "internal": Advice(
            "The exporter itself has a fault.",
            "The log says where. Please report it.",
        ),
    }
)
"""By reason; total over ``exporter.errors.REASONS``."""

UNEXPLAINED = Advice("The last query failed.", "The log says why.")


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
