import errno
import socket

import pytest

from exporter.web.addresses import (
    Address,
    explain_listen_error,
    format_address,
    listen,
    parse_listen_address,
)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (":10077", ("", 10_077)),
        ("0.0.0.0:10077", ("0.0.0.0", 10_077)),  # noqa: S104  what users write
        ("[::1]:0", ("::1", 0)),
        ("[::]:80", ("::", 80)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ("localhost:80", ("localhost", 80)),
        ("a-b.example:65535", ("a-b.example", 65_535)),
    ],
)
def test_an_address_is_read(written: str, address: Address) -> None:
    """Each way to write an address gives host and port, and is written the same way again."""
    assert parse_listen_address(written) == address
    assert format_address(address) == written


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "expected HOST:PORT, :PORT or [IPV6]:PORT, got ''"),
        ("10077", "expected HOST:PORT"),
        (":", "expected HOST:PORT"),
        (":http", "expected HOST:PORT"),
        (":-1", "expected HOST:PORT"),
        (":\u0663", "expected HOST:PORT"),
        (" :80", "expected HOST:PORT"),
        ("[::1]", "expected HOST:PORT"),
        ("[localhost]:80", "expected HOST:PORT"),
        ("http://x:1", "expected HOST:PORT"),
        ("::1:80", "an IPv6 address stands in brackets"),
        (":65536", "expected a port from 0 to 65535, got ':65536'"),
    ],
)
def test_what_is_no_address_is_refused(written: str, says: str) -> None:
    """The message says what was expected and what came."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011  its whole text is compared
        parse_listen_address(written)

    assert says in str(refused.value)


@pytest.mark.parametrize("host", ["", "::", "127.0.0.1", "localhost"])
def test_ipv4_clients_are_heard(host: str) -> None:
    """All of these listen to IPv4; none and :: do so beside IPv6, as with Go's programs."""
    with listen((host, 0), 1) as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.getpeername()[1] == port


@pytest.mark.parametrize("host", ["", "::", "::1"])
def test_ipv6_clients_are_heard(host: str) -> None:
    """No host means both families."""
    with listen((host, 0), 1) as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("::1", port)) as client:
            assert client.getpeername()[1] == port


def test_a_port_in_use_is_told_in_one_line() -> None:
    """The second who wants a port is told so, and what to do."""
    with listen(("127.0.0.1", 0), 1) as listener:
        address = ("127.0.0.1", listener.getsockname()[1])

        with pytest.raises(OSError) as refused:  # noqa: PT011  its number is not known elsewhere
            listen(address, 1)

    assert explain_listen_error(address, refused.value) == (
        f"cannot listen on 127.0.0.1:{address[1]}: the port is in use; "
        "stop what listens there, or choose another port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a..b"])
def test_a_foreign_host_cannot_be_listened_on(host: str) -> None:
    """Another machine's address and a name without one are both an OSError in words."""
    with pytest.raises(OSError) as refused:  # noqa: PT011  three kinds of it
        listen((host, 0), 1)

    assert "no such address" in explain_listen_error((host, 0), refused.value) or (
        "has no address" in explain_listen_error((host, 0), refused.value)
    )


def test_a_privileged_port_is_explained() -> None:
    """Permission denied comes with the reason that it nearly always has."""
    error = PermissionError(errno.EACCES, "Permission denied")

    assert explain_listen_error(("", 80), error) == (
        "cannot listen on :80: permission denied; ports under 1024 are privileged, "
        "choose a higher one"
    )


def test_any_other_error_speaks_for_itself() -> None:
    """What nobody foresaw is told in the system's words."""
    error = OSError(errno.EMFILE, "Too many open files")

    assert explain_listen_error(("", 80), error) == "cannot listen on :80: Too many open files"
