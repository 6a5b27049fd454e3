"""Each HTTP answer of the API means one thing: a document, or one class of error."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from exporter.errors import (
    AnswerError,
    ApiError,
    ApiFailed,
    AuthRejected,
    BadAnswer,
    BadRequest,
    ClockSkewed,
    NotFound,
    PermissionDenied,
    QueryError,
    Redirected,
    ServerFailed,
    Throttled,
)
from exporter.gpdb.answers import CLOCK_SKEW_LIMIT, blame_clock, parse

GOOD = {"RequestId": "r", "Status": "success", "Message": "success", "Job": {"Id": "j"}}


def failure(
    http_status: int, body: object = None, headers: Mapping[str, str] | None = None
) -> QueryError:
    """The error that an answer is taken for."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(QueryError) as caught:
        parse(http_status, CaseInsensitiveDict(headers or {}), raw)
    return caught.value


def api_error(
    http_status: int, body: object = None, headers: Mapping[str, str] | None = None
) -> ApiError:
    """The same, where the API itself said no."""
    error = failure(http_status, body, headers)
    assert isinstance(error, ApiError)
    return error


@pytest.mark.parametrize(
    "status", ["success", "Success", "", "SUCCEEDED", None, False, 0, ["fail"]]
)
def test_good(status: object) -> None:
    """An object with HTTP 200 and any Status but fail is a good answer, just as it came."""
    answer = {**GOOD, "Status": status}

    document = parse(200, {}, json.dumps(answer).encode())

    assert document == answer


def test_good_without_status() -> None:
    """An object without a Status is a good answer: nothing says that it failed."""
    assert parse(200, {}, b'{"Job": {}}') == {"Job": {}}


@pytest.mark.parametrize("name", ["Status", "status"])
@pytest.mark.parametrize("status", ["fail", "Fail", "FAIL"])
@pytest.mark.parametrize("job", [{}, {"Job": None}, {"Job": {"Id": "j", "Status": "Success"}}])
def test_status_fail(name: str, status: str, job: dict[str, object]) -> None:
    """The Status fail in any case is an API error with its Message, even beside a job."""
    error = api_error(200, {name: status, "Message": "wrong password", **job})

    assert type(error) is ApiFailed
    assert str(error) == "wrong password"
    assert error.http_status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b"1600",
        b'"text"',
        b"[]",
        b'[{"Job": {}}]',
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"Job": {"Id": "j"}',
        b'{"Job": {}} trailing',
        b'{"Job": 1' + b"0" * 100_000 + b"}",
        b"[" * 1_000_000,
        b'{"Job":' * 100_000,
        b"\xff\xfe\xfd",
        b"\x00",
        b'{"Job": "\xff"}',
        b'{"Job": "\n"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_no_object(body: bytes) -> None:
    """HTTP 200 with anything but a JSON object is a bad answer."""
    assert type(failure(200, body)) is BadAnswer


@pytest.mark.parametrize("http_status", [201, 202, 204, 206])
def test_other_2xx_without_an_object(http_status: int) -> None:
    """Another 2xx without a JSON object is a bad answer too, and no success."""
    assert type(failure(http_status, b"")) is BadAnswer


@pytest.mark.parametrize("http_status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_3xx(http_status: int) -> None:
    """Every 3xx is a redirect, whatever its body claims."""
    error = failure(http_status, GOOD, {"Location": "https://elsewhere.test/?secret"})

    assert type(error) is Redirected
    assert "elsewhere" not in str(error)


# Code, HTTP status, what it is. No HTTP status here would lead there by itself.
BY_CODE = [
    ("Throttling", 400, Throttled),
    ("Throttling.User", 400, Throttled),
    ("Throttling.Api", 503, Throttled),
    ("ThrottlingException", 400, Throttled),
    ("InvalidAccessKeyId.NotFound", 404, AuthRejected),
    ("InvalidAccessKeyId.Inactive", 400, AuthRejected),
    ("InvalidAccessKeyId", 403, AuthRejected),
    ("SignatureDoesNotMatch", 400, AuthRejected),
    ("SignatureDoesNotMatch.Header", 500, AuthRejected),
    ("IncompleteSignature", 400, AuthRejected),
    ("InvalidSecurityToken.Expired", 400, AuthRejected),
    ("InvalidSecurityToken.MismatchWithAccessKey", 404, AuthRejected),
    ("MissingSecurityToken", 400, AuthRejected),
    ("Unauthorized", 403, AuthRejected),
    ("IllegalTimestamp", 400, ClockSkewed),
    ("InvalidTimeStamp.Expired", 400, ClockSkewed),
    ("InvalidTimeStamp.Format", 403, ClockSkewed),
    ("Forbidden.RAM", 404, PermissionDenied),
    ("Forbidden", 400, PermissionDenied),
    ("Forbbiden.SubUser", 400, PermissionDenied),
    ("Forbedden.RAM", 400, PermissionDenied),
    ("Forbedden", 400, PermissionDenied),
    ("NoPermission", 400, PermissionDenied),
    ("NoPermission.SLR", 500, PermissionDenied),
    ("Forbidden.InstanceNotFound", 403, NotFound),
    ("InvalidDBInstanceId.NotFound", 400, NotFound),
    ("InvalidJob.NotFound", 403, NotFound),
    ("InvalidParameter.Collection.NotFound", 400, NotFound),
    ("MissingParameter", 404, BadRequest),
    ("MissingParameter.JobId", 403, BadRequest),
    ("InvalidParameter", 404, BadRequest),
    ("InvalidParameter.Malformed", 500, BadRequest),
    ("UnsupportedParameter", 403, BadRequest),
    ("Service.Exception", 400, ApiFailed),
    ("InternalError", 400, ServerFailed),
    ("InternalError.Database", 404, ServerFailed),
    ("ServiceUnavailable", 400, ServerFailed),
]


@pytest.mark.parametrize(("code", "http_status", "expected"), BY_CODE)
def test_code_comes_first(code: str, http_status: int, expected: type[ApiError]) -> None:
    """A known Code decides, whatever the HTTP status says."""
    error = api_error(http_status, {"Code": code, "Message": "why"})

    assert type(error) is expected
    assert (error.code, error.http_status) == (code, http_status)
    assert str(error) == f"HTTP {http_status} {code}: why"


@pytest.mark.parametrize(("code", "http_status", "expected"), BY_CODE)
def test_keys_and_codes_in_lower_case(
    code: str, http_status: int, expected: type[ApiError]
) -> None:
    """A gateway that writes its keys and codes in lower case is understood alike."""
    error = api_error(http_status, {"code": code.lower(), "message": "why"})

    assert type(error) is expected
    assert error.code == code.lower()
    assert str(error).endswith(": why")


@pytest.mark.parametrize("code", [None, "SomethingNew", "Throttle", "InvalidParameterValue", ""])
@pytest.mark.parametrize(
    ("http_status", "expected"),
    [
        (400, BadRequest),
        (401, AuthRejected),
        (403, PermissionDenied),
        (404, NotFound),
        (405, BadRequest),
        (409, BadRequest),
        (429, Throttled),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, ServerFailed),
        (504, ServerFailed),
        (599, ServerFailed),
    ],
)
def test_http_status_comes_second(
    http_status: int, code: str | None, expected: type[ApiError]
) -> None:
    """Without a Code that we know, the HTTP status decides."""
    assert type(api_error(http_status, {"Code": code})) is expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>\r\n<head><title>502 Bad Gateway</title></head></html>",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b'{"Code": ',
        b"\xff",
        b'{"Code": 7, "Message": {"deep": []}}',
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize(
    ("http_status", "expected"), [(400, BadRequest), (404, NotFound), (502, ServerFailed)]
)
def test_an_error_that_is_no_json(http_status: int, expected: type[ApiError], body: bytes) -> None:
    """An error page of a gateway keeps its HTTP status: it is no bad answer."""
    error = api_error(http_status, body)

    assert type(error) is expected
    assert error.code == ""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1500", 1.5),
        (" 20 ", 0.02),
        ("0", 0.0),
        ("99999999999999999999", 3600.0),
        ("9" * 5_000, 3600.0),  # Python makes no number of so many digits
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """x-acs-retry-after means throttled by being there; its milliseconds are kept if readable."""
    error = api_error(503, {"Code": "ServiceUnavailable"}, {"X-Acs-Retry-After": header})

    assert type(error) is Throttled
    assert error.retry_after == seconds


def test_throttled_without_a_hint() -> None:
    """A throttled answer without the header gives no time to wait."""
    assert api_error(429).retry_after is None


@pytest.mark.parametrize("length", [2001, 1_000_000])
def test_long_texts_are_cut(length: int) -> None:
    """A Code or Message of any length takes at most 2,000 characters each."""
    error = api_error(400, {"Code": "c" * length, "Message": "m" * length})

    assert str(error) == f"HTTP 400 {'c' * 2000}: {'m' * 2000}"


@pytest.mark.parametrize("skew", [CLOCK_SKEW_LIMIT + 1, -CLOCK_SKEW_LIMIT - 1, 1e12])
@pytest.mark.parametrize(
    "error",
    [
        AuthRejected("why", code="SignatureDoesNotMatch", http_status=400),
        PermissionDenied("why", http_status=403),
        BadRequest("why", code="SomethingNew", http_status=400),
        ClockSkewed("why", code="IllegalTimestamp", http_status=400),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_date_far_off_blames_the_clock(error: ApiError, skew: float) -> None:
    """A refusal with a Date over ten minutes away is the clock's, in both directions."""
    blamed = blame_clock(error, skew)

    assert type(blamed) is ClockSkewed
    assert (str(blamed), blamed.code) == (str(error), error.code)
    assert blamed.http_status == error.http_status


@pytest.mark.parametrize("skew", [None, 0.0, CLOCK_SKEW_LIMIT, -CLOCK_SKEW_LIMIT])
def test_a_near_date_changes_nothing(skew: float | None) -> None:
    """An error with a Date within ten minutes, or with none, stays what it is."""
    error = AuthRejected("why")

    assert blame_clock(error, skew) is error


@pytest.mark.parametrize("error", [Throttled("why", retry_after=2.0), ServerFailed("why")])
def test_the_clock_neither_throttles_nor_breaks_a_server(error: ApiError) -> None:
    """Throttled and 5xx stay so with any Date: they ask for patience, not for a clock."""
    assert blame_clock(error, 1e6) is error


@given(http_status=st.integers(100, 999), body=st.binary(max_size=200))
def test_any_bytes(http_status: int, body: bytes) -> None:
    """Whatever bytes come with whatever status, the outcome is a document or one of our errors."""
    try:
        document = parse(http_status, {}, body)
    except (ApiError, AnswerError) as error:
        assert error.reason  # noqa: PT017  either outcome is good
    else:
        assert isinstance(document, dict)
        assert http_status < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    http_status=st.integers(400, 599),
    fields=st.fixed_dictionaries(
        {}, optional={"Code": JSON, "code": JSON, "Message": JSON, "message": JSON}
    ),
    retry_after=st.none() | st.text(),
)
def test_any_error(http_status: int, fields: dict[str, object], retry_after: str | None) -> None:
    """An error body with values of any type gives an API error whose text is bounded."""
    headers = {} if retry_after is None else {"x-acs-retry-after": retry_after}

    error = api_error(http_status, fields, headers)

    assert len(str(error)) < 450
    assert error.http_status == http_status
    assert error.retry_after is None or 0 <= error.retry_after <= 3600
