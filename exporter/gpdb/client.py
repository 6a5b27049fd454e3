"""One signed call of the API, bounded in time and size. The only user of requests."""

import email.utils
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlencode, urlsplit

import requests.utils
import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.response import BaseHTTPResponse

from exporter import __version__, files
from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.errors import (
    AnswerTooLarge,
    ApiError,
    AuthRejected,
    BadAnswer,
    ConnectionFailed,
    QueryError,
)
from exporter.gpdb import answers, failures
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.gpdb.endpoints import base_url
from exporter.gpdb.signing import authorization, canonical_query, content_hash
from exporter.gpdb.transport import BoundedAdapter, tls_context
from exporter.model import Target

API_VERSION = "2016-05-03"
USER_AGENT = f"adbpg-job-exporter/{__version__}"

_KEY_ENDED = ("InvalidSecurityToken", "InvalidAccessKeyId")  # what codes begin with


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it goes on the wire.

    Attributes:
        query: the URL's query string.
        headers: by lower-case name, but for Authorization.
        body: the form.
    """

    query: str
    headers: Mapping[str, str]
    body: bytes


def sign_request(
    *,
    host: str,
    action: str,
    query: Mapping[str, str],
    form: Mapping[str, str],
    key: AccessKey,
    date: datetime,
    nonce: str,
) -> SignedRequest:
    """Return the signed request for an operation. Pure.

    Args:
        host: with its port, where it is not the scheme's own.
        action: the operation's name.
        query: parameters of the URL.
        form: parameters of the body.
        key: signs it.
        date: in UTC; the API allows 15 minutes of difference to its own clock.
        nonce: never used before with this key.
    """
    query_string = canonical_query(query)
    body = urlencode(sorted(form.items())).encode()
    headers = {
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
        "host": host,
        "user-agent": USER_AGENT,
        "x-acs-action": action,
        "x-acs-content-sha256": content_hash(body),
        "x-acs-date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": API_VERSION,
    }
    if key.security_token is not None:
        headers["x-acs-accesskey-id"] = key.id
        headers["x-acs-security-token"] = key.security_token.reveal()
    headers["Authorization"] = authorization(
        "POST",
        query_string,
        headers,
        body,
        access_key_id=key.id,
        access_key_secret=key.secret.reveal(),
    )
    return SignedRequest(query_string, headers, body)


def random_nonce() -> str:
    """Return a text that was never used before: 128 bits by chance, without a system call."""
    return f"{random.getrandbits(128):032x}"


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of ours, however many requests it takes.

    Attributes:
        target: where to.
        action: the operation's name.
        query: parameters of the URL.
        form: parameters of the body, the namespace password among them.
        ends: monotonic seconds; all of it must be over then.
    """

    target: Target
    action: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    ends: float


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a target's calls go: resolved once, not for each call."""

    pool: HTTPConnectionPool
    host: str


class ApiClient:
    """Calls the API.

    Args:
        api: limits and routes.
        credentials: give the key for each call.
        connections: how many to keep open for each host.
        clock: dates the calls and bounds them.
        nonce: gives a text never given before.
    """

    def __init__(
        self,
        api: ApiSettings,
        credentials: Credentials,
        *,
        connections: int,
        clock: Clock,
        nonce: Callable[[], str] = random_nonce,
    ) -> None:
        self._api = api
        self._credentials = credentials
        self._clock = clock
        self._nonce = nonce
        self._adapter = BoundedAdapter(connections, tls_context(api.ca_file))
        self._routes: dict[str, _Route] = {}

    def call(
        self, target: Target, action: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> answers.Answer:
        """Call an operation for a target, and return its good answer.

        The namespace password joins the form here. Within the same time it is tried once more
        with a fresh connection where one was closed under us, and with a new temporary key where
        the API says that this one has ended.

        Raises:
            QueryError: the leaf that says why there is none; its text holds no secret.
        """
        ends = self._clock.monotonic() + self._api.request_timeout
        with files.patience(min(files.PATIENCE, self._api.request_timeout)):
            secret_form = {**form, "NamespacePassword": target.namespace_password.reveal()}
            call = _Call(target, action, query, secret_form, ends)
            key = self._credentials.awaited(self._left(call))
        try:
            return self._answer(call, key)
        except AuthRejected as error:
            fresh = self._key_after(error, key, call)
            if fresh is None:
                raise
        return self._answer(call, fresh)

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def _left(self, call: _Call) -> float:
        return max(call.ends - self._clock.monotonic(), 0.001)

    def _key_after(self, error: AuthRejected, key: AccessKey, call: _Call) -> AccessKey | None:
        if key.security_token is None or not error.code.startswith(_KEY_ENDED):
            return None
        return self._credentials.renewed(key, self._left(call))

    def _answer(self, call: _Call, key: AccessKey) -> answers.Answer:
        try:
            return self._attempt(call, key)
        except failures.FOREIGN as error:
            if not failures.was_dropped(error) or self._clock.monotonic() >= call.ends:
                raise failures.translate(error) from None
        try:
            return self._attempt(call, key)
        except failures.FOREIGN as error:
            raise failures.translate(error) from None

    def _attempt(self, call: _Call, key: AccessKey) -> answers.Answer:
        route = self._route(call.target)
        signed = sign_request(
            host=route.host,
            action=call.action,
            query=call.query,
            form=call.form,
            key=key,
            date=datetime.fromtimestamp(self._clock.wall(), UTC),
            nonce=self._nonce(),
        )
        left = self._left(call)
        response = route.pool.urlopen(
            "POST",
            f"/?{signed.query}",
            signed.body,
            {**signed.headers, "accept-encoding": "identity"},
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(total=left, connect=min(left, self._api.connect_timeout)),
            preload_content=False,
        )
        try:
            return self._read(response)
        except BaseException:
            response.close()  # what is left unread makes the connection useless
            raise

    def _read(self, response: BaseHTTPResponse) -> answers.Answer:
        clock_skew = self._clock_skew(response.headers.get("date"))
        try:
            body = _body(response, self._api.max_response_bytes)
            document = answers.parse(response.status, response.headers, body)
        except QueryError as error:
            if isinstance(error, ApiError):
                error = answers.blame_clock(error, clock_skew)
            error.clock_skew = clock_skew
            raise error from None
        return answers.Answer(document, clock_skew)

    def _clock_skew(self, date: str | None) -> float | None:
        there = _unix_time(date or "")
        return None if there is None else there - self._clock.wall()

    def _route(self, target: Target) -> _Route:
        url = base_url(target)
        route = self._routes.get(url)
        if route is None:
            pool = self._adapter.pool(url, self._proxies(url))
            route = self._routes[url] = _Route(pool, urlsplit(url).netloc)
        return route

    def _proxies(self, url: str) -> dict[str, str]:
        if url.startswith("http://"):  # loopback only; a proxy would see the password
            return {}
        if self._api.proxy is not None:
            return {"https": self._api.proxy.reveal()}
        return dict(requests.utils.get_environ_proxies(url, no_proxy=None))


@lru_cache(maxsize=16)  # the answers of a second have one Date
def _unix_time(date: str) -> float | None:
    try:
        there = email.utils.parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # OverflowError: a number of a hundred digits
        return None
    if there.tzinfo is None:  # "-0000", or no zone at all; never this process's own
        there = there.replace(tzinfo=UTC)
    return there.timestamp()


def _body(response: BaseHTTPResponse, most: int) -> bytes:
    """Read the whole body, uncompressed as we asked for it.

    Raises:
        AnswerTooLarge: it has more than ``most`` bytes.
        BadAnswer: it is compressed all the same, or its Content-Length is no number.
        ConnectionFailed: it ends before its Content-Length.
    """
    if 300 <= response.status < 400:
        return b""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        if response.status >= 400:  # a gateway's page: the status says enough
            return b""
        raise BadAnswer("the body is compressed, which was not asked for")
    declared = response.headers.get("content-length", "")
    if declared and not declared.isdecimal():  # it may be anywhere that the body ends
        raise BadAnswer("the Content-Length is no number")
    too_large = AnswerTooLarge(f"the body has more than {most} bytes")
    if declared.isdecimal() and (len(declared) > 15 or int(declared) > most):
        raise too_large
    body = response.read(most + 1, decode_content=False)
    if len(body) > most:
        raise too_large
    if response.length_remaining:  # urllib3 looks at it only when nothing more can be read
        raise ConnectionFailed("the connection was closed inside the body")
    return body
