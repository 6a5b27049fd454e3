"""One call of the simulated API after the other: parameters, faults, what is remembered."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from exporter.clock import Clock
from exporter.secret import Secret
from exporter.simulator.scenario import (
    Fault,
    FaultKind,
    Job,
    Scenario,
    ServerErrors,
    Shape,
    Throttle,
    Unsaid,
    Window,
)
from exporter.simulator.service import Reply, Service
from exporter.simulator.verify import Request
from tests.simulator_requests import FORM, KEY, QUERY, SCENARIO, START, STEADY, signed


@dataclass(slots=True)
class Client:
    """Calls a service at a time of its choice, with a new nonce for each call."""

    scenario: Scenario = SCENARIO
    now: float = START
    nonces: Any = field(default_factory=itertools.count)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.service = Service(
            self.scenario, Clock(lambda: self.now, lambda: self.now), lambda: "A-REQUEST-ID"
        )

    def call(
        self, query: Mapping[str, str] = QUERY, form: Mapping[str, str] = FORM, **more: Any
    ) -> Reply:
        """Make one good call, but for the arguments."""
        nonce = f"nonce-{next(self.nonces)}"
        return self.service.answer(signed(query, form, nonce=nonce, at=self.now, **more))

    def counts(self) -> dict[str, Any]:
        """What ``/-/calls`` tells."""
        reply = self.service.answer(Request("GET", "/-/calls", "", {}, b""))
        counts: dict[str, Any] = json.loads(reply.body)
        return counts


def without(parameters: Mapping[str, str], name: str) -> dict[str, str]:
    """The parameters but one."""
    return {key: value for key, value in parameters.items() if key != name}


def code_of(reply: Reply) -> str:
    """The code of an error."""
    return str(json.loads(reply.body)["Code"])


def scenario_with(**changes: Any) -> Scenario:
    """The usual scenario, changed."""
    return replace(SCENARIO, **changes)


def job_with(**changes: Any) -> Scenario:
    """The usual scenario with its job changed."""
    return scenario_with(jobs=(replace(STEADY, **changes),))


def test_a_good_answer() -> None:
    """A good answer has exactly the vendor's fields; times are UTC+8, without a zone."""
    client = Client()
    client.now += 12.5

    reply = client.call()

    assert reply.http_status == 200
    assert json.loads(reply.body) == {
        "RequestId": "A-REQUEST-ID",
        "Status": "success",
        "Message": "success",
        "Job": {
            "Id": "steady-job",
            "Completed": False,
            "CreateTime": "2024-01-08 16:53:04",
            "UpdateTime": "2024-01-08 16:53:16",
            "Status": "Running",
            "Progress": 1200,
        },
    }
    assert dict(reply.headers) == {
        "Date": "Mon, 08 Jan 2024 08:53:16 GMT",
        "Content-Type": "application/json;charset=utf-8",
        "x-acs-request-id": "A-REQUEST-ID",
    }


def test_the_vendors_sample() -> None:
    """The vendor's own sample answer can be given, word by word."""
    sample = Job(
        "231460f8-75dc-405e-a669-0c5204887e91",
        "document",
        "rag-test",
        Shape.CONTRADICTORY,
        entries=1600,
        create_time="2024-01-08 16:52:04.864664",
        update_time="2024-01-08 16:53:04.864664",
    )

    reply = Client(scenario_with(jobs=(sample,))).call(form={**FORM, "JobId": sample.id})

    assert json.loads(reply.body)["Job"] == {
        "Id": "231460f8-75dc-405e-a669-0c5204887e91",
        "Completed": False,
        "CreateTime": "2024-01-08 16:52:04.864664",
        "UpdateTime": "2024-01-08 16:53:04.864664",
        "Status": "Success",
        "Error": "Failed to connect database.",
        "Progress": 1600,
    }


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0, "2024-01-08 16:53:04"),
        (0.5, "2024-01-08 16:53:04.5"),
        (0.25, "2024-01-08 16:53:04.25"),
        (0.7880859375, "2024-01-08 16:53:04.788086"),
    ],
)
def test_trailing_zeros_of_times(fraction: float, expected: str) -> None:
    """A fraction of a second is told without its trailing zeros, as the real API does."""
    reply = Client(now=START + fraction).call()

    assert json.loads(reply.body)["Job"]["CreateTime"] == expected


def test_another_time_zone() -> None:
    """The zone of the times is the scenario's."""
    reply = Client(scenario_with(utc_offset=0.0)).call()

    assert json.loads(reply.body)["Job"]["CreateTime"] == "2024-01-08 08:53:04"


def test_a_workspace_and_the_default_namespace() -> None:
    """A workspace stands for an instance, and wins over one; no namespace means ``public``."""
    client = Client(job_with(namespace="workspace-test"))
    form = {**without(FORM, "Namespace"), "NamespacePassword": "workspacepassword"}
    query = {"WorkspaceId": "gp-ws-test", "RegionId": "cn-shanghai"}

    assert client.call(query, form).http_status == 200
    assert client.call({**query, "DBInstanceId": "gp-other"}, form).http_status == 200


def test_unknown_parameters_are_left_alone() -> None:
    """A parameter that the page does not name changes nothing: the SDK has an OwnerId."""
    assert Client().call({**QUERY, "OwnerId": "1"}).http_status == 200


@pytest.mark.parametrize(
    ("query", "form", "expected"),
    [
        (without(QUERY, "RegionId"), FORM, (400, "MissingParameter")),
        (without(QUERY, "DBInstanceId"), FORM, (400, "MissingParameter")),
        (QUERY, without(FORM, "Collection"), (400, "MissingParameter")),
        (QUERY, without(FORM, "JobId"), (400, "MissingParameter")),
        (QUERY, without(FORM, "NamespacePassword"), (400, "MissingParameter")),
        ({**QUERY, **FORM}, {}, (400, "InvalidParameter")),
        ({**QUERY, "NamespacePassword": "testpassword"}, FORM, (400, "InvalidParameter")),
        ({}, {**QUERY, **FORM}, (400, "InvalidParameter")),
        (QUERY, {**FORM, "Namespace": ""}, (400, "InvalidParameter")),
        ({**QUERY, "WorkspaceId": ""}, FORM, (400, "InvalidParameter")),
        ({**QUERY, "DBInstanceId": "gp-other"}, FORM, (404, "Forbidden.InstanceNotFound")),
        ({**QUERY, "RegionId": "cn-beijing"}, FORM, (404, "Forbidden.InstanceNotFound")),
    ],
)
def test_parameters(query: dict[str, str], form: dict[str, str], expected: tuple[int, str]) -> None:
    """A parameter that is missing, empty, unknown or in the wrong half is refused."""
    reply = Client().call(query, form)

    assert (reply.http_status, code_of(reply)) == expected


def test_the_body_is_a_form() -> None:
    """Another content-type than a form's is refused."""
    reply = Client().call(headers={"content-type": "application/json"})

    assert (reply.http_status, code_of(reply)) == (400, "InvalidParameter")


NO_PASSWORD = {**FORM, "NamespacePassword": "testpasswore"}
NO_NAMESPACE = {**FORM, "Namespace": "another"}
NO_JOB = {**FORM, "JobId": "another"}
NO_COLLECTION = {**FORM, "Collection": "another"}


@pytest.mark.parametrize("form", [NO_PASSWORD, NO_NAMESPACE, NO_JOB, NO_COLLECTION])
@pytest.mark.parametrize("choice", Unsaid)
def test_what_the_vendor_does_not_say(form: dict[str, str], choice: Unsaid) -> None:
    """A wrong password, namespace, job or collection gives what the scenario chose."""
    about_job = form in (NO_JOB, NO_COLLECTION)
    changes = {"unknown_job": choice} if about_job else {"wrong_password": choice}

    reply = Client(scenario_with(**changes)).call(form=form)

    answer = json.loads(reply.body)
    assert "Job" not in answer
    if choice is Unsaid.ERROR:
        code = "InvalidJobId.NotFound" if about_job else "NoPermission.NamespacePassword"
        assert (reply.http_status, answer["Code"]) == (404 if about_job else 403, code)
    else:
        expected = "fail" if choice is Unsaid.FAIL else "success"
        assert (reply.http_status, answer["Status"]) == (200, expected)


def test_an_error_answer() -> None:
    """An error has the fields of the vendor's gateway, and the headers of a good answer."""
    reply = Client().call(form=NO_JOB)

    answer = json.loads(reply.body)
    assert list(answer) == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert answer["HostId"] == "127.0.0.1:18080"
    assert [name for name, _ in reply.headers] == ["Date", "Content-Type", "x-acs-request-id"]


def test_jobs_appear() -> None:
    """A job is unknown until its creation, and known from then on."""
    client = Client(job_with(created=30.0))

    before = client.call()
    client.now += 30
    after = client.call()

    assert (before.http_status, after.http_status) == (404, 200)


@pytest.mark.parametrize("http_status", [200, 403, 503])
def test_a_chosen_error(http_status: int) -> None:
    """A scenario can have the API say any Code, with any HTTP status."""
    fault = Fault(FaultKind.ERROR, http_status=http_status, code="IncorrectDBInstanceState")
    reply = Client(job_with(fault=fault)).call()

    assert reply.http_status == http_status
    assert json.loads(reply.body)["Code"] == "IncorrectDBInstanceState"


def test_a_page() -> None:
    """A scenario can have a gateway answer in the API's place."""
    reply = Client(job_with(fault=Fault(FaultKind.PAGE, http_status=404))).call()

    assert (reply.http_status, reply.body[:6]) == (404, b"<html>")


@pytest.mark.parametrize(
    ("kind", "http_status", "told"),
    [
        (FaultKind.SERVER_ERROR, 500, '"Code":"InternalError"'),
        (FaultKind.THROTTLED, 400, '"Code":"Throttling.User"'),
        (FaultKind.API_FAIL, 200, '"Status":"fail"'),
        (FaultKind.GARBAGE, 200, "<html>"),
    ],
)
def test_faults(kind: FaultKind, http_status: int, told: str) -> None:
    """A job's fault lasts as long as its window, and hits no longer."""
    client = Client(job_with(fault=Fault(kind, Window(10, 20))))
    statuses = []

    for seconds in (9.0, 10.0, 19.0, 20.0):
        client.now = START + seconds
        reply = client.call()
        statuses.append(reply.http_status == http_status and told in reply.body.decode())

    assert statuses == [False, True, True, False]


def test_a_slow_job() -> None:
    """A slow job's answer is good and takes its latency on top of everyone's."""
    slow = Fault(FaultKind.SLOW, Window(10), latency=2.0)
    client = Client(scenario_with(latency=0.05, jobs=(replace(STEADY, fault=slow),)))

    before = client.call()
    client.now += 10
    during = client.call()

    assert (before.http_status, before.latency) == (200, 0.05)
    assert (during.http_status, during.latency) == (200, 2.05)


def test_windows_come_again() -> None:
    """A window with ``every`` opens once in each period."""
    window = Window(10, 20, every=60)

    opened = [second for second in range(180) if window.holds(second)]

    assert opened == [*range(10, 20), *range(70, 80), *range(130, 140)]


def test_a_nonce_counts_once() -> None:
    """The same signed request is refused when it comes again, and the other way is let in."""
    client = Client()
    request = signed(nonce="once", at=client.now)

    first, again = client.service.answer(request), client.service.answer(request)

    assert first.http_status == 200
    assert (again.http_status, code_of(again)) == (400, "SignatureNonceUsed")


def test_a_nonce_is_remembered_while_its_date_is_good() -> None:
    """A request dated a quarter of an hour ahead cannot be replayed as long as it is valid."""
    client = Client()
    request = signed(nonce="ahead", at=client.now + 900)

    client.service.answer(request)
    client.now += 1800
    again = client.service.answer(request)
    client.now += 1
    stale = client.service.answer(request)

    assert (code_of(again), code_of(stale)) == ("SignatureNonceUsed", "InvalidTimeStamp.Expired")


def test_a_bad_signature_does_not_use_up_the_nonce() -> None:
    """A forged request cannot make the real one with the same nonce fail."""
    client = Client()
    forged = signed(nonce="mine", key=replace(KEY, secret=Secret("guess")), at=client.now)

    client.service.answer(forged)

    assert client.service.answer(signed(nonce="mine", at=client.now)).http_status == 200


def test_throttling() -> None:
    """Calls beyond the limit of a second are throttled, and the next second is free again."""
    client = Client(scenario_with(throttle=Throttle(2, retry_after=1.5)))
    replies = [client.call() for _ in range(4)]

    client.now += 1
    later = client.call()

    assert [reply.http_status for reply in replies] == [200, 200, 400, 400]
    assert code_of(replies[3]) == "Throttling.User"
    assert dict(replies[3].headers)["x-acs-retry-after"] == "1500"  # milliseconds
    assert later.http_status == 200


def test_throttling_has_a_window() -> None:
    """Outside of its window the limit is off."""
    client = Client(scenario_with(throttle=Throttle(0, window=Window(10, 20))))

    before = client.call()
    client.now += 10
    during = client.call()

    assert (before.http_status, during.http_status) == (200, 400)


def test_server_errors() -> None:
    """A share of all calls fails, in the window only."""
    errors = ServerErrors(probability=0.3, window=Window(10, 20))
    client = Client(scenario_with(server_errors=errors))
    before = [client.call().http_status for _ in range(200)]

    client.now += 10
    during = [client.call().http_status for _ in range(200)]

    assert set(before) == {200}
    assert set(during) == {200, 500}
    assert 30 < during.count(500) < 90


def test_the_apis_clock() -> None:
    """An API whose clock is ahead says so in Date, and measures the requests' dates with it."""
    ahead = Client(scenario_with(clock_offset=600.0)).call()
    far_ahead = Client(scenario_with(clock_offset=1200.0)).call()

    assert dict(ahead.headers)["Date"] == "Mon, 08 Jan 2024 09:03:04 GMT"
    assert ahead.http_status == 200
    assert code_of(far_ahead) == "InvalidTimeStamp.Expired"


def test_counts() -> None:
    """Every call is counted, for its job and in all, with the reason of each refusal."""
    client = Client()
    client.call()
    client.call()
    client.call(form=NO_JOB)
    client.call(key=replace(KEY, secret=Secret("wrong")))
    client.service.answer(Request("GET", "/", "", {}, b""))

    counts = client.counts()

    refused = {"SignatureDoesNotMatch": 1, "InvalidJobId.NotFound": 1, "MissingParameter": 1}
    assert counts == {
        "total": 5,
        "answered": 2,
        "refused": refused,
        "busiest_second": 3,
        "jobs": {
            "steady-job": {"asked": 3, "answered": 2, "refused": {"SignatureDoesNotMatch": 1}},
            "another": {"asked": 1, "answered": 0, "refused": {"InvalidJobId.NotFound": 1}},
            "": {"asked": 1, "answered": 0, "refused": {"MissingParameter": 1}},
        },
    }
