"""Kinds of values that say where something is: endpoints, proxies, zones, files."""

import glob
import ipaddress
import re
import ssl
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from exporter import files
from exporter.config.kinds import InvalidValue, Kind, pattern, text
from exporter.config.locations import shown
from exporter.errors import NoCredentials
from exporter.secret import Secret, SecretFile

_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_OFFSET = re.compile("([+-])([01][0-9]):([0-5][0-9])")
_LONGEST_PATH: Final = 4096  # characters


def endpoint() -> Kind:
    """Scheme and host of an API: https, or http to this machine."""
    expected = "https://host or https://host:port"

    def read(value: str) -> str:
        url = _split(value, expected)
        if url.username is not None or url.path not in {"", "/"} or url.query or url.fragment:
            raise InvalidValue(expected, "nothing else can be in it")
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            raise InvalidValue(
                expected, "http:// is taken for a loopback address such as 127.0.0.1 only"
            )
        if url.scheme not in {"http", "https"}:
            raise InvalidValue(expected)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")

    # The place of a typing error: a password may have been pasted along.
    schema = pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\s]+/?$")
    return Kind(name=expected, read=read, schema=schema, secret=True)


def proxy() -> Kind:
    """URL of an HTTP proxy; it may hold a user and a password."""
    expected = "http://host:port or http://user:password@host:port"

    def read(value: str) -> Secret:
        url = _split(value, expected)
        if url.scheme != "http" or url.path not in {"", "/"} or url.query or url.fragment:
            raise InvalidValue(expected)
        return Secret(value)

    def warning(written: str) -> str:
        if "@" not in written or "${" in written:
            return ""
        return "a password stands in this file: better take it from the environment as ${NAME}"

    schema = pattern("^[Hh][Tt][Tt][Pp]://[^/?#\\s]+/?$")
    return Kind(name=expected, read=read, schema=schema, secret=True, warning=warning)


def host() -> Kind:
    """Host of a service that is called over HTTPS, perhaps with a port."""
    expected = "host or host:port"

    def read(value: str) -> str:
        if "/" in value or "@" in value:
            raise InvalidValue(expected)
        _split(f"https://{value}", expected)
        return value

    schema = pattern("^[^/?#@\\s]+$")
    return Kind(name=expected, read=read, schema=schema, secret=True)


def credentials_uri() -> Kind:
    """URL where access keys are given out; that it is known may be all that protects them."""
    expected = "an https:// URL, or an http:// one of a loopback or link-local address"

    def read(value: str) -> Secret:
        url = _split(value, expected)
        if url.scheme not in {"http", "https"} or url.username is not None or url.fragment:
            raise InvalidValue(expected)
        if url.scheme == "http" and not _is_near(url.hostname or ""):
            raise InvalidValue(expected, "http:// would show the key to the network")
        return Secret(value)

    schema = pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^#@\\s]+$")
    return Kind(name=expected, read=read, schema=schema, secret=True)


def time_zone() -> Kind:
    """Offset such as ``+08:00``, or the name of a zone."""
    expected = "an offset such as '+08:00', or a time zone's name such as Asia/Shanghai"

    def read(value: str) -> tzinfo:
        if match := _OFFSET.fullmatch(value):
            offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
            return timezone(-offset if match[1] == "-" else offset)
        if value == "UTC":
            return UTC
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # unknown, no name at all, a directory of names
            raise InvalidValue(expected) from None

    return Kind(
        name=expected,
        read=read,
        schema={"type": "string", "minLength": 1},
        written="either",
        show=_show_zone,
    )


def certificates_path() -> Kind:
    """Path of a file of PEM certificates."""
    expected = "a file of PEM certificates"

    def locate(directory: str, value: str) -> str:
        found = str(Path(directory) / value)

        def load() -> None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(found)

        try:
            files.within(("certificates", found), load)
        except ssl.SSLError:
            raise InvalidValue(expected, "it holds none") from None
        except OSError as error:
            raise InvalidValue(expected, f"it cannot be read: {error.strerror}") from None
        return found

    return _path("path of " + expected, locate)


def secret_path() -> Kind:
    """Path of a file that holds a secret and nothing else."""

    def locate(directory: str, value: str) -> str:
        found = str(Path(directory) / value)
        try:
            SecretFile(found).reveal()
        except NoCredentials as error:
            why = (
                str(error)
                .removeprefix(f"secret file {found}: ")
                .replace("expected", "it must hold")
            )
            raise InvalidValue("the path of a file that holds a secret", why) from None
        return found

    return _path("path of a file that holds the secret", locate)


def written_path() -> Kind:
    """Path of a file that this program writes."""
    return _path("path of a file", lambda directory, value: str(Path(directory) / value))


def path_pattern() -> Kind:
    """Path of files, with ``*``, ``?`` and ``[...]`` as in a shell."""

    def locate(directory: str, value: str) -> str:
        if not value.startswith("~"):
            return str(Path(glob.escape(directory)) / value)
        user, *rest = Path(value).parts
        try:
            home = Path(user).expanduser()
        except RuntimeError:  # there is no such user, or no home
            advice = f"there is no home {shown(user)}: write the whole path"
            raise InvalidValue("a path", advice) from None
        return str(Path(glob.escape(str(home)), *rest))

    return _path("path, perhaps with *, ? or [...]", locate, secret=False)


def is_region(region_id: str) -> bool:
    """Tell whether a region can be a part of a host's name."""
    return re.fullmatch("[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", region_id) is not None


def _path(name: str, locate: Callable[[str, str], str], *, secret: bool = True) -> Kind:
    """Kind of a path. It is secret where people paste what belongs into the file instead."""
    plain = text(1, _LONGEST_PATH)
    return Kind(name=name, read=plain.read, schema=plain.schema, secret=secret, locate=locate)


def _split(value: str, expected: str) -> SplitResult:
    """Split a URL whose scheme, host and port are sound.

    Raises:
        InvalidValue: they are not.
    """
    try:
        url = urlsplit(value)
        sound = url.port != 0 and _is_host(url.hostname or "")
    except ValueError:
        raise InvalidValue(expected) from None
    # urlsplit takes some of these out without a word.
    if not sound or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise InvalidValue(expected)
    return url


def _is_host(host: str) -> bool:
    return _HOST.fullmatch(host) is not None or _address(host) is not None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_near(host: str) -> bool:
    address = _address(host)
    return _is_loopback(host) or (address is not None and address.is_link_local)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _show_zone(zone: tzinfo) -> str:
    """Return how one writes a zone in the file."""
    if isinstance(zone, timezone):
        return zone.tzname(None).removeprefix("UTC") or "UTC"
    return str(zone)
