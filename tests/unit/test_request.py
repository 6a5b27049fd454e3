"""A signed request is the one that the official SDK puts on the wire."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gpdb.client import USER_AGENT, SignedRequest, sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import JobRef, Target
from exporter.secret import Secret
from tests.reference_signature import parts_of, reference_signature

VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "signature_vectors.json").read_text("utf-8")
)
SDK_WIRE = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["sdk_wire"]]
# What the SDK says of itself, and we do not.
ONLY_THE_SDKS = {"x-acs-credentials-provider", "user-agent"}


def sign(vector: dict[str, Any]) -> SignedRequest:
    """Our request for the inputs of a known answer."""
    inputs, asked = vector["inputs"], vector["inputs"]["request"]
    ref = JobRef(
        target="t",
        region_id=asked["RegionId"],
        job_id=asked["JobId"],
        collection=asked["Collection"],
        db_instance_id=asked.get("DBInstanceId", ""),
        workspace_id=asked.get("WorkspaceId", ""),
        kind=UPSERT_COLLECTION_DATA,
    )
    password = Secret(asked["NamespacePassword"])
    target = Target("t", ref.region_id, password, namespace=asked.get("Namespace", ""))
    kind = KINDS[UPSERT_COLLECTION_DATA]
    query, form = kind.parameters(ref, target)
    token = inputs["security_token"]
    return sign_request(
        host=inputs["host"],
        action=kind.action,
        query=query,
        form=form,
        key=AccessKey(
            inputs["access_key_id"],
            Secret(inputs["access_key_secret"]),
            Secret(token) if token else None,
        ),
        date=datetime.fromisoformat(inputs["date"]),
        nonce=inputs["nonce"],
    )


def on_sdks_wire(vector: dict[str, Any]) -> dict[str, str]:
    """The headers that the SDK sent."""
    return {name.lower(): value for name, value in vector["expected"]["headers_on_wire"]}


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_the_reference(vector: dict[str, Any]) -> None:
    """The reference by which ours is measured gives the SDK's signature for the SDK's request."""
    expected = vector["expected"]

    signature = reference_signature(
        expected["request_target"],
        on_sdks_wire(vector),
        expected["signed_headers"],
        expected["body"].encode(),
        vector["inputs"]["access_key_secret"],
    )

    assert signature == expected["signature"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_query_and_body(vector: dict[str, Any]) -> None:
    """Query and body are the SDK's, byte for byte."""
    signed = sign(vector)

    assert f"/?{signed.query}" == vector["expected"]["request_target"]
    assert signed.body.decode() == vector["expected"]["body"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_headers(vector: dict[str, Any]) -> None:
    """The signed headers are the SDK's, but for what it says of itself."""
    signed = sign(vector)

    sdks = on_sdks_wire(vector)
    names = set(vector["expected"]["signed_headers"].split(";")) - ONLY_THE_SDKS
    ours = {name: value for name, value in signed.headers.items() if name != "Authorization"}
    assert ours.pop("user-agent") == USER_AGENT
    assert ours == {name: sdks[name] for name in names}


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_authorization(vector: dict[str, Any]) -> None:
    """Every header is signed, in order, with the secret of the key."""
    signed = sign(vector)

    parts = parts_of(signed.headers["Authorization"])
    names = sorted(signed.headers.keys() - {"Authorization"})
    assert parts["Credential"] == vector["inputs"]["access_key_id"]
    assert parts["SignedHeaders"] == ";".join(names)
    assert parts["Signature"] == reference_signature(
        f"/?{signed.query}",
        dict(signed.headers),
        parts["SignedHeaders"],
        signed.body,
        vector["inputs"]["access_key_secret"],
    )


TEXT = st.text(min_size=1)


@given(query=st.dictionaries(TEXT, TEXT), form=st.dictionaries(TEXT, TEXT), secret=TEXT)
def test_any_text(query: dict[str, str], form: dict[str, str], secret: str) -> None:
    """Text in any script arrives as it was, and the signature fits what is on the wire."""
    signed = sign_request(
        host="gpdb.aliyuncs.com",
        action="GetUpsertCollectionDataJob",
        query=query,
        form=form,
        key=AccessKey("LTAI5tEXAMPLE", Secret(secret)),
        date=datetime.fromisoformat("2024-01-08T08:53:04Z"),
        nonce="n",
    )

    parts = parts_of(signed.headers["Authorization"])
    assert dict(parse_qsl(signed.query, strict_parsing=bool(query))) == query
    assert dict(parse_qsl(signed.body.decode("ascii"), strict_parsing=bool(form))) == form
    assert parts["Signature"] == reference_signature(
        f"/?{signed.query}",
        dict(signed.headers),
        parts["SignedHeaders"],
        signed.body,
        secret,
    )
