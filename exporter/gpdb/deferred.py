"""The client, made when it is first needed: requests and TLS take a third of a start's time."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from exporter.errors import TlsFailed
from exporter.gpdb.answers import Answer
from exporter.gpdb.credentials import Credentials
from exporter.gpdb.kinds import JobKind
from exporter.model import JobRef, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.gpdb.client import ApiClient


class DeferredClient:
    """An ``ApiClient`` to be.

    Args:
        credentials: give the key for each call.
        make: makes the client, or raises OSError where a file for it cannot be read.
    """

    def __init__(self, credentials: Credentials, make: "Callable[[], ApiClient]") -> None:
        self._credentials = credentials
        self._make = make
        self._lock = threading.Lock()
        self._made: ApiClient | None = None

    def key_version(self) -> int:
        """Return a number that changes when the access key does.

        Makes the client too: this is called before a round begins. The first call would come later
        than the limit of calls believes if it had to wait for the imports.

        Raises:
            NoCredentials: there is no usable key.
        """
        with suppress(TlsFailed):  # each call will say so
            self._client()
        return hash(self._credentials.current())

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> Answer:
        """Query a job: see ``ApiClient.call``.

        Raises:
            QueryError: the leaf that says why there is no good answer.
        """
        return self._client().call(target, kind, ref)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            if self._made is not None:
                self._made.close()

    def _client(self) -> "ApiClient":
        with self._lock:
            if self._made is None:
                try:
                    self._made = self._make()
                except OSError as error:
                    why = error.strerror
                    where = "api.ca_file, REQUESTS_CA_BUNDLE, or SSL_CERT_FILE"
                    text = f"the trusted certificates ({where}) cannot be read: {why}"
                    raise TlsFailed(text) from None
            return self._made
