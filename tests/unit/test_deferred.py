"""When the client is made, and that it is made once."""

import errno
from typing import TYPE_CHECKING, cast

import pytest

from exporter import files
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConnectionFailed, NoCredentials, TlsFailed
from exporter.gpdb.answers import Answer
from exporter.gpdb.credentials import EnvironmentCredentials
from exporter.gpdb.deferred import DeferredClient
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import JobRef, Target
from exporter.redaction import Redactor
from exporter.secret import Secret
from exporter.wiring import build_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.gpdb.client import ApiClient

KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}
ANSWER = Answer({}, None)
TARGET = Target("t", "cn-hangzhou", Secret("password"))
KIND = KINDS[UPSERT_COLLECTION_DATA]
REF = JobRef("t", "cn-hangzhou", "job", "document", kind=UPSERT_COLLECTION_DATA)


class Made:
    """Mimics the client, and counts how often it is made, called and closed."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def make(self) -> "ApiClient":
        """Note it."""
        self.events.append("made")
        return cast("ApiClient", self)

    def call(self, *_: object) -> Answer:
        """See ``ApiClient``."""
        self.events.append("called")
        return ANSWER

    def close(self) -> None:
        """See ``ApiClient``."""
        self.events.append("closed")


def deferred(make: "Callable[[], ApiClient]", environ: dict[str, str] = KEY) -> DeferredClient:
    """Return a client to be."""
    return DeferredClient(EnvironmentCredentials(environ), make)


def test_it_is_made_before_the_round_and_once() -> None:
    """The calls of a round must not wait for it: the limit of calls counts from their start."""
    made = Made()
    client = deferred(made.make)
    assert made.events == []

    client.key_version()
    assert made.events == ["made"]
    assert client.call(TARGET, KIND, REF) is ANSWER
    client.key_version()
    client.close()

    assert made.events == ["made", "called", "closed"]


def test_one_that_was_never_needed_has_nothing_to_close() -> None:
    """A command may end before it asks."""
    made = Made()
    deferred(made.make).close()

    assert made.events == []


def test_without_a_key_there_is_no_mark() -> None:
    """The client is one thing, its key another."""
    with pytest.raises(NoCredentials):
        deferred(Made().make, {}).key_version()


def test_a_client_that_cannot_be_made_is_told_by_the_call() -> None:
    """A file of authorities that has gone fails the queries, and not the scrape."""

    def fail() -> "ApiClient":
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    client = deferred(fail)
    client.key_version()

    with pytest.raises(TlsFailed, match=r"api\.ca_file.* cannot be read: No such file"):
        client.call(TARGET, KIND, REF)


def test_slow_imports_cost_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine is busy imports outlast the patience with files: nothing is lost."""
    monkeypatch.setattr(files, "_LEAST", 0.0)
    config = Config(targets=(), jobs=())
    client = build_client(config, environ=KEY, clock=Clock(), redactor=Redactor())
    nowhere = Target("t", "cn-hangzhou", Secret("password"), endpoint="http://127.0.0.1:9")

    with files.patience(0.0):
        client.key_version()

    with pytest.raises(ConnectionFailed):
        client.call(nowhere, KIND, REF)
