"""The signature is the one that the vendor's SDK and the vendor's own page compute."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.gpdb import signing

VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "signature_vectors.json").read_text("utf-8")
)
SDK_WIRE = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["sdk_wire"]]


def signed_headers_of(vector: dict[str, Any]) -> dict[str, str]:
    """The headers that the SDK signed, as they went over the wire."""
    names = vector["expected"]["signed_headers"].split(";")
    on_wire = {name.lower(): value for name, value in vector["expected"]["headers_on_wire"]}
    return {name: on_wire[name] for name in names}


def query_of(vector: dict[str, Any]) -> dict[str, str]:
    """The parameters that belong into the query."""
    request = vector["inputs"]["request"]
    names = ("WorkspaceId", "RegionId", "DBInstanceId")
    return {name: request[name] for name in names if name in request}


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_query(vector: dict[str, Any]) -> None:
    """The canonical query is the one that the SDK puts into the request target."""
    query = signing.canonical_query(query_of(vector))

    assert f"/?{query}" == vector["expected"]["request_target"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_content_hash(vector: dict[str, Any]) -> None:
    """The content hash is the SDK's."""
    hashed = signing.content_hash(vector["expected"]["body"].encode())

    assert hashed == vector["expected"]["content_sha256"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_canonical_request(vector: dict[str, Any]) -> None:
    """The canonical request, and with it the string to sign, is the SDK's, byte for byte."""
    expected = vector["expected"]
    canonical = signing.canonical_request(
        expected["method"],
        signing.canonical_query(query_of(vector)),
        signed_headers_of(vector),
        expected["signed_headers"],
        expected["content_sha256"],
    )

    assert canonical == expected["canonical_request"]
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    assert f"{signing.ALGORITHM}\n{hashed}" == expected["string_to_sign"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_signature(vector: dict[str, Any]) -> None:
    """The signature of the SDK's canonical request is the SDK's."""
    signature = signing.signature(
        vector["expected"]["canonical_request"], vector["inputs"]["access_key_secret"]
    )

    assert signature == vector["expected"]["signature"]


@pytest.mark.parametrize("vector", SDK_WIRE)
def test_authorization(vector: dict[str, Any]) -> None:
    """The header Authorization is the SDK's, names of the signed headers included."""
    authorization = signing.authorization(
        vector["expected"]["method"],
        signing.canonical_query(query_of(vector)),
        signed_headers_of(vector),
        vector["expected"]["body"].encode(),
        access_key_id=vector["inputs"]["access_key_id"],
        access_key_secret=vector["inputs"]["access_key_secret"],
    )

    assert authorization == vector["expected"]["authorization"]


def test_the_vendors_own_example() -> None:
    """The example of the vendor's signature page, with an empty body, comes out as printed."""
    example = VECTORS["official_doc_example"]
    inputs, expected = example["inputs"], example["expected"]
    body_hash = signing.content_hash(inputs["body"].encode())
    headers = {
        "host": inputs["host"],
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": body_hash,
        "x-acs-date": inputs["date"],
        "x-acs-signature-nonce": inputs["nonce"],
        "x-acs-version": "2014-05-26",
    }
    query = signing.canonical_query(inputs["query"])

    canonical = signing.canonical_request(
        inputs["method"], query, headers, ";".join(headers), body_hash
    )

    assert canonical == expected["canonical_request"]
    assert signing.signature(canonical, inputs["access_key_secret"]) == expected["signature"]


@pytest.mark.parametrize(
    ("plain", "encoded"),
    [
        ("azAZ09-_.~", "azAZ09-_.~"),
        (" ", "%20"),
        ("+", "%2B"),
        ("*", "%2A"),
        ("/", "%2F"),
        ("%", "%25"),
        ("%20", "%2520"),
        ("&", "%26"),
        ("=", "%3D"),
        ("?", "%3F"),
        ("#", "%23"),
        (":", "%3A"),
        ("@", "%40"),
        ("!'()", "%21%27%28%29"),
        ("$,;", "%24%2C%3B"),
        ('"<>\\^`{|}[]', "%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("\n", "%0A"),
        ("é", "%C3%A9"),
        ("实例", "%E5%AE%9E%E4%BE%8B"),
        ("🚀", "%F0%9F%9A%80"),
        ("", ""),
    ],
)
def test_characters(plain: str, encoded: str) -> None:
    """Each character but the unreserved ones is percent-encoded, in names as in values."""
    query = signing.canonical_query({plain: plain})

    assert query == f"{encoded}={encoded}"


def test_order() -> None:
    """Parameters are sorted by name, capital letters first, whatever order they come in."""
    query = signing.canonical_query({"b": "1", "a": "2", "B": "3", "A-1": "4", "A": "5"})

    assert query == "A=5&A-1=4&B=3&a=2&b=1"


def test_header_values_are_stripped() -> None:
    """Spaces around a header's value are not signed, the ones inside are."""
    canonical = signing.canonical_request("POST", "", {"host": "  a  b "}, "host", "hash")

    assert canonical == "POST\n/\n\nhost:a  b\n\nhost\nhash"
