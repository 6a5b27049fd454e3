"""Which HTTP proxy is configured: by ``api.proxy``, or by the usual environment variables."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from exporter.secret import Secret

EXPECTED: Final = "expected http://host:port or http://user:password@host:port"
_SCHEMES: Final = ("https", "all")  # of the variables, in the order that requests has


def variable(environ: Mapping[str, str]) -> str:
    """Return the name of the variable that counts for HTTPS; empty where there is none.

    ``https_proxy`` goes before ``HTTPS_PROXY``, and both before ``all_proxy`` and ``ALL_PROXY``. A
    lower-case one that is empty takes the upper-case one away, as for requests and curl.
    """
    for scheme in _SCHEMES:
        lower = f"{scheme}_proxy"
        name = lower if lower in environ else lower.upper()
        if environ.get(name):
            return name
    return ""


def configured(setting: Secret | None, environ: Mapping[str, str]) -> str:
    """Return the URL of the proxy; empty for none.

    Raises:
        ValueError: the variable holds no URL of an HTTP proxy. The text says what was expected,
            and nothing of the value, which may hold a password.
    """
    if setting is not None:
        return setting.reveal()
    name = variable(environ)
    return _url(environ[name].strip()) if name else ""


def secrets(url: str) -> tuple[Secret, ...]:
    """Return what of a proxy's URL must never be shown."""
    if not url:
        return ()
    password = urlsplit(url).password or ""
    return (Secret(url), Secret(password), Secret(unquote(password)))


def _url(value: str) -> str:
    """Return the URL that the value of a variable means. ``host:port`` means ``http://host:port``.

    Raises:
        ValueError: it means none.
    """
    scheme, separator, _ = value.partition("://")
    if not separator:
        scheme, value = "http", f"http://{value}"
    if scheme.lower() not in {"http", "https"}:
        got = f"{scheme.lower()}://" if scheme.isalnum() and len(scheme) <= 10 else "another scheme"
        raise ValueError(f"{EXPECTED}, got {got}: only HTTP proxies can be used")
    try:
        parts = urlsplit(value)
        is_sound = bool(parts.hostname) and parts.port != 0 and parts.path in {"", "/"}
    except ValueError:
        is_sound = False
    if not is_sound or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{EXPECTED}, got something else")
    return f"{scheme.lower()}://{value.partition('://')[2]}"
