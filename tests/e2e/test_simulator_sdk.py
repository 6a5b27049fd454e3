"""The vendor's official SDK as a client of the simulator: what one signs, the other verifies.

The two were written apart, so that where they agree the signature is the vendor's.
"""

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.secret import Secret
from exporter.simulator.operations import BY_ACTION, OPERATIONS
from exporter.simulator.scenario import AccessKey, Job, Namespace, Scenario, Shape
from exporter.simulator.server import Simulator
from tests.sdk_wire import (
    STARTS,
    Wire,
    sdk_call,
    sdk_call_async,
    sdk_client,
    sdk_request,
)

# The SDK's core asks datetime.utcnow() for the date; Python 3.12 and later warn about it.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "signature_vectors.json").read_text("utf-8")
)["sdk_wire"]

PASSWORD = "p&a=s+s%w o/r?d#;,:@!$'\"()*~<>\\|^`{}[]密码"
SECRET = "TestKeySecret"
SAMPLE = "231460f8-75dc-405e-a669-0c5204887e91"
SCENARIO = Scenario(
    access_keys=(
        AccessKey("LTAI5tTestKey", Secret(SECRET)),
        AccessKey("STS.TestKey", Secret("TestStsSecret"), Secret("Test+Token/==")),
    ),
    namespaces=(
        Namespace(
            name="rag",
            region_id="cn-hangzhou",
            password=Secret(PASSWORD),
            db_instance_id="gp-test",
            namespace="my namespace/中文",
        ),
        Namespace(
            name="workspace",
            region_id="cn-shanghai",
            password=Secret("workspacepassword"),
            workspace_id="gp ws+~*test",
        ),
    ),
    jobs=(
        Job(
            id=SAMPLE,
            collection="document",
            namespace="rag",
            shape=Shape.CONTRADICTORY,
            entries=1600,
            create_time="2024-01-08 16:52:04.864664",
            update_time="2024-01-08 16:53:04.864664",
        ),
        Job("steady-job", "文档", "workspace", entries=10**9, created=-3600.0),
        *(
            Job(
                f"job of {kind}",
                "document",
                "rag",
                Shape.FAILED,
                entries=200,
                rate=1.0,
                created=-100.0,
                after=50.0,
                error_code="Document.ParseFailed",
                kind=kind,
            )
            for kind in OPERATIONS
        ),
    ),
)
PARAMETERS = {
    "DBInstanceId": "gp-test",
    "RegionId": "cn-hangzhou",
    "Namespace": "my namespace/中文",
    "NamespacePassword": PASSWORD,
    "Collection": "document",
    "JobId": SAMPLE,
}
WORKSPACE_PARAMETERS = {
    "WorkspaceId": "gp ws+~*test",
    "RegionId": "cn-shanghai",
    "NamespacePassword": "workspacepassword",
    "Collection": "文档",
    "JobId": "steady-job",
}


@dataclass(frozen=True, slots=True)
class Api:
    """A running simulator, as the SDK sees it."""

    simulator: Simulator

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return self.simulator.url.removeprefix("http://")

    def ask(
        self,
        parameters: dict[str, str],
        key: str = "LTAI5tTestKey",
        secret: str = SECRET,
        token: str | None = None,
    ) -> Any:
        """Ask with the SDK; return its answer as the vendor's page has it."""
        answer = sdk_call(sdk_client(self.endpoint, key, secret, token), parameters)
        return answer.body.to_map()

    def refused(self, parameters: dict[str, str], **more: Any) -> tuple[int, str]:
        """Ask with the SDK, which must raise; return HTTP status and code of its exception."""
        from alibabacloud_tea_openapi.exceptions import (  # noqa: PLC0415  see tests.sdk_wire
            AlibabaCloudException,
        )

        with pytest.raises(AlibabaCloudException) as caught:
            self.ask(parameters, **more)
        return caught.value.status_code, caught.value.code

    def captured(self, age: timedelta = timedelta(), **more: Any) -> Wire:
        """A request that the SDK made for this simulator, but did not send to it."""
        inputs = {
            "access_key_id": "LTAI5tTestKey",
            "access_key_secret": SECRET,
            "host": self.endpoint,
            "nonce": uuid.uuid4().hex,
            "date": (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "request": PARAMETERS,
        }
        return sdk_request({**inputs, **more})

    def send(self, wire: Wire) -> tuple[int, Any]:
        """Send a request as it is; return HTTP status and JSON."""
        target, headers, body = wire
        host, port = self.endpoint.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A simulator that the SDK reaches without a proxy."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Simulator(SCENARIO) as simulator:
        yield Api(simulator)


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in VECTORS])
def test_the_vectors_are_the_sdks(vector: dict[str, Any]) -> None:
    """The known answers are what the installed SDK puts on the wire, header by header."""
    target, headers, body = sdk_request(vector["inputs"])

    expected = vector["expected"]
    assert target == expected["request_target"]
    assert [list(header) for header in headers] == expected["headers_on_wire"]
    assert body.decode() == expected["body"]


def test_values_arrive(api: Api) -> None:
    """The SDK reads the vendor's sample out of the simulator's answer, field by field."""
    answer = api.ask(PARAMETERS)

    assert answer.pop("RequestId")
    assert answer == {
        "Status": "success",
        "Message": "success",
        "Job": {
            "Id": SAMPLE,
            "Completed": False,
            "CreateTime": "2024-01-08 16:52:04.864664",
            "UpdateTime": "2024-01-08 16:53:04.864664",
            "Status": "Success",
            "Error": "Failed to connect database.",
            "Progress": 1600,
        },
    }


@pytest.mark.parametrize("ask", [sdk_call, sdk_call_async], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("kind", "progress", "further"),
    [
        ("upsert_collection_data", 50, {}),
        (
            "upload_document",
            25,
            {
                "ErrorCode": "Document.ParseFailed",
                "EmbeddingTokens": 17_500,
                "EmbeddingEntries": 50,
            },
        ),
        ("create_index", 25, {}),
        (
            "graph_rag",
            25,
            {"EmbeddingTokens": 17_500, "LLMInputTokens": 45_000, "LLMOutputTokens": 6_000},
        ),
    ],
)
def test_each_kind(
    api: Api, ask: Callable[..., Any], kind: str, progress: int, further: dict[str, Any]
) -> None:
    """The SDK's call of each operation is let in, and its models have each field of the answer."""
    parameters = PARAMETERS | {"JobId": f"job of {kind}"}
    client = sdk_client(api.endpoint, "LTAI5tTestKey", SECRET)

    answer = ask(client, parameters, OPERATIONS[kind].action).body.to_map()

    job = answer["Job"]
    assert (job["Id"], job["Status"], job["Progress"]) == (f"job of {kind}", "Failed", progress)
    found = {**answer.get("Usage", {})}
    found |= {"ErrorCode": job["ErrorCode"]} if "ErrorCode" in job else {}
    assert found == further


@pytest.mark.parametrize("call", [sdk_call, sdk_call_async], ids=["sync", "async"])
@pytest.mark.parametrize("action", STARTS)
def test_each_start(api: Api, call: Callable[..., Any], action: str) -> None:
    """The SDK starts a job with each operation, and finds it with the one of its kind."""
    client = sdk_client(api.endpoint, "LTAI5tTestKey", SECRET)
    subject: dict[str, Any] = {**PARAMETERS}
    del subject["JobId"]

    answer = call(client, subject | STARTS[action], action).body.to_map()

    kind = BY_ACTION[action].kind
    found = sdk_call(client, subject | {"JobId": answer["JobId"]}, OPERATIONS[kind].action)
    assert (answer["Status"], found.body.job.status) == ("success", "Running")


def test_chunks_without_a_graph(api: Api) -> None:
    """Chunks start a job only in a collection that has a graph."""
    client = sdk_client(api.endpoint, "LTAI5tTestKey", SECRET)
    subject = PARAMETERS | STARTS["UpsertChunks"] | {"Collection": "without"}

    answer = sdk_call(client, subject, "UpsertChunks").body.to_map()

    assert answer["Status"] == "success"
    assert "JobId" not in answer


def test_a_start_without_a_file(api: Api) -> None:
    """A starting operation has mandatory parameters of its own."""
    client = sdk_client(api.endpoint, "LTAI5tTestKey", SECRET)

    with pytest.raises(Exception, match="FileName is mandatory"):
        sdk_call(client, PARAMETERS | {"FileUrl": "https://x.example"}, "UploadDocumentAsync")


def test_a_workspace(api: Api) -> None:
    """A workspace whose id needs encoding in the query is found, with the default namespace."""
    job = api.ask(WORKSPACE_PARAMETERS)["Job"]

    assert (job["Status"], job["Completed"]) == ("Running", False)
    assert job["Progress"] >= 3_600_000
    assert "Error" not in job


def test_a_temporary_key(api: Api) -> None:
    """A temporary key with its token is let in."""
    answer = api.ask(PARAMETERS, "STS.TestKey", "TestStsSecret", "Test+Token/==")

    assert answer["Job"]["Progress"] == 1600


@pytest.mark.parametrize(
    ("key", "secret", "token", "expected"),
    [
        ("LTAI5tTestKey", "TestKeySecreT", None, (400, "SignatureDoesNotMatch")),
        ("LTAI5tNobody", SECRET, None, (404, "InvalidAccessKeyId.NotFound")),
        (
            "STS.TestKey",
            "TestStsSecret",
            "Test+Token/=",
            (400, "InvalidSecurityToken.MismatchWithAccessKey"),
        ),
        ("STS.TestKey", "TestStsSecret", None, (400, "MissingSecurityToken")),
        ("STS.TestKey", "TestStsSecreT", "Test+Token/==", (400, "SignatureDoesNotMatch")),
    ],
)
def test_wrong_keys(
    api: Api, key: str, secret: str, token: str | None, expected: tuple[int, str]
) -> None:
    """The SDK's exception carries the status and the code of what is wrong with the key."""
    code = api.refused(PARAMETERS, key=key, secret=secret, token=token)

    assert code == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"NamespacePassword": PASSWORD + " "}, (403, "NoPermission.NamespacePassword")),
        ({"JobId": "another"}, (404, "InvalidJobId.NotFound")),
        ({"DBInstanceId": "gp-other"}, (404, "Forbidden.InstanceNotFound")),
    ],
)
def test_wrong_parameters(api: Api, changed: dict[str, str], expected: tuple[int, str]) -> None:
    """The SDK's exception carries the status and the code of what is wrong with the question."""
    code = api.refused({**PARAMETERS, **changed})

    assert code == expected


def test_a_captured_request_is_good(api: Api) -> None:
    """What was captured from the SDK is let in as it is, so that the changes below are alone."""
    status, answer = api.send(api.captured())

    assert (status, answer["Job"]["Id"]) == (200, SAMPLE)


def test_a_replay_is_refused(api: Api) -> None:
    """The same request a second time is refused for its nonce."""
    wire = api.captured()

    first, again = api.send(wire), api.send(wire)

    assert first[0] == 200
    assert (again[0], again[1]["Code"]) == (400, "SignatureNonceUsed")


def flipped(text: str) -> str:
    """The text with its last letter changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def test_one_byte_of_the_body(api: Api) -> None:
    """One other byte in the SDK's body is refused."""
    target, headers, body = api.captured()

    status, answer = api.send((target, headers, body[:-1] + bytes([body[-1] ^ 1])))

    assert (status, answer["Code"]) == (400, "SignatureDoesNotMatch")


def test_one_byte_of_the_query(api: Api) -> None:
    """One other byte in the SDK's query is refused."""
    target, headers, body = api.captured()

    status, answer = api.send((flipped(target), headers, body))

    assert (status, answer["Code"]) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("host", "SignatureDoesNotMatch"),
        ("user-agent", "SignatureDoesNotMatch"),
        ("accept", "SignatureDoesNotMatch"),
        ("content-type", "SignatureDoesNotMatch"),
        ("x-acs-signature-nonce", "SignatureDoesNotMatch"),
        ("x-acs-content-sha256", "SignatureDoesNotMatch"),
        ("x-acs-credentials-provider", "SignatureDoesNotMatch"),
        ("x-acs-action", "InvalidAction.NotFound"),
        ("x-acs-version", "InvalidVersion"),
        ("x-acs-date", "InvalidTimeStamp.Format"),
        ("Authorization", "SignatureDoesNotMatch"),
    ],
)
def test_one_byte_of_a_header(api: Api, name: str, code: str) -> None:
    """One other byte in any header that the SDK signs is refused."""
    target, headers, body = api.captured()
    assert name in dict(headers)
    changed = [(key, flipped(value) if key == name else value) for key, value in headers]

    _, answer = api.send((target, changed, body))

    assert answer["Code"] == code


def test_another_second(api: Api) -> None:
    """A date that is a second off the signed one is refused, though it is well in time."""
    target, headers, body = api.captured()
    now = datetime.now(UTC) + timedelta(seconds=5)
    changed = {**dict(headers), "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ")}

    status, answer = api.send((target, list(changed.items()), body))

    assert (status, answer["Code"]) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(minutes=16), "InvalidTimeStamp.Expired"),
        (timedelta(minutes=-16), "IllegalTimestamp"),
    ],
)
def test_an_old_date(api: Api, age: timedelta, code: str) -> None:
    """A well-signed request of a quarter of an hour ago, or ahead, is refused."""
    status, answer = api.send(api.captured(age))

    assert (status, answer["Code"]) == (400, code)
