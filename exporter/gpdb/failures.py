"""Exceptions of requests, urllib3, http.client, ssl and socket, turned into ours at one place.

Their texts are never taken over: they can quote a URL, a header or a proxy's password.
"""

import http.client
import socket
import ssl
from collections.abc import Iterable, Iterator

import requests.exceptions
import urllib3.exceptions

from exporter.errors import (
    BadAnswer,
    ConnectionFailed,
    InternalError,
    NameNotResolved,
    ProxyRefused,
    QueryError,
    TimedOut,
    TlsFailed,
)


class ProxyRefusal(OSError):
    """A proxy did not let a call through. Ours, but raised in the midst of the libraries.

    Attributes:
        status: of its answer to CONNECT.
    """

    def __init__(self, status: int) -> None:
        super().__init__("a proxy refused")
        self.status = status


FOREIGN = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
"""Everything that a call through requests is known to raise."""

# The first row of which any exception in the chain is an instance decides. The order matters: an
# SSLError is an OSError, a name that is not found comes wrapped in a connection that failed.
_RULES: tuple[tuple[tuple[type[BaseException], ...], type[QueryError], str], ...] = (
    (
        (urllib3.exceptions.NameResolutionError, socket.gaierror),
        NameNotResolved,
        "the host's name could not be resolved",
    ),
    # It inherits from urllib3's timeout, and is none.
    ((urllib3.exceptions.NewConnectionError,), ConnectionFailed, "no connection"),
    (
        (TimeoutError, urllib3.exceptions.TimeoutError, requests.exceptions.Timeout),
        TimedOut,
        "no whole answer in time",
    ),
    (
        (ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError),
        TlsFailed,
        "no trusted TLS connection: check the certificate's name, dates and issuer (api.ca_file)",
    ),
    (
        (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError),
        ConnectionFailed,
        "the connection was refused, reset or closed",
    ),
    (
        (
            http.client.HTTPException,
            urllib3.exceptions.DecodeError,
            urllib3.exceptions.HeaderParsingError,
            urllib3.exceptions.InvalidHeader,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidJSONError,
        ),
        BadAnswer,
        "the answer is not HTTP as the API speaks it",
    ),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationValueError,
        ),
        InternalError,
        "the address of the endpoint or the proxy is not one that can be called",
    ),
    (
        (
            urllib3.exceptions.ProxyError,
            urllib3.exceptions.ProtocolError,
            requests.exceptions.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.RetryError,
        ),
        ConnectionFailed,
        "no connection",
    ),
    (
        (requests.exceptions.RequestException,),  # is an OSError too, but no sign of the network
        InternalError,
        "requests was used in a way that it does not take",
    ),
    ((OSError,), ConnectionFailed, "no connection"),
)


def translate(error: BaseException) -> QueryError:
    """Return our exception for a foreign one."""
    chain = tuple(_chain(error))
    for link in chain:
        if isinstance(link, ProxyRefusal):
            return ProxyRefused(f"the proxy answered HTTP {link.status} to CONNECT")
    is_of_proxy = any(isinstance(link, urllib3.exceptions.ProxyError) for link in chain)
    where = " (at the proxy)" if is_of_proxy else ""
    for kinds, ours, text in _RULES:
        if any(isinstance(link, kinds) for link in chain):
            words = _distrust(chain) if ours is TlsFailed else ""
            return ours((words or text) + where)
    return InternalError(f"unexpected {type(error).__name__}")


# By OpenSSL's number, since its words quote names (openssl-verify(1), and x509_vfy.h).
_NO_ISSUER = "has an issuer that is not trusted: where that is right, name it in api.ca_file"
_DISTRUST = {
    9: "is not valid yet: check its dates, and this machine's clock",
    10: "has expired: check its dates, and this machine's clock",
    18: "is signed by itself only: where that is right, name it in api.ca_file",
    19: _NO_ISSUER,
    20: _NO_ISSUER,
    62: "is for another name: check the endpoint and the proxy",
    64: "is for another address: check the endpoint and the proxy",
}


def _distrust(chain: Iterable[BaseException]) -> str:
    """Return why a certificate is not trusted; empty where the library does not say."""
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            words = _DISTRUST.get(getattr(link, "verify_code", 0), "")
            return words and f"the server's certificate {words}"
    return ""


def was_dropped(error: BaseException) -> bool:
    """Whether a kept connection was closed under us, so that a fresh one may well work."""
    dropped = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
    return any(isinstance(link, dropped) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it wraps, and what that wraps; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        wrapped = [part for part in link.args if isinstance(part, BaseException)]
        reason = getattr(link, "reason", None)  # MaxRetryError keeps its cause there
        if isinstance(reason, BaseException):
            wrapped.append(reason)
        waiting += [*wrapped, link.__cause__, link.__context__]
