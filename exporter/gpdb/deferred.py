"""The client, made when it is first needed: requests and TLS take a third of a start's time."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.gpdb.answers import Answer
from exporter.gpdb.credentials import Credentials
from exporter.model import Target

if TYPE_CHECKING:
    from exporter.gpdb.client import ApiClient


class DeferredClient:
    """An ``ApiClient`` to be.

    Args:
        api: limits and routes.
        credentials: give the key for each call.
        connections: how many to keep open for each host.
        clock: dates the calls and bounds them.
    """

    def __init__(
        self, api: ApiSettings, credentials: Credentials, *, connections: int, clock: Clock
    ) -> None:
        self._api = api
        self._credentials = credentials
        self._connections = connections
        self._clock = clock
        self._lock = threading.Lock()
        self._made: ApiClient | None = None

    def key_mark(self) -> int:
        """Return a number that changes when the access key does.

        Makes the client too: this is asked before a round begins. The first call would come later
        than the limit of calls believes if it had to wait for the imports.

        Raises:
            NoCredentials: there is no usable key.
        """
        with suppress(OSError):  # a file of authorities that has gone: each call will say so
            self._client()
        return hash(self._credentials.current())

    def call(
        self, target: Target, action: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Answer:
        """Call an operation: see ``ApiClient.call``.

        Raises:
            QueryError: the leaf that says why there is no good answer.
        """
        return self._client().call(target, action, query, form)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            if self._made is not None:
                self._made.close()

    def _client(self) -> "ApiClient":
        from exporter.gpdb.client import ApiClient  # noqa: PLC0415  what this class is for

        with self._lock:
            if self._made is None:
                self._made = ApiClient(
                    self._api, self._credentials, connections=self._connections, clock=self._clock
                )
            return self._made
