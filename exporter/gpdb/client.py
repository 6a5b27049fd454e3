"""One signed call of the API, bounded in time and size. The only user of requests."""

import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import urlencode, urlsplit

import requests.utils
from urllib3.response import BaseHTTPResponse

from exporter import __version__, files
from exporter.clock import Clock, Deadline
from exporter.config import ApiSettings
from exporter.errors import (
    AnswerError,
    AnswerTooLarge,
    AuthRejected,
    BadAnswer,
    ConnectionFailed,
    QueryError,
)
from exporter.gpdb import answers, failures, proxies
from exporter.gpdb.authorities import authorities
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.gpdb.decoding import is_about_job
from exporter.gpdb.endpoints import base_url
from exporter.gpdb.kinds import JobKind
from exporter.gpdb.signing import authorization, canonical_query, content_hash
from exporter.gpdb.transport import BoundedAdapter, Pool, tls_context
from exporter.model import JobRef, Target

API_VERSION = "2016-05-03"
USER_AGENT = f"adbpg-job-exporter/{__version__}"

_REQUEST_TIMEOUT = 408  # sent unasked where a connection is idle (RFC 9110, section 15.5.9)
_MOST_PARTS = 4_000  # of a JSON text; an answer of the API has about 50
_SMALL = 8_192  # bytes of a JSON text that cannot hold so many that it matters
_PART = re.compile(rb'"[^"]*"?|[\[{,]')  # a string, or what stands before a value
_KEY_ENDED = ("invalidsecuritytoken", "invalidaccesskeyid")  # what codes begin with


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it goes on the wire.

    Attributes:
        query: the URL's query string.
        headers: by lower-case name, but for Authorization.
        body: the form; empty for none.
    """

    query: str = field(repr=False)  # some operations have the namespace password in it
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


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
        form: parameters of the body; without any, there is no content-type, as with the SDK.
        key: signs it.
        date: in UTC; the API allows 15 minutes of difference to its own clock.
        nonce: never used before with this key.
    """
    query_string = canonical_query(query)
    body = urlencode(sorted(form.items())).encode()
    headers = {
        "accept": "application/json",
        "host": host,
        "user-agent": USER_AGENT,
        "x-acs-action": action,
        "x-acs-content-sha256": content_hash(body),
        "x-acs-date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": API_VERSION,
    }
    if form:
        headers["content-type"] = "application/x-www-form-urlencoded"
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
        kind: of the job.
        ref: the job that it is about.
        query: parameters of the URL.
        form: parameters of the body; the namespace password is in one of the two.
        deadline: all of it must be over then.
    """

    target: Target
    kind: JobKind
    ref: JobRef
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    deadline: Deadline


class _NotOurs(Exception):
    """What came on a connection may well be the answer to another request.

    Args:
        request_id: of that answer.
    """

    def __init__(self, request_id: str = "") -> None:
        super().__init__()
        self.request_id = request_id

    def as_failure(self) -> BadAnswer:
        """Return what it means where nothing else comes."""
        failure = BadAnswer("the answer is about another job", is_of_api=True)
        failure.request_id = self.request_id
        return failure


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a target's calls go: resolved once, not for each call."""

    pool: Pool
    host: str


class ApiClient:
    """Calls the API.

    Args:
        api: limits and routes.
        credentials: give the key for each call.
        connections: how many to keep open for each host.
        clock: dates the calls and bounds them.
        nonce: gives a text never given before.
        environ: names the proxy and the authorities that the settings do not name.
    """

    def __init__(
        self,
        api: ApiSettings,
        credentials: Credentials,
        *,
        connections: int,
        clock: Clock,
        nonce: Callable[[], str] = random_nonce,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._api = api
        self._credentials = credentials
        self._clock = clock
        self._nonce = nonce
        self._adapter = BoundedAdapter(
            connections, tls_context(authorities(api.ca_file, environ)), clock=clock.monotonic
        )
        self._proxy = proxies.configured(api.proxy, environ)
        self._routes: dict[str, _Route] = {}

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> answers.Answer:
        """Query a job of a target, and return the good answer.

        The namespace password is revealed here. Within the same time it is tried once more
        with a fresh connection where one was closed under us or brought another call's answer,
        and with a new temporary key where the API says that this one has ended.

        Raises:
            QueryError: the leaf that says why there is none; its text holds no secret.
        """
        deadline = Deadline.after(self._api.request_timeout, self._clock.monotonic)
        with files.patience(min(files.PATIENCE, self._api.request_timeout)):
            query, form = kind.parameters(ref, target)
            call = _Call(target, kind, ref, query, form, deadline)
            key = self._credentials.awaited(deadline.timeout())
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

    def _key_after(self, error: AuthRejected, key: AccessKey, call: _Call) -> AccessKey | None:
        if key.security_token is None or not error.code.lower().startswith(_KEY_ENDED):
            return None
        return self._credentials.renewed(key, call.deadline.timeout())

    def _answer(self, call: _Call, key: AccessKey) -> answers.Answer:
        try:
            return self._attempt(call, key, fresh=False)
        except _NotOurs as stray:
            failure: QueryError = stray.as_failure()
        except failures.FOREIGN as error:
            failure = failures.translate(error)
            if not failures.was_dropped(error):
                raise failure from None
        if call.deadline.has_passed:
            raise failure
        try:
            return self._attempt(call, key, fresh=True)
        except _NotOurs as stray:
            raise stray.as_failure() from None
        except failures.FOREIGN as error:
            raise failures.translate(error) from None

    def _attempt(self, call: _Call, key: AccessKey, *, fresh: bool) -> answers.Answer:
        """Send one request.

        A connection is kept for the next call only where the answer names the job that was queried
        about. One answer too many would otherwise be taken for the next call's, and so on for ever.
        """
        route = self._route(call.target)
        signed = sign_request(
            host=route.host,
            action=call.kind.action,
            query=call.query,
            form=call.form,
            key=key,
            date=datetime.fromtimestamp(self._clock.wall(), UTC),
            nonce=self._nonce(),
        )
        with route.pool.lend(fresh=fresh) as lent:
            response = lent.post(
                f"/?{signed.query}",
                signed.body,
                {**signed.headers, "accept-encoding": "identity"},
                connect=self._api.connect_timeout,
                total=call.deadline.timeout(),
            )
            if response.status == _REQUEST_TIMEOUT and lent.was_used:
                raise _NotOurs  # it was idle for too long, and our request came too late
            answer = self._read(response)
            is_named = is_about_job(answer.document, call.ref)
            if is_named is False or (is_named is None and lent.was_used):
                raise _NotOurs(answer.request_id)
            lent.is_good = is_named is True
        return answer

    def _read(self, response: BaseHTTPResponse) -> answers.Answer:
        now = self._clock.wall()
        try:
            try:
                body = _body(response, self._api.max_response_bytes)
            except AnswerError:
                if response.status < 400:
                    raise
                body = b""  # an error of the API is short and plain: the status says enough
            return answers.parse(response.status, response.headers, body, now=now)
        except QueryError as error:
            error.clock_skew = answers.clock_skew_of(response.headers, now)
            error.request_id = error.request_id or answers.request_id_of(response.headers)
            raise

    def _route(self, target: Target) -> _Route:
        url = base_url(target)
        route = self._routes.get(url)
        if route is None:
            pool = self._adapter.pool(url, self._proxy_to(url))
            route = self._routes[url] = _Route(pool, urlsplit(url).netloc)
        return route

    def _proxy_to(self, url: str) -> str:
        if url.startswith("http://"):  # loopback only; a proxy would see the password
            return ""
        return "" if requests.utils.should_bypass_proxies(url, no_proxy=None) else self._proxy


def _is_dense(body: bytes) -> bool:
    """Return whether reading a JSON text would take far more memory than the text itself.

    An empty list takes two bytes there, and thirty times as many here. What is not UTF-8 cannot
    be decided, and is no JSON (RFC 8259, section 8.1).
    """
    if b"\0" in body[:4]:  # json.loads would take it for UTF-16
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    parts = _PART.finditer(body.replace(rb"\\", b"").replace(rb"\"", b""))
    return next(islice(parts, _MOST_PARTS, None), None) is not None


def _body(response: BaseHTTPResponse, most: int) -> bytes:
    """Read the whole body, uncompressed as we asked for it.

    Raises:
        AnswerTooLarge: it has more than ``most`` bytes.
        BadAnswer: it is compressed all the same, or JSON that takes far too much memory to read.
        ConnectionFailed: it ends before its Content-Length.
    """
    if 300 <= response.status < 400:
        return b""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadAnswer("the body is compressed, which was not asked for")
    declared = response.headers.get("content-length", "0")  # digits: see ``responses``
    too_large = AnswerTooLarge(f"the body has more than {most} bytes")
    if len(declared) > 15 or int(declared) > most:
        raise too_large
    body = response.read(most + 1, decode_content=False)
    if len(body) > most:
        raise too_large
    if response.length_remaining:  # urllib3 looks at it only when nothing more can be read
        raise ConnectionFailed("the connection was closed inside the body")
    if len(body) > _SMALL and _is_dense(body):
        raise BadAnswer("the body is JSON of far more parts than the API sends")
    return body
