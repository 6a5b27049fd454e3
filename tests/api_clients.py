"""The API's client, pointed at a server of the test, with a key and a password to look for."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus

import pytest

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.errors import QueryError
from exporter.gpdb.answers import Answer
from exporter.gpdb.client import ApiClient
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.gpdb.deferred import DeferredClient
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import JobRef, Target
from exporter.secret import Secret, Watched

PASSWORD = "p&a=s+s%w o/r?d#密"
KEY = AccessKey("LTAI5tEXAMPLEKEYID00", Secret("ExampleSecretKeyForTestsOnly00"))
PATIENT = 30.0  # seconds of a call that is to end by itself: a loaded machine takes its time
HASTY = 0.4  # seconds of a call that is to run out of time

REF = JobRef(
    "t",
    "cn-hangzhou",
    "job-1",
    "document",
    db_instance_id="gp-xxxxxxxxx",
    kind=UPSERT_COLLECTION_DATA,
)
GOOD: dict[str, object] = {"Status": "success", "Job": {"Id": "job-1", "Status": "Running"}}


class FixedCredentials(Credentials):
    """Mimics credentials that never change."""

    def __init__(self, key: AccessKey = KEY) -> None:
        self._key = key

    def current(self) -> AccessKey:
        """Return the key."""
        return self._key

    def secrets(self) -> tuple[Watched, ...]:
        """Return nothing to hide: there is no log here."""
        return ()


@contextmanager
def api_client(
    *, timeout: float = PATIENT, key: AccessKey = KEY, clock: Clock | None = None, **settings: Any
) -> Iterator[ApiClient]:
    """A client with this limit for a call and, if not set, for connecting; closed at the end."""
    api = ApiSettings(**{"connect_timeout": timeout, "request_timeout": timeout, **settings})
    client = ApiClient(api, FixedCredentials(key), connections=4, clock=clock or Clock())
    try:
        yield client
    finally:
        client.close()


def ask(client: ApiClient | DeferredClient, url: str) -> Answer:
    """Ask about the job once."""
    target = Target("t", "cn-hangzhou", Secret(PASSWORD), endpoint=url)
    return client.call(target, KINDS[UPSERT_COLLECTION_DATA], REF)


def failure(client: ApiClient, url: str) -> QueryError:
    """Ask once, and return how it failed. No failure shows a secret."""
    with pytest.raises(QueryError) as caught:
        ask(client, url)
    told = "".join(traceback.format_exception(caught.value))
    for secret in (PASSWORD, quote_plus(PASSWORD), KEY.secret.reveal(), "ACS3-HMAC"):
        assert secret not in told
    # No foreign exception hangs on it: its text may hold anything.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value
