"""Where the server listens: reading an address, binding it, and saying why that failed."""

import errno
import re
import socket

Address = tuple[str, int]  # host, empty for all of this machine's addresses, and port

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[0-9A-Za-z._-]*)):(?P<port>[0-9]{1,5})")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*")
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_WHY = {
    errno.EADDRINUSE: "the port is in use; stop what listens there, or choose another port",
    errno.EACCES: "permission denied; ports under 1024 are privileged, choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine does not speak IPv6",
}


def parse_listen_address(text: str) -> Address:
    """Return host and port of a text such as ``:10077``, ``localhost:80`` or ``[::1]:0``.

    Raises:
        ValueError: it is no such text. The message says what was expected.
    """
    matched = _ADDRESS.fullmatch(text)
    if matched is None or (matched["six"] and ":" not in matched["six"]):
        hint = "; an IPv6 address stands in brackets" if _BARE_IPV6.fullmatch(text) else ""
        raise ValueError(f"expected HOST:PORT, :PORT or [IPV6]:PORT, got {text!r}{hint}")
    port = int(matched["port"])
    if port > 65_535:
        raise ValueError(f"expected a port from 0 to 65535, got {text!r}")
    return matched["six"] or matched["host"], port


def format_address(address: Address) -> str:
    """Return the text that ``parse_listen_address`` reads as this address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(address: Address, backlog: int) -> socket.socket:
    """Return a socket that listens, on all addresses of both families for no host or ``::``.

    Raises:
        OSError: it cannot be bound; ``explain_listen_error`` says it in words.
    """
    host, port = address
    if host in ("", "::") and socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
            )
        except OSError as error:
            if host or error.errno not in _NO_IPV6:
                raise
    return socket.create_server((host, port), family=_family(host), backlog=backlog)


def _family(host: str) -> socket.AddressFamily:
    """Return IPv4 where the host has such an address, as Go's programs choose."""
    if not host:
        return socket.AF_INET
    try:
        found = {info[0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except UnicodeError:  # an empty label, or one over 63 characters
        raise socket.gaierror(socket.EAI_NONAME, "not a host's name") from None
    return socket.AF_INET if socket.AF_INET in found else socket.AF_INET6


def explain_listen_error(address: Address, error: OSError) -> str:
    """Return one line that says what could not be bound, why, and what to do."""
    if isinstance(error, socket.gaierror):
        why = "the host's name has no address"
    else:
        why = _WHY.get(error.errno or 0, error.strerror or str(error))
    return f"cannot listen on {format_address(address)}: {why}"
