"""What a call does when the API refuses its key."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.errors import AuthRejected, NoCredentials
from exporter.gpdb.client import ApiClient
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.secret import Secret, Watched
from tests.api_clients import GOOD, PATIENT, ask
from tests.upstream import Request, Upstream, message, send

OLD = AccessKey("STS.old", Secret("old-secret"), Secret("old-token"))
NEW = AccessKey("STS.new", Secret("new-secret"), Secret("new-token"))
LASTING = AccessKey("LTAIold", Secret("old-secret"))


class Renewable(Credentials):
    """Mimics a role's key, of which there is another one.

    Attributes:
        renewals: how often that was asked for.
    """

    def __init__(self, key: AccessKey, fresh: AccessKey | None = NEW) -> None:
        self._key = key
        self._fresh = fresh
        self.renewals = 0

    def current(self) -> AccessKey:
        """Return the key; nobody who makes a call is to look without waiting."""
        raise NoCredentials("not there yet")

    def awaited(self, _seconds: float, /) -> AccessKey:
        """Return the old key."""
        return self._key

    def renewed(self, refused: AccessKey, seconds: float, /) -> AccessKey | None:
        """Return the new key."""
        assert refused == self._key
        assert 0 < seconds <= PATIENT
        self.renewals += 1
        return self._fresh

    def secrets(self) -> tuple[Watched, ...]:
        """Return nothing to hide: there is no log here."""
        return ()


@contextmanager
def client(credentials: Credentials) -> Iterator[ApiClient]:
    """A client with these credentials."""
    api = ApiSettings(connect_timeout=PATIENT, request_timeout=PATIENT)
    made = ApiClient(api, credentials, connections=2, clock=Clock())
    try:
        yield made
    finally:
        made.close()


def signer(request: Request) -> str:
    """Return the id of the key that signed a call."""
    found = re.search("Credential=([^,]*)", request.headers["authorization"])
    assert found is not None
    return found[1]


def refusing(code: str) -> Upstream:
    """Return an API that takes the new key only."""
    refusal = send(message({"Code": code, "Message": "No."}, status=400))
    return Upstream(lambda asked: send(message(GOOD)) if signer(asked) == NEW.id else refusal)


@pytest.mark.parametrize(
    "code", ["InvalidSecurityToken.Expired", "InvalidSecurityToken", "InvalidAccessKeyId.NotFound"]
)
def test_an_ended_key(code: str) -> None:
    """A call whose temporary key has ended is made once more, with the new one."""
    credentials = Renewable(OLD)
    with refusing(code) as api, client(credentials) as it:
        answer = ask(it, api.url)

    assert answer.document == GOOD
    assert [signer(asked) for asked in api.requests] == [OLD.id, NEW.id]
    tokens = [asked.headers["x-acs-security-token"] for asked in api.requests]
    assert tokens == ["old-token", "new-token"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (OLD, "SignatureDoesNotMatch"),
        (OLD, "IncompleteSignature"),
        (LASTING, "InvalidAccessKeyId.NotFound"),
    ],
)
def test_a_key_that_has_not_ended(key: AccessKey, code: str) -> None:
    """A key that is refused for another reason, or is a lasting one, is not renewed."""
    credentials = Renewable(key)
    with (
        refusing(code) as api,
        client(credentials) as it,
        pytest.raises(AuthRejected),
    ):
        ask(it, api.url)

    assert credentials.renewals == 0
    assert len(api.requests) == 1


def test_there_is_no_new_key() -> None:
    """Without a new key the refusal stands."""
    credentials = Renewable(OLD, None)
    with (
        refusing("InvalidSecurityToken.Expired") as api,
        client(credentials) as it,
        pytest.raises(AuthRejected),
    ):
        ask(it, api.url)

    assert len(api.requests) == 1


def test_the_new_key_is_refused_too() -> None:
    """There is one second try, not a third."""
    credentials = Renewable(OLD, AccessKey("STS.3", Secret("third"), Secret("third-token")))
    with (
        refusing("InvalidSecurityToken.Expired") as api,
        client(credentials) as it,
        pytest.raises(AuthRejected),
    ):
        ask(it, api.url)

    assert credentials.renewals == 1
    assert len(api.requests) == 2
