"""What an HTTP answer means: a document, or one class of error; what it costs is in the table."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from exporter.errors import (
    AnswerError,
    ApiError,
    AuthRejected,
    BadAnswer,
    BadRequest,
    QueryError,
    Redirected,
    ServerFailed,
    Throttled,
)
from exporter.gpdb.answers import CLOCK_SKEW_LIMIT, Answer, parse
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import BEIJING, JobRef, JobState, JobStatus, Target
from exporter.polling.budget import HostLimit, TargetBudget
from exporter.polling.record import Record
from exporter.polling.round import Round, Task
from exporter.secret import Secret

NOW = 1_704_700_000.0
DATE = "Mon, 08 Jan 2024 07:46:40 GMT"  # NOW
GOOD = {"RequestId": "r", "Status": "success", "Message": "success", "Job": {"Id": "j"}}
REF = JobRef("rag-prod", "cn-hangzhou", "j", "document", kind=UPSERT_COLLECTION_DATA)
RUNNING = JobState(JobStatus.RUNNING, progress=100)
PAGE = b"<!DOCTYPE html><html><head><title>no</title></head><body>no</body></html>"


def outcome(
    http_status: int, headers: Mapping[str, str] | None = None, body: object = None
) -> Answer | QueryError:
    """The answer, or the error that it is taken for."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        answer = parse(http_status, CaseInsensitiveDict(headers or {}), raw, now=NOW)
        KINDS[UPSERT_COLLECTION_DATA].decode(answer.document, REF, BEIJING)
    except QueryError as error:
        return error
    return answer


def failure(
    http_status: int, headers: Mapping[str, str] | None = None, body: object = None
) -> QueryError:
    """The error that an answer is taken for."""
    error = outcome(http_status, headers, body)
    assert isinstance(error, QueryError)
    return error


@dataclass(frozen=True)
class Cost:
    """What an answer about one job of a target costs.

    Attributes:
        state: the job's last state goes.
        key: the target's calls rest for a minute, since the key was refused.
        host: seconds that all calls to the host rest.
    """

    state: bool = False
    key: bool = False
    host: float = 0.0


def cost(answer: Answer | QueryError) -> Cost:
    """What the poller makes of an answer about a job that was seen running."""
    record = Record(REF, Target("rag-prod", "cn-hangzhou", Secret("testpassword")))
    record.answer(RUNNING, 900.0)
    record.queried_at = 1_000.0
    budget = TargetBudget(HostLimit(50))
    budget.started(1_000.0)
    error = answer if isinstance(answer, QueryError) else None
    a_round = Round(1, 1_010.0, {"rag-prod": budget}, 32)
    a_round.ended(Task(record, budget), error, 1_000.0, lambda: 0.0)
    if error is not None:
        record.fail(error, 1_000.0)
    return Cost(
        state=record.state is None,
        key=budget.refused_until > 1_000.0,
        host=max(budget.limit.paused_until - 1_000.0, 0.0),
    )


NOTHING = Cost()
THE_STATE = Cost(state=True)
THE_KEY = Cost(key=True)


def paused(seconds: float) -> Cost:
    """The whole host rests."""
    return Cost(host=seconds)


# Code, HTTP status, reason, what it costs. The HTTP status alone would lead elsewhere.
BY_CODE = [
    ("Throttling", 400, "throttled", paused(1)),
    ("Throttling.User", 400, "throttled", paused(1)),
    ("Throttling.Api", 503, "throttled", paused(1)),
    ("ThrottlingException", 403, "throttled", paused(1)),
    ("QpsLimitExceeded", 403, "throttled", paused(1)),
    ("QpsLimitExceeded.User", 400, "throttled", paused(1)),
    ("InvalidAccessKeyId.NotFound", 404, "auth", THE_KEY),
    ("InvalidAccessKeyId.Inactive", 400, "auth", THE_KEY),
    ("InvalidAccessKeyId", 403, "auth", THE_KEY),
    ("SignatureDoesNotMatch", 400, "auth", THE_KEY),
    ("IncompleteSignature", 400, "auth", THE_KEY),
    ("InvalidSecurityToken.Expired", 400, "auth", THE_KEY),
    ("InvalidSecurityToken.MismatchWithAccessKey", 404, "auth", THE_KEY),
    ("MissingSecurityToken", 400, "auth", THE_KEY),
    ("Forbidden.AccessKeyDisabled", 403, "auth", THE_KEY),
    ("Unauthorized", 403, "auth", THE_KEY),
    ("IllegalTimestamp", 400, "clock_skew", NOTHING),
    ("InvalidTimeStamp.Expired", 400, "clock_skew", NOTHING),
    ("InvalidTimeStamp.Format", 403, "clock_skew", NOTHING),
    ("Forbidden.RAM", 404, "permission", NOTHING),
    ("Forbidden", 400, "permission", NOTHING),
    ("Forbbiden.SubUser", 400, "permission", NOTHING),
    ("Forbedden.RAM", 400, "permission", NOTHING),
    ("Forbedden", 500, "permission", NOTHING),
    ("NoPermission", 400, "permission", NOTHING),
    ("NoPermission.SLR", 500, "permission", NOTHING),
    ("Namespace.PasswordInvalid", 403, "namespace_password", NOTHING),
    ("AccountOrPassword.VerifyError", 400, "namespace_password", NOTHING),
    ("NoPermission.NamespacePassword", 403, "namespace_password", NOTHING),
    ("Unauthorized.NamespacePassword", 401, "namespace_password", NOTHING),
    ("InvalidNamespacePassword", 401, "namespace_password", NOTHING),
    ("InvalidParameter.NamespacePassword", 400, "namespace_password", NOTHING),
    ("OperationDenied.DBInstanceStatus", 403, "instance_state", NOTHING),
    ("OperationDenied", 404, "instance_state", NOTHING),
    ("IncorrectDBInstanceState", 403, "instance_state", NOTHING),
    ("DBInstanceStatusNotActive", 403, "instance_state", NOTHING),
    ("InstanceStatusNotSupport", 400, "instance_state", NOTHING),
    ("InvalidDBInstanceStatus", 500, "instance_state", NOTHING),
    ("InstanceStatus.NotFound", 404, "instance_state", NOTHING),
    ("InstanceNotRunning", 409, "instance_state", NOTHING),
    ("DBInstanceIsLocked", 403, "instance_state", NOTHING),
    ("UserNotOpenService", 403, "account", NOTHING),
    ("AccountOverdue", 403, "account", NOTHING),
    ("Account.Arrearage", 403, "account", NOTHING),
    ("Forbidden.Arrearage", 400, "account", NOTHING),
    ("Forbidden.RiskControl", 403, "account", NOTHING),
    ("InvalidJobId.NotFound", 400, "not_found", THE_STATE),
    ("InvalidJobId.NoExist", 400, "not_found", THE_STATE),
    ("InvalidJob.NotFound", 403, "not_found", THE_STATE),
    ("JobNotExist", 400, "not_found", THE_STATE),
    ("JobNotFound", 500, "not_found", THE_STATE),
    ("EntityNotExist.Job", 409, "not_found", THE_STATE),
    ("NoSuchJob", 404, "not_found", THE_STATE),
    ("Collection.NotFound", 404, "not_found", NOTHING),
    ("InvalidCollection.NotFound", 404, "not_found", NOTHING),
    ("InvalidParameter.Collection.NotFound", 400, "not_found", NOTHING),
    ("InvalidNamespace.NotFound", 404, "not_found", NOTHING),
    ("Namespace.NotExist", 404, "not_found", NOTHING),
    ("InvalidDBInstanceId.NotFound", 404, "not_found", NOTHING),
    ("Forbidden.InstanceNotFound", 403, "not_found", NOTHING),
    ("InvalidRegionId.NotFound", 404, "not_found", NOTHING),
    ("EntityNotExist.Role", 404, "not_found", NOTHING),
    ("InvalidApi.NotFound", 404, "bad_request", NOTHING),
    ("InvalidAction.NotFound", 404, "bad_request", NOTHING),
    ("InvalidProduct.NotFound", 404, "bad_request", NOTHING),
    ("InvalidVersion", 404, "bad_request", NOTHING),
    ("MissingParameter", 404, "bad_request", NOTHING),
    ("MissingParameter.JobId", 403, "bad_request", NOTHING),
    ("InvalidParameter", 404, "bad_request", NOTHING),
    ("InvalidParameter.JobId", 404, "bad_request", NOTHING),
    ("InvalidParameter.Malformed", 500, "bad_request", NOTHING),
    ("UnsupportedParameter", 403, "bad_request", NOTHING),
    ("Service.Exception", 400, "api_fail", NOTHING),
    ("InternalError", 400, "server", NOTHING),
    ("InternalError.Database", 404, "server", NOTHING),
    ("InternalServerError", 400, "server", NOTHING),
    ("ServiceUnavailable", 400, "server", NOTHING),
    ("ServiceUnavailableTemporary", 400, "server", NOTHING),
    ("SystemBusy", 400, "server", NOTHING),
    ("UnknownError", 400, "server", NOTHING),
    ("LastTokenProcessing", 400, "server", NOTHING),
    ("SignatureNonceUsed", 400, "server", NOTHING),
]

# As the API writes it in XML, or a gateway in lower case.
SPELLINGS: dict[str, Callable[[str], object]] = {
    "JSON": lambda code: {"RequestId": "R-1", "Code": code, "Message": "why"},
    "lower-case keys": lambda code: {"requestid": "R-1", "code": code, "message": "why"},
    "lower-case code": lambda code: {"requestId": "R-1", "Code": code.lower(), "Message": "why"},
    "upper-case code": lambda code: {"RequestId": "R-1", "Code": code.upper(), "Message": "why"},
    "XML": lambda code: (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><RequestId>R-1</RequestId>"
        f"<HostId>h</HostId><Code>{code}</Code><Message>why</Message></Error>"
    ).encode(),
    "XML in lower case": lambda code: (
        f"<error><requestid>R-1</requestid><code>{code}</code><message>why</message></error>"
    ).encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(("code", "http_status", "reason", "costs"), BY_CODE)
def test_the_code_decides(
    code: str, http_status: int, reason: str, costs: Cost, spelling: Callable[[str], object]
) -> None:
    """A Code that we know decides, whatever the HTTP status says and however it is spelt."""
    error = failure(http_status, {}, spelling(code))

    assert error.reason == reason
    assert isinstance(error, ApiError)
    assert (error.code.lower(), error.http_status) == (code.lower(), http_status)
    assert str(error) == f"HTTP {http_status} {error.code}: why"
    assert error.request_id == "R-1"
    assert cost(error) == costs


@pytest.mark.parametrize("code", ["SomethingNew", "InvalidParameterValue", "E500", "NOT_LISTED"])
@pytest.mark.parametrize(
    ("http_status", "reason", "costs"),
    [
        (400, "bad_request", NOTHING),
        (401, "bad_request", NOTHING),
        (403, "bad_request", NOTHING),
        (404, "bad_request", NOTHING),
        (407, "proxy", NOTHING),
        (409, "bad_request", NOTHING),
        (429, "throttled", paused(1)),
        (500, "server", NOTHING),
        (502, "server", NOTHING),
        (599, "server", NOTHING),
    ],
)
def test_an_unknown_code_costs_least(http_status: int, reason: str, costs: Cost, code: str) -> None:
    """A Code that we do not know ends no state and pauses no key, whatever the HTTP status."""
    if code == "InvalidParameterValue":  # it begins like one that we know
        reason, costs = "bad_request", NOTHING

    error = failure(http_status, {}, {"Code": code, "Message": "why"})

    assert error.reason == reason
    assert cost(error) == costs


STRANGERS: dict[str, object] = {
    "HTML": PAGE,
    "text": b"no",
    "nothing": b"",
    "null": b"null",
    "a list": [{"Code": "InvalidJobId.NotFound"}],
    "a half": b'{"Code": "InvalidJobId.NotFound"',
    "no Code": {"message": "no Route matched with those values"},
    "no text": {"Code": {"deep": []}, "Message": "x"},
    "an empty Code": {"Code": " ", "Message": "x"},
    "a number": {"code": 404, "message": "Not Found"},
    "a number as text": {"code": "404", "message": "Not Found"},
    "deep": b"[" * 100_000,
    "binary": b"\xff\xfe\x00",
    "other XML": b"<Fault><Code>InvalidJobId.NotFound</Code></Fault>",
    "XML with a DOCTYPE": b"<!DOCTYPE Error><Error><Code>InvalidJobId.NotFound</Code></Error>",
    "XML with entities": (
        b'<!DOCTYPE Error [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        b"<Error><Code>&b;</Code></Error>"
    ),
    "XML with an external entity": (
        b'<!DOCTYPE Error [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b"<Error><Code>InvalidJobId.NotFound</Code><Message>&x;</Message></Error>"
    ),
    "XML with an unknown entity": b"<Error><Code>&JobNotFound;</Code></Error>",
    "cut XML": b"<Error><Code>InvalidJobId.NotFound</Code>",
    "XML with a Code in the depth": b"<Error><A><Code>InvalidJobId.NotFound</Code></A></Error>",
    "large XML": b"<Error><Code>InvalidJobId.NotFound</Code>" + b" " * 65_536 + b"</Error>",
}


@pytest.mark.parametrize("body", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize(
    ("http_status", "reason", "costs"),
    [
        (400, "bad_answer", NOTHING),
        (401, "bad_answer", NOTHING),
        (403, "bad_answer", NOTHING),
        (404, "bad_answer", NOTHING),
        (407, "proxy", NOTHING),
        (410, "bad_answer", NOTHING),
        (429, "throttled", paused(1)),
        (500, "server", NOTHING),
        (502, "server", NOTHING),
        (503, "server", NOTHING),
        (504, "server", NOTHING),
    ],
)
def test_a_page_does_not_speak_for_the_api(
    http_status: int, reason: str, costs: Cost, body: object
) -> None:
    """Without a body that is the API's own nothing is said of a job or a key, by any status."""
    error = failure(http_status, {"Date": "Mon, 08 Jan 2024 01:00:00 GMT"}, body)

    assert error.reason == reason
    assert f"HTTP {http_status}" in str(error)
    assert cost(error) == costs


# Body of an HTTP 200, reason, words that must be in the text.
REFUSALS: dict[str, tuple[object, str, str]] = {
    "fail": ({"Status": "fail", "Message": "wrong"}, "api_fail", "HTTP 200: wrong"),
    "FAIL": ({"Status": "FAIL", "Message": "wrong"}, "api_fail", "HTTP 200: wrong"),
    "failed": ({"Status": "failed", "Message": "locked"}, "api_fail", "HTTP 200: locked"),
    "false": ({"Status": "false"}, "api_fail", "HTTP 200: Status is false"),
    "no": ({"Status": False, "Message": "m"}, "api_fail", "HTTP 200: m"),
    "lower case": ({"status": "Fail", "message": "m"}, "api_fail", "HTTP 200: m"),
    "fail and a job": ({**GOOD, "Status": "fail"}, "api_fail", "HTTP 200: success"),
    "failed and a job": ({**GOOD, "Status": "Failed"}, "api_fail", "HTTP 200: success"),
    "no success and a job": ({**GOOD, "Success": False}, "api_fail", "HTTP 200: success"),
    "success false": (
        {"Success": False, "Code": "E500", "Message": "off"},
        "api_fail",
        "E500: off",
    ),
    "success as text": ({"success": "False"}, "api_fail", "HTTP 200: Success is False"),
    "code": ({"Code": "InvalidNamespace.NotFound", "Message": "m"}, "api_fail", "NotFound: m"),
    "job": ({"Code": "InvalidJobId.NotFound"}, "api_fail", "HTTP 200 InvalidJobId.NotFound"),
    "code and null": ({"Code": "E1", "Job": None}, "api_fail", "HTTP 200 E1"),
    "code and list": ({"Code": "E1", "Job": []}, "api_fail", "HTTP 200 E1"),
    "numeric": ({"code": 500, "message": "m"}, "api_fail", "HTTP 200 500: m"),
    "message": ({"Status": "success", "Message": "no job"}, "api_fail", "HTTP 200: no job"),
    "another status": ({"Status": "error"}, "api_fail", "HTTP 200: Status is error"),
    "XML": (b"<Error><Code>E1</Code><Message>m</Message></Error>", "api_fail", "HTTP 200 E1: m"),
    "throttling": ({"Code": "Throttling.User"}, "throttled", "HTTP 200 Throttling.User"),
    "key": ({"Code": "InvalidAccessKeyId.NotFound"}, "auth", "InvalidAccessKeyId"),
    "password": ({"Code": "Namespace.PasswordInvalid"}, "namespace_password", "PasswordInvalid"),
    "instance": ({"Code": "IncorrectDBInstanceState"}, "instance_state", "HTTP 200 Incorrect"),
    "nothing said": ({"Status": "success", "Message": "Success."}, "bad_answer", "holds no job"),
    "empty": ({}, "bad_answer", "holds no job"),
    "null job": ({"Status": "success", "Job": None}, "bad_answer", "holds no job"),
    "text job": ({"Code": "200", "Message": "OK", "Job": "j"}, "bad_answer", "holds no job"),
    "page": (PAGE, "bad_answer", "not a JSON object"),
}


@pytest.mark.parametrize(("body", "reason", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_in_a_200(body: object, reason: str, words: str) -> None:
    """A 200 that says no is an error with the API's words; it never ends the job's state."""
    error = failure(200, {}, body)

    assert error.reason == reason
    assert words in str(error)
    assert not cost(error).state


@pytest.mark.parametrize(
    "status", ["success", "Success", "", "SUCCEEDED", None, 0, ["fail"], "new"]
)
@pytest.mark.parametrize("more", [{}, {"Code": "200"}, {"Code": "E1", "Message": "x"}])
def test_good(status: object, more: dict[str, object]) -> None:
    """A job with any Status that does not say no is a good answer, just as it came."""
    answer = outcome(200, {"Date": DATE}, {**GOOD, **more, "Status": status})

    assert isinstance(answer, Answer)
    assert answer.document == {**GOOD, **more, "Status": status}
    assert (answer.clock_skew, answer.request_id) == (0.0, "r")
    assert cost(answer) == NOTHING


def test_good_without_status() -> None:
    """A job without a Status is a good answer: nothing says that it failed."""
    assert isinstance(outcome(200, {}, {"Job": {"Id": "j"}}), Answer)


NO_OBJECTS = [
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
]


@pytest.mark.parametrize("body", NO_OBJECTS, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("http_status", [200, 201, 204])
def test_no_object(http_status: int, body: bytes) -> None:
    """A good status with anything but a JSON object is a bad answer."""
    assert type(failure(http_status, {}, body)) is BadAnswer


@pytest.mark.parametrize("http_status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_3xx(http_status: int) -> None:
    """Every 3xx is a redirect, whatever its body claims."""
    error = failure(http_status, {"Location": "https://elsewhere.test/?secret"}, GOOD)

    assert type(error) is Redirected
    assert "elsewhere" not in str(error)
    assert cost(error) == NOTHING


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-acs-retry-after": "1500"}, 1.5),
        ({"X-Acs-Retry-After": " 20 "}, 0.02),
        ({"x-acs-retry-after": "99999999999999999999"}, 3600.0),
        ({"x-acs-retry-after": "9" * 5_000}, 3600.0),  # Python makes no number of so many digits
        ({"x-acs-retry-after": "soon"}, None),
        ({"x-acs-retry-after": "-5"}, None),
        ({"Retry-After": "60"}, 60.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "9" * 5_000}, 3600.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Mon, 08 Jan 2024 07:47:40 GMT"}, 60.0),
        ({"Retry-After": "Mon, 08 Jan 2024 07:45:40 GMT"}, 0.0),
        ({"Retry-After": "Fri, 08 Jan 2999 07:45:40 GMT"}, 3600.0),
        ({"Retry-After": "Mon, 99 Jan 2024 99:99:99 GMT"}, None),
        # Counted on the clock of who answers, which may be another than ours.
        (
            {
                "Date": "Mon, 08 Jan 2024 05:00:00 GMT",
                "Retry-After": "Mon, 08 Jan 2024 05:00:30 GMT",
            },
            30.0,
        ),
        ({"Retry-After": "60", "x-acs-retry-after": "1500"}, 60.0),
        ({"Retry-After": "1", "x-acs-retry-after": "20000"}, 20.0),
        ({}, None),
    ],
)
@pytest.mark.parametrize(
    ("http_status", "body", "kind"),
    [
        (429, PAGE, Throttled),
        (429, {"Code": "Throttling.User"}, Throttled),
        (400, {"Code": "Throttling.User"}, Throttled),
        (503, PAGE, ServerFailed),
        (503, {"Code": "ServiceUnavailable"}, ServerFailed),
    ],
)
def test_how_long_to_wait(
    headers: dict[str, str], seconds: float | None, http_status: int, body: object, kind: type
) -> None:
    """Both headers are kept to, the longer one and at most an hour, whoever throttles."""
    error = failure(http_status, headers, body)

    assert type(error) is kind
    assert isinstance(error, ApiError)
    assert error.retry_after == seconds
    least = 1.0 if kind is Throttled else 0.0
    assert cost(error).host == pytest.approx(max(seconds or 0.0, least))


@pytest.mark.parametrize("http_status", [401, 403, 404, 500, 502])
def test_a_page_asks_nobody_to_wait(http_status: int) -> None:
    """A page of another status holds up nobody."""
    assert cost(failure(http_status, {"Retry-After": "60"}, PAGE)) == NOTHING


@pytest.mark.parametrize("length", [2001, 1_000_000])
def test_long_texts_are_cut(length: int) -> None:
    """A Code or Message of any length takes at most 2,000 characters each, a RequestId 100."""
    words = {"Code": "c" * length, "Message": "m" * length, "RequestId": "r" * length}
    error = failure(400, {}, words)

    assert str(error) == f"HTTP 400 {'c' * 2000}: {'m' * 2000}"
    assert error.request_id == "r" * 100


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({}, {"RequestId": "A"}, "A"),
        ({"x-acs-request-id": "B"}, {"RequestId": "A"}, "A"),
        ({"X-Acs-Request-Id": " B "}, {}, "B"),
        ({"X-Acs-Request-Id": "B"}, PAGE, "B"),
        ({}, {"requestId": "A"}, "A"),
        ({}, {"RequestId": None}, ""),
        ({}, PAGE, ""),
    ],
)
@pytest.mark.parametrize("http_status", [200, 404, 503])
def test_request_id(
    headers: dict[str, str], body: object, request_id: str, http_status: int
) -> None:
    """The RequestId comes from the body, or else from the header, of every answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        found = parse(http_status, CaseInsensitiveDict(headers), raw, now=NOW).request_id
    except QueryError as error:
        found = error.request_id

    assert found == request_id


AN_HOUR_OFF = "Mon, 08 Jan 2024 06:46:40 GMT"


@pytest.mark.parametrize(
    ("code", "http_status", "reason"),
    [
        ("SignatureDoesNotMatch", 400, "clock_skew"),
        ("InvalidAccessKeyId.NotFound", 404, "clock_skew"),
        ("InvalidSecurityToken.Expired", 400, "clock_skew"),
        ("InvalidTimeStamp.Expired", 400, "clock_skew"),
        ("InvalidJobId.NotFound", 404, "not_found"),
        ("Forbidden.RAM", 403, "permission"),
        ("SomethingNew", 400, "bad_request"),
        ("Namespace.PasswordInvalid", 403, "namespace_password"),
        ("Throttling.User", 400, "throttled"),
        ("InternalError", 500, "server"),
    ],
)
def test_a_date_far_off(code: str, http_status: int, reason: str) -> None:
    """The clock is blamed only where the API refused the key or the time."""
    error = failure(http_status, {"Date": AN_HOUR_OFF}, {"Code": code, "Message": "why"})

    assert error.reason == reason
    assert str(error) == f"HTTP {http_status} {code}: why"


@pytest.mark.parametrize("seconds", [0, CLOCK_SKEW_LIMIT, -CLOCK_SKEW_LIMIT])
def test_a_near_date_changes_nothing(seconds: float) -> None:
    """A refused key is the key's fault where the Date is within ten minutes, or missing."""
    refused = json.dumps({"Code": "SignatureDoesNotMatch"}).encode()
    for headers in ({"date": DATE}, {}, {"date": "soon"}):
        with pytest.raises(AuthRejected):
            parse(400, headers, refused, now=NOW + seconds)


@given(http_status=st.integers(100, 999), body=st.binary(max_size=200))
def test_any_bytes(http_status: int, body: bytes) -> None:
    """Whatever bytes come with whatever status, the outcome is a document or one of our errors."""
    try:
        answer = parse(http_status, {}, body, now=NOW)
    except QueryError as error:
        assert error.reason  # noqa: PT017  either outcome is good
    else:
        assert isinstance(answer.document, dict)
        assert http_status < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    http_status=st.integers(200, 599).filter(lambda status: not 300 <= status < 400),
    fields=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("Code", "code", "Message", "message", "Status", "Success", "RequestId"), JSON
        ),
    ),
    headers=st.dictionaries(
        st.sampled_from(["x-acs-retry-after", "retry-after", "date", "x-acs-request-id"]), st.text()
    ),
)
def test_any_fields(http_status: int, fields: dict[str, object], headers: dict[str, str]) -> None:
    """A body without a job, with values of any type, gives an error whose text is bounded."""
    error = failure(http_status, headers, fields)

    assert isinstance(error, ApiError | AnswerError) or error.reason == "proxy"
    assert len(str(error)) < 450
    assert len(error.request_id) <= 100
    if isinstance(error, ApiError):
        assert error.retry_after is None or 0 <= error.retry_after <= 3600


@given(st.text())
def test_any_code(code: str) -> None:
    """A code with no part that we know ends no state and pauses nothing; any other is the API's."""
    error = failure(400, {}, {"Code": code})

    if isinstance(error, BadRequest | BadAnswer):
        assert cost(error) == NOTHING
    else:
        assert isinstance(error, ApiError)
