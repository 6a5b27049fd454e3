"""The simulator lets in what the vendor's gateway lets in, and says what is wrong with the rest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.secret import Secret
from exporter.simulator.scenario import AccessKey
from exporter.simulator.verify import Rejected, Request, Signed, verify
from tests.simulator_requests import KEY, SCENARIO, START, TEMPORARY_KEY, signed

VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "signature_vectors.json").read_text("utf-8")
)["sdk_wire"]
MINUTE = 60.0

Change = Callable[[Request], Request]


def request_of(vector: dict[str, Any]) -> Request:
    """The SDK's request, as it went over the wire."""
    expected = vector["expected"]
    _, _, query = expected["request_target"].partition("?")
    headers = {name.lower(): value for name, value in expected["headers_on_wire"]}
    return Request(expected["method"], "/", query, headers, expected["body"].encode())


def key_of(vector: dict[str, Any]) -> AccessKey:
    """The key that signed it."""
    inputs = vector["inputs"]
    token = inputs["security_token"]
    secret = Secret(inputs["access_key_secret"])
    return AccessKey(inputs["access_key_id"], secret, Secret(token) if token else None)


def with_headers(**changed: str) -> Change:
    """Replace headers after the signature; underscores stand for dashes, empty removes."""

    def change(request: Request) -> Request:
        headers = dict(request.headers)
        for name, value in changed.items():
            headers[name.replace("_", "-")] = value
        return Request(
            request.method,
            request.path,
            request.query,
            {name: value for name, value in headers.items() if value},
            request.body,
        )

    return change


def with_wire(**changed: Any) -> Change:
    """Replace method, path, query or body after the signature."""

    def change(request: Request) -> Request:
        fields = {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": request.body,
        }
        return Request(**{**fields, **changed})

    return change


def refusal(
    request: Request, keys: Mapping[str, AccessKey] = SCENARIO.access_key, now: float = START
) -> tuple[int, str]:
    """HTTP status and code of the refusal."""
    with pytest.raises(Rejected) as caught:
        verify(request, keys, now)
    return caught.value.http_status, caught.value.code


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in VECTORS])
def test_the_sdks_requests_are_let_in(vector: dict[str, Any]) -> None:
    """A request that the official SDK made verifies."""
    key = key_of(vector)

    who = verify(request_of(vector), {key.id: key}, START)

    assert who == Signed(key.id, vector["inputs"]["nonce"])


@pytest.mark.parametrize("key", [KEY, TEMPORARY_KEY], ids=["lasting", "temporary"])
def test_our_requests_are_let_in(key: AccessKey) -> None:
    """A request signed by ``exporter.gpdb.signing`` verifies, under either kind of key."""
    who = verify(signed(key=key), SCENARIO.access_key, START)

    assert who == Signed(key.id, "nonce-1")


def test_every_byte_of_the_body_counts() -> None:
    """Whichever byte of the body changes, the signature does not match."""
    request = signed()

    for index, byte in enumerate(request.body):
        changed = bytes([byte ^ 1]) if byte ^ 1 != ord("&") else b"z"
        body = request.body[:index] + changed + request.body[index + 1 :]
        code = refusal(with_wire(body=body)(request))
        assert code == (400, "SignatureDoesNotMatch"), index


def test_every_letter_of_the_query_counts() -> None:
    """Whichever letter of the query changes, the signature does not match."""
    request = signed()

    for index, letter in enumerate(request.query):
        query = request.query[:index] + ("x" if letter != "x" else "y") + request.query[index + 1 :]
        code = refusal(with_wire(query=query)(request))
        assert code == (400, "SignatureDoesNotMatch"), index


def test_every_letter_of_the_secret_counts() -> None:
    """Whichever letter of the access key secret is wrong, the signature does not match."""
    secret = KEY.secret.reveal()

    for index in range(len(secret)):
        wrong = Secret(secret[:index] + "#" + secret[index + 1 :])
        code = refusal(signed(key=replace(KEY, secret=wrong)))
        assert code == (400, "SignatureDoesNotMatch"), index


@pytest.mark.parametrize("name", [n for n in signed().headers if n != "authorization"])
def test_every_signed_header_counts(name: str) -> None:
    """Whichever signed header changes by one letter, the request is refused."""
    request = signed()
    value = request.headers[name]
    last = "0" if value[-1] != "0" else "1"

    with pytest.raises(Rejected):
        verify(with_headers(**{name: value[:-1] + last})(request), SCENARIO.access_key, START)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(with_headers(host="other.example"), "SignatureDoesNotMatch", id="host"),
        pytest.param(
            with_headers(x_acs_signature_nonce="nonce-2"), "SignatureDoesNotMatch", id="nonce"
        ),
        pytest.param(
            with_headers(x_acs_date="2024-01-08T08:53:05Z"), "SignatureDoesNotMatch", id="date"
        ),
        pytest.param(
            with_headers(x_acs_content_sha256="0" * 64), "SignatureDoesNotMatch", id="content hash"
        ),
        pytest.param(with_wire(body=b""), "SignatureDoesNotMatch", id="no body"),
        pytest.param(with_wire(query=""), "SignatureDoesNotMatch", id="no query"),
        pytest.param(with_headers(authorization=""), "MissingParameter", id="no Authorization"),
        pytest.param(with_headers(x_acs_date=""), "MissingParameter", id="no date"),
        pytest.param(with_headers(x_acs_signature_nonce=""), "MissingParameter", id="no nonce"),
        pytest.param(with_headers(x_acs_content_sha256=""), "MissingParameter", id="no hash"),
        pytest.param(with_headers(x_acs_action=""), "MissingParameter", id="no action"),
        pytest.param(with_headers(x_acs_version=""), "MissingParameter", id="no version"),
        pytest.param(with_headers(host=""), "IncompleteSignature", id="a signed header is gone"),
        pytest.param(with_headers(x_acs_extra="1"), "IncompleteSignature", id="x-acs- not signed"),
        pytest.param(with_headers(authorization="Basic YTpi"), "IncompleteSignature", id="scheme"),
        pytest.param(with_headers(x_acs_version="2020-01-01"), "InvalidVersion", id="version"),
        pytest.param(with_wire(path="/other"), "InvalidAction.NotFound", id="path"),
        pytest.param(with_wire(method="GET"), "UnsupportedHTTPMethod", id="method"),
        pytest.param(with_headers(x_acs_date="yesterday"), "InvalidTimeStamp.Format", id="words"),
        pytest.param(
            with_headers(x_acs_date="2024-13-08T08:53:04Z"), "InvalidTimeStamp.Format", id="month"
        ),
    ],
)
def test_tampering(change: Change, expected: str) -> None:
    """What is changed after the signature is refused, with the code that says what it was."""
    code = refusal(change(signed()))

    assert code[1] == expected


@pytest.mark.parametrize("name", ["host", "content-type", "x-acs-date", "x-acs-action"])
def test_what_must_be_signed(name: str) -> None:
    """A good signature that leaves out host, content-type or an x-acs- header is not enough."""
    request = signed()
    authorization = request.headers["authorization"].replace(f"{name};", "")

    code = refusal(with_headers(authorization=authorization)(request))

    assert code == (400, "IncompleteSignature")


def test_signed_headers_are_sorted() -> None:
    """SignedHeaders in another order than the vendor's is refused."""
    request = signed()
    authorization = request.headers["authorization"].replace(
        "content-type;host", "host;content-type"
    )

    code = refusal(with_headers(authorization=authorization)(request))

    assert code == (400, "IncompleteSignature")


@pytest.mark.parametrize("change", [{"x-acs-action": "DropEverything"}, {"x-acs-action": "x"}])
def test_unknown_action(change: dict[str, str]) -> None:
    """Another action is not found, however well it is signed."""
    code = refusal(signed(headers=change))

    assert code == (404, "InvalidAction.NotFound")


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (15 * MINUTE, None),
        (-15 * MINUTE, None),
        (15 * MINUTE + 1, "InvalidTimeStamp.Expired"),
        (-15 * MINUTE - 1, "IllegalTimestamp"),
    ],
)
def test_clock(late: float, expected: str | None) -> None:
    """Fifteen minutes between the clocks are borne, not a second more, in either direction."""
    request = signed()

    if expected is None:
        assert verify(request, SCENARIO.access_key, START + late).access_key_id == KEY.id
    else:
        assert refusal(request, now=START + late) == (400, expected)


def test_a_wrong_content_hash_that_is_signed() -> None:
    """A content hash that is not the body's is refused, even where the signature covers it."""
    code = refusal(signed(headers={"x-acs-content-sha256": "0" * 64}))

    assert code == (400, "SignatureDoesNotMatch")


def test_unknown_key() -> None:
    """An unknown access key is an HTTP 404, as the vendor has it."""
    code = refusal(signed(key=AccessKey("LTAI5tNobody", KEY.secret)))

    assert code == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(
            replace(TEMPORARY_KEY, security_token=None), "MissingSecurityToken", id="missing"
        ),
        pytest.param(
            replace(TEMPORARY_KEY, security_token=Secret("TestTokeN")),
            "InvalidSecurityToken.MismatchWithAccessKey",
            id="another",
        ),
        pytest.param(
            replace(KEY, security_token=Secret("TestToken")),
            "InvalidSecurityToken.MismatchWithAccessKey",
            id="needless",
        ),
    ],
)
def test_security_token(key: AccessKey, expected: str) -> None:
    """A temporary key comes with its own token, a lasting key with none."""
    code = refusal(signed(key=key))

    assert code == (400, expected)


def test_token_of_another_key() -> None:
    """A token that names another access key than the signer's is refused."""
    code = refusal(signed(key=TEMPORARY_KEY, headers={"x-acs-accesskey-id": KEY.id}))

    assert code == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_the_sdks_plus_is_a_space() -> None:
    """A space may come as ``+``, as the SDK sends it, though ``%20`` is what is signed."""
    request = signed(query={"DBInstanceId": "a b", "RegionId": "cn-hangzhou"})
    assert "%20" in request.query

    as_plus = with_wire(query=request.query.replace("%20", "+"))(request)

    assert verify(as_plus, SCENARIO.access_key, START).access_key_id == KEY.id


def test_refusals_keep_secrets() -> None:
    """No refusal tells the secret or the token that would have been right."""
    wrong = [
        signed(key=replace(KEY, secret=Secret("another"))),
        signed(key=replace(TEMPORARY_KEY, security_token=Secret("another"))),
    ]

    for request in wrong:
        with pytest.raises(Rejected) as caught:
            verify(request, SCENARIO.access_key, START)
        for key in (KEY, TEMPORARY_KEY):
            assert key.secret.reveal() not in caught.value.message
        assert "TestToken" not in caught.value.message
