"""Requests for the simulator, signed as the exporter signs them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from exporter.gpdb import signing
from exporter.secret import Secret
from exporter.simulator.scenario import AccessKey, Job, Namespace, Scenario, Shape
from exporter.simulator.verify import Request

START = 1_704_703_984.0  # 2024-01-08T08:53:04Z, the vendor's sample's hour
KEY = AccessKey("LTAI5tTestKey", Secret("TestKeySecret"))
TEMPORARY_KEY = AccessKey("STS.TestKey", Secret("TestStsSecret"), Secret("TestToken"))
RAG = Namespace(
    name="rag-test",
    region_id="cn-hangzhou",
    password=Secret("testpassword"),
    db_instance_id="gp-test",
    namespace="mynamespace",
)
WORKSPACE = Namespace(
    name="workspace-test",
    region_id="cn-shanghai",
    password=Secret("workspacepassword"),
    workspace_id="gp-ws-test",
)
STEADY = Job("steady-job", "document", "rag-test", Shape.STEADY, entries=6000, rate=100.0)
SCENARIO = Scenario((KEY, TEMPORARY_KEY), (RAG, WORKSPACE), (STEADY,))

QUERY = {"DBInstanceId": "gp-test", "RegionId": "cn-hangzhou"}
FORM = {
    "Collection": "document",
    "JobId": "steady-job",
    "Namespace": "mynamespace",
    "NamespacePassword": "testpassword",
}


def signed(
    query: Mapping[str, str] = QUERY,
    form: Mapping[str, str] = FORM,
    *,
    key: AccessKey = KEY,
    nonce: str = "nonce-1",
    at: float = START,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> Request:
    """Return a good request, but for what the arguments make bad before it is signed.

    Args:
        query: the query's parameters.
        form: the body's parameters.
        key: who signs.
        nonce: of the request.
        at: Unix seconds of its date.
        headers: signed beside the usual ones, or instead of them.
        method: of the request.
    """
    body = urlencode(form).encode()
    every = {
        "host": "127.0.0.1:18080",
        "x-acs-version": "2016-05-03",
        "x-acs-action": "GetUpsertCollectionDataJob",
        "x-acs-date": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "content-type": "application/x-www-form-urlencoded",
        "x-acs-content-sha256": signing.content_hash(body),
    }
    if key.security_token:
        every["x-acs-accesskey-id"] = key.id
        every["x-acs-security-token"] = key.security_token.reveal()
    every |= headers or {}
    encoded = signing.canonical_query(query)
    authorization = signing.authorization(
        method,
        encoded,
        every,
        body,
        access_key_id=key.id,
        access_key_secret=key.secret.reveal(),
    )
    return Request(method, "/", encoded, {**every, "authorization": authorization}, body)
