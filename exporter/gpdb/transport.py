"""HTTP connections that keep their time: names, connecting, TLS, headers and body are all bounded.

requests bounds each read from the socket, not the whole: a server that sends a byte a second
held a call of ``timeout=5`` for a minute, in headers as in the body. Our sockets count a timeout
from when it is set. The one thing that cannot be bounded from outside is the C library's
resolver, so a lookup runs in a thread of its own, and we stop waiting for it.

A connection is kept for about a minute, so that a name's new address is used.
"""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final

import requests.adapters
import requests.utils
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, ProxyError
from urllib3.response import BaseHTTPResponse

from exporter import files
from exporter.clock import Deadline
from exporter.gpdb.authorities import Authorities, certificates
from exporter.gpdb.failures import ProxyRefusal
from exporter.gpdb.responses import StrictResponse, read_head
from exporter.sockets import DeadlineSocket, DeadlineTlsSocket

LIFETIME: Final = (45.0, 75.0)  # seconds, by chance: they must not all be renewed at once

Address = tuple[socket.AddressFamily, Any]
"""An address family and a socket address of it."""


def look_up(host: str, port: int) -> list[Address]:
    """Ask the C library, for as long as it takes.

    Raises:
        OSError: there is no such name (socket.gaierror), or no answer.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Resolver:
    """Looks names up with a time limit; at most one thread a name, however silent the server.

    Args:
        look_up: may take its time.
    """

    def __init__(self, look_up: Callable[[str, int], list[Address]] = look_up) -> None:
        self._library = look_up
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[list[Address]]] = {}

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:
        """Return the addresses of a host.

        Args:
            host: a name, or an address, which is not looked up.
            port: goes into the addresses.
            timeout: seconds.

        Raises:
            socket.gaierror: there is no such name, or no answer in time.
        """
        if (literal := _literal(host, port)) is not None:
            return [literal]
        key = (host, port)
        with self._lock:
            lookup = self._under_way.get(key)
            if lookup is None:
                lookup = self._start(key)
        try:
            return lookup.result(timeout)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "the resolver is silent") from None

    def _start(self, key: tuple[str, int]) -> Future[list[Address]]:
        lookup: Future[list[Address]] = Future()
        try:
            threading.Thread(target=self._look_up, args=(key, lookup), daemon=True).start()
        except RuntimeError:  # the process may have no more threads
            raise socket.gaierror(socket.EAI_AGAIN, "no thread to look it up in") from None
        self._under_way[key] = lookup
        return lookup

    def _look_up(self, key: tuple[str, int], lookup: Future[list[Address]]) -> None:
        found: list[Address] | None = None
        try:
            found = self._library(*key)
        except (OSError, UnicodeError):  # UnicodeError: a label over 63 characters
            pass
        finally:
            with self._lock:  # before the result is there, so that the next lookup is a fresh one
                del self._under_way[key]
        if found is None:
            lookup.set_exception(socket.gaierror(socket.EAI_NONAME, "no such name"))
        else:
            lookup.set_result(found)


def _literal(host: str, port: int) -> Address | None:
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return (socket.AF_INET, (host, port))
    return (socket.AF_INET6, (host, port, 0, 0))


def _connect(addresses: list[Address], deadline: Deadline) -> socket.socket:
    """Return a connection to the first address that answers; each gets its share of the time."""
    failure: OSError = OSError("the name has no address")
    for position, (family, address) in enumerate(addresses):
        left = deadline.left()
        if left <= 0:
            raise TimeoutError
        try:
            sock = DeadlineSocket(family, socket.SOCK_STREAM)
        except OSError as error:  # this machine has no IPv6, say
            failure = error
            continue
        try:
            sock.settimeout(left / (len(addresses) - position))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            # What TLS takes comes out of the same time.
            sock.settimeout(deadline.timeout())
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


class _Connection(HTTPConnection):
    response_class = StrictResponse
    resolver: Resolver  # given by the pool's subclass, see _pool_classes
    clock: Callable[[], float]  # likewise
    _expires = 0.0
    _held: list[bytes] | None = None  # the parts of a request that is being put together

    @property
    def is_connected(self) -> bool:
        """Whether another request may be sent. What has come unasked belongs to no request."""
        if self.sock is None or self.clock() >= self._expires:
            return False
        decrypted = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return not decrypted and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send head and body as one: a system call, a TLS record and a packet less."""
        held: list[bytes] = []
        self._held = held
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        super().send(b"".join(held))

    def send(self, data: Any) -> None:
        """Send, or hold what belongs to a request."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)

    def _new_conn(self) -> socket.socket:
        timeout = float(self.timeout or 0)
        deadline = Deadline.after(timeout)
        self._expires = self.clock() + random.uniform(*LIFETIME)  # noqa: S311  no secret
        try:
            addresses = self.resolver.resolve(self.host.strip("[]"), self.port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        return _connect(addresses, deadline)

    def _tunnel(self) -> None:
        """Have the proxy lead to the host. The library's own way reads a head of any length."""
        host = str(self._tunnel_host)
        place = f"[{host}]" if ":" in host else host
        place = f"{place}:{self._tunnel_port}"
        headers = {"Host": place, **self._tunnel_headers}  # type: ignore[attr-defined]  # private
        lines = [f"CONNECT {place} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        with self.sock.makefile("rb", 0) as unbuffered:  # what follows the head belongs to TLS
            status = read_head(unbuffered).status
        if not 200 <= status < 300:
            raise ProxyRefusal(status)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Lends connections. One comes back for another call only when it is said to be good."""

    @contextmanager
    def lend(self, *, fresh: bool) -> Iterator["Lent"]:
        """Lend a connection, and close it afterwards unless its ``is_good`` was set.

        Args:
            fresh: it must not have been used before.
        """
        connection = self._get_conn()
        if fresh:
            connection.close()
        lent = Lent(self, connection)
        try:
            yield lent
        finally:
            if not lent.is_good:
                lent.close()
            self._put_conn(connection)


class _TlsPool(Pool, HTTPSConnectionPool):
    pass


class Lent:
    """A connection for one call.

    Attributes:
        was_used: it has carried an earlier call.
        is_good: it may carry another call after this one.
    """

    def __init__(self, pool: Pool, connection: Any) -> None:
        self._pool = pool
        self._connection = connection
        self.was_used = not connection.is_closed
        self.is_good = False
        self._response: BaseHTTPResponse | None = None

    def close(self) -> None:
        """Close the connection, and what is left unread on it."""
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _connect(self) -> None:
        if self._pool.proxy is None:
            self._connection.connect()
            return
        try:
            self._pool._prepare_proxy(self._connection)  # noqa: SLF001  the pool is ours
        except (OSError, HTTPError) as error:
            if self._connection.has_connected_to_proxy:
                raise
            raise ProxyError("", error) from None

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], *, connect: float, total: float
    ) -> BaseHTTPResponse:
        """Send a request, and return its answer as soon as the head is there.

        Args:
            path: with the query.
            body: of the request.
            headers: all of them, but for Content-Length.
            connect: seconds to connect in, where that is needed.
            total: seconds for all of it, reading the body included.
        """
        connection = self._connection
        deadline = Deadline.after(total)
        connection.timeout = min(connect, total)
        if connection.is_closed:
            self._connect()
        connection.timeout = deadline.timeout()
        connection.request("POST", path, body, headers, preload_content=False)
        connection.timeout = deadline.timeout()
        response: BaseHTTPResponse = connection.getresponse()
        self._response = response
        return response


def _pool_classes(resolver: Resolver, clock: Callable[[], float]) -> dict[str, type[Pool]]:
    """urllib3 takes classes, not objects, to make connections with."""
    given = {"resolver": resolver, "clock": staticmethod(clock)}
    plain = type("PlainConnection", (_Connection,), given)
    tls = type("TlsConnection", (_TlsConnection,), given)
    return {
        "http": type("PlainPool", (Pool,), {"ConnectionCls": plain}),
        "https": type("TlsPool", (_TlsPool,), {"ConnectionCls": tls}),
    }


def tls_context(trusted: Authorities) -> ssl.SSLContext:
    """Return a context that verifies, from TLS 1.2 on.

    Args:
        trusted: in place of those that requests brings; empty for them.

    Raises:
        OSError: they cannot be read, or there are none (ssl.SSLError).
    """
    file = trusted.file or ("" if trusted.directory else requests.utils.DEFAULT_CA_BUNDLE_PATH)
    # In a time of its own: the imports before it may have taken long, and are no file's fault.
    with files.patience(files.PATIENCE):
        cadata = certificates(file) if file else None
    context = ssl.create_default_context(cadata=cadata, capath=trusted.directory or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = DeadlineTlsSocket
    return context


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """The adapter of requests, on connections that keep their time.

    Args:
        connections: how many to keep open for each host.
        context: for TLS; made once, since reading a CA bundle takes longer than a call.
        resolver: looks the hosts up.
        clock: monotonic seconds, by which connections age.
    """

    def __init__(
        self,
        connections: int,
        context: ssl.SSLContext,
        resolver: Resolver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._pool_classes = _pool_classes(resolver or Resolver(), clock)
        super().__init__(pool_connections=64, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the pools our connections and context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self._adopt(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Likewise for the pools behind a proxy."""
        manager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
        )
        self._adopt(manager)  # each time: another thread may be between the two
        return manager

    def pool(self, url: str, proxy: str) -> Pool:
        """Return the pool for a scheme and host: used directly, a call costs a third less.

        Args:
            url: of the host.
            proxy: the URL of the proxy that leads there; empty for none.
        """
        manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
        pool: Pool = manager.connection_from_url(url)
        return pool

    def _adopt(self, manager: urllib3.PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pool_classes
