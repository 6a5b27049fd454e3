"""Every exception of the libraries below becomes one of ours, with a text of ours."""

import http.client
import socket
import ssl
import types

import pytest
import requests.exceptions
import urllib3.exceptions

from exporter.errors import QueryError
from exporter.gpdb.failures import FOREIGN, translate, was_dropped

# Every public exception of the two libraries; a warning is none. The second word is what stands
# in adbpg_exporter_api_errors_total. What a call cannot raise is internal: a fault of ours.
REQUESTS = {
    "ChunkedEncodingError": "connection",
    "ConnectTimeout": "timeout",
    "ConnectionError": "connection",
    "ContentDecodingError": "bad_answer",
    "HTTPError": "internal",
    "InvalidHeader": "bad_answer",
    "InvalidJSONError": "bad_answer",
    "InvalidProxyURL": "internal",
    "InvalidSchema": "internal",
    "InvalidURL": "internal",
    "JSONDecodeError": "bad_answer",
    "MissingSchema": "internal",
    "ProxyError": "connection",
    "ReadTimeout": "timeout",
    "RequestException": "internal",
    "RetryError": "connection",
    "SSLError": "tls",
    "StreamConsumedError": "internal",
    "Timeout": "timeout",
    "TooManyRedirects": "internal",
    "URLRequired": "internal",
    "UnrewindableBodyError": "internal",
}
URLLIB3 = {
    "BodyNotHttplibCompatible": "internal",
    "ClosedPoolError": "internal",
    "ConnectTimeoutError": "timeout",
    "ConnectionError": "connection",
    "DecodeError": "bad_answer",
    "EmptyPoolError": "internal",
    "FullPoolError": "internal",
    "HTTPError": "internal",
    "HeaderParsingError": "bad_answer",
    "HostChangedError": "internal",
    "IncompleteRead": "connection",
    "InvalidChunkLength": "connection",
    "InvalidHeader": "bad_answer",
    "LocationParseError": "internal",
    "LocationValueError": "internal",
    "MaxRetryError": "internal",
    "NameResolutionError": "dns",
    "NewConnectionError": "connection",
    "PoolError": "internal",
    "ProtocolError": "connection",
    "ProxyError": "connection",
    "ProxySchemeUnknown": "internal",
    "ProxySchemeUnsupported": "internal",
    "ReadTimeoutError": "timeout",
    "RequestError": "internal",
    "ResponseError": "internal",
    "ResponseNotChunked": "connection",
    "SSLError": "tls",
    "TimeoutError": "timeout",
    "TimeoutStateError": "internal",
    "URLSchemeUnknown": "internal",
    "UnrewindableBodyError": "internal",
}
# Those of the standard library that a socket, TLS or an HTTP answer can raise.
STANDARD: dict[type[Exception], str] = {
    http.client.BadStatusLine: "bad_answer",
    http.client.HTTPException: "bad_answer",
    http.client.IncompleteRead: "connection",
    http.client.InvalidURL: "bad_answer",
    http.client.LineTooLong: "bad_answer",
    http.client.RemoteDisconnected: "connection",
    http.client.ResponseNotReady: "bad_answer",
    http.client.UnknownProtocol: "bad_answer",
    socket.gaierror: "dns",
    socket.herror: "connection",
    ssl.SSLCertVerificationError: "tls",
    ssl.SSLEOFError: "tls",
    ssl.SSLError: "tls",
    ssl.SSLZeroReturnError: "tls",
    BrokenPipeError: "connection",
    ConnectionAbortedError: "connection",
    ConnectionRefusedError: "connection",
    ConnectionResetError: "connection",
    OSError: "connection",
    TimeoutError: "timeout",
}
SECRET = "p4ssw0rd-in-a-foreign-text"


def public_exceptions(module: types.ModuleType, package: str) -> dict[str, type[Exception]]:
    """The exceptions that a module defines or hands on from its own package, without warnings."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and not name.startswith("_")
        and value.__module__.startswith(package)
    }


IN_REQUESTS = public_exceptions(requests.exceptions, "requests.")
IN_URLLIB3 = public_exceptions(urllib3.exceptions, "urllib3.")
ALL: list[tuple[type[Exception], str]] = [
    *((IN_REQUESTS[name], reason) for name, reason in REQUESTS.items() if name in IN_REQUESTS),
    *((IN_URLLIB3[name], reason) for name, reason in URLLIB3.items() if name in IN_URLLIB3),
    *STANDARD.items(),
]


def bare(kind: type[Exception]) -> Exception:
    """An exception with a secret in its text, whatever its constructor wants."""
    error: Exception = type(kind.__name__, (kind,), {"__init__": Exception.__init__})(SECRET)
    error.args = (SECRET,)
    return error


def test_no_exception_of_requests_is_forgotten() -> None:
    """The table above names each exception of requests, and no other."""
    assert IN_REQUESTS.keys() == REQUESTS.keys()


def test_no_exception_of_urllib3_is_forgotten() -> None:
    """The table above names each exception of urllib3, and no other."""
    assert IN_URLLIB3.keys() == URLLIB3.keys()


@pytest.mark.parametrize(("kind", "reason"), ALL)
def test_reason(kind: type[Exception], reason: str) -> None:
    """Each foreign exception has its reason, and the client catches it unless it is internal."""
    translated = translate(bare(kind))

    assert isinstance(translated, QueryError)
    assert translated.reason == reason
    assert issubclass(kind, FOREIGN) or reason == "internal"


@pytest.mark.parametrize(("kind", "_reason"), ALL)
def test_no_text_is_taken_over(kind: type[Exception], _reason: str) -> None:
    """Nothing of a foreign text, which may quote a password, is in ours or hangs on it."""
    translated = translate(bare(kind))

    assert str(translated)
    assert SECRET not in repr(translated)
    assert translated.__cause__ is None
    assert translated.__context__ is None


@pytest.mark.parametrize(("kind", "reason"), [row for row in ALL if row[1] != "internal"])
def test_wrapped(kind: type[Exception], reason: str) -> None:
    """What urllib3 and requests wrap around a failure does not hide it, unless it says more."""
    inner = bare(kind)
    retries = bare(urllib3.exceptions.MaxRetryError)
    retries.reason = inner  # type: ignore[attr-defined]
    protocol = urllib3.exceptions.ProtocolError("Connection aborted.", inner)

    translated = [translate(requests.exceptions.ConnectionError(e)) for e in (retries, protocol)]

    assert [error.reason for error in translated] == [reason, reason]


@pytest.mark.parametrize("link", ["__cause__", "__context__", "reason"])
def test_linked(link: str) -> None:
    """A cause is found wherever a library keeps it."""
    outer = requests.exceptions.ConnectionError()
    setattr(outer, link, ssl.SSLCertVerificationError())

    assert translate(outer).reason == "tls"


def test_a_circle() -> None:
    """Exceptions that point at each other are walked once."""
    one, two = OSError(), OSError()
    one.__context__, two.__context__ = two, one

    assert translate(one).reason == "connection"
    assert not was_dropped(one)


def test_a_name_that_is_not_found_in_time() -> None:
    """A name's failure says dns, though a timeout and a connection hang on it."""
    error = socket.gaierror()
    error.__context__ = TimeoutError()

    assert translate(urllib3.exceptions.ProtocolError("…", error)).reason == "dns"


def test_a_handshake_that_takes_too_long() -> None:
    """A TLS handshake that is not over in time says timeout, not tls."""
    error = urllib3.exceptions.SSLError("…")
    error.__cause__ = TimeoutError()

    assert translate(error).reason == "timeout"


@pytest.mark.parametrize("kind", [ValueError, KeyError, RecursionError, MemoryError])
def test_what_no_library_should_raise(kind: type[Exception]) -> None:
    """Any other exception is a fault of ours: it is named by its type, not by its text."""
    translated = translate(bare(kind))

    assert translated.reason == "internal"
    assert str(translated) == f"unexpected {kind.__name__}"


@pytest.mark.parametrize(
    ("kind", "dropped"),
    [
        (http.client.RemoteDisconnected, True),
        (ConnectionResetError, True),
        (BrokenPipeError, True),
        (ConnectionRefusedError, False),
        (http.client.IncompleteRead, False),
        (http.client.BadStatusLine, False),
        (TimeoutError, False),
        (socket.gaierror, False),
        (ssl.SSLCertVerificationError, False),
        (OSError, False),
    ],
)
def test_was_dropped(kind: type[Exception], *, dropped: bool) -> None:
    """Only a connection that the other side closed or reset is worth a fresh one."""
    inner = bare(kind)
    wrapped = requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("…", inner))

    assert was_dropped(wrapped) is dropped
    assert was_dropped(inner) is dropped
