"""What the exporter sends equals what the vendor's official SDK sends, field by field."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.errors import BadAnswer
from exporter.gpdb.client import USER_AGENT, ApiClient
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import JobRef, Target
from exporter.secret import Secret, Watched
from tests.sdk_wire import ANSWER, Wire, sdk_request

NONCE = "3156853299f313e23d1673dc12e1703d"
DATE = "2024-01-08T08:53:04Z"
SPECIAL = "p&a=s+s%w o/r?d#;,:@!$'\"()*~<>\\|^`{}[]"
# Only the SDK has it: it names its own class of credentials.
SDK_ONLY = "x-acs-credentials-provider"

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "workspace": ({"db_instance_id": "", "workspace_id": "gp-ws-abc123"}, {}),
    "namespace": ({}, {"namespace": "mynamespace"}),
    "password": ({}, {"namespace_password": Secret(SPECIAL)}),
    "characters": ({"job_id": SPECIAL, "collection": SPECIAL}, {"namespace": SPECIAL}),
    "scripts": ({"collection": "größe-向量-مجموعة-🚀"}, {"namespace": "名前空間"}),
    "spaces": ({"collection": " two  words ", "job_id": "a+b c"}, {}),
    "instance": ({"db_instance_id": "gp-~._x y/z"}, {}),
}


TARGET = Target("main", "cn-hangzhou", Secret("testpassword"))
REF = JobRef(
    "main",
    "cn-hangzhou",
    "231460f8-75dc",
    "document",
    db_instance_id="gp-x",
    kind=UPSERT_COLLECTION_DATA,
)


class Fixed(Credentials):
    """Credentials that never change."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def current(self) -> AccessKey:
        """See ``Credentials``."""
        token = Secret(self._token) if self._token else None
        return AccessKey("LTAI5tEXAMPLEKEYID00", Secret("ExampleSecretKeyForTestsOnly00"), token)

    def secrets(self) -> tuple[Watched, ...]:
        """See ``Credentials``."""
        return ()


@contextmanager
def _capture() -> Iterator[tuple[str, list[bytes]]]:
    """Listen on loopback, keep what one client sends, and answer with an empty object."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while not _is_whole(request):
                    request += connection.recv(65_536)
                received.append(request)
                connection.sendall(ANSWER)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", received
        server.join()


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and len(body) == (int(length[1]) if length else 0)


def _ask(ref: JobRef, target: Target, token: str | None) -> None:
    kind = KINDS[ref.kind]
    client = ApiClient(
        ApiSettings(),
        Fixed(token),
        connections=1,
        clock=Clock(wall=lambda: datetime.fromisoformat(DATE).timestamp()),
        nonce=lambda: NONCE,
    )
    answer = client.call(target, kind, ref)
    with pytest.raises(BadAnswer):  # it was the empty object
        kind.decode(answer.document, ref, target.time_zone)
    client.close()


def _wire(request: bytes) -> Wire:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return first.split(" ")[1], headers, body


@pytest.mark.parametrize("token", [None, "CAISexample/STS+token=with&chars%25=="], ids=["", "sts"])
@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (kind.name, case)
        for kind in KINDS.values()
        for case, (of_ref, _) in CASES.items()
        if not kind.refusal(replace(REF, **of_ref))
    ],
)
def test_the_request_equals_the_sdks(kind: str, case: str, token: str | None) -> None:
    """Path, query, body and every header are the same; only the SDK names its credentials class."""
    of_ref, of_target = CASES[case]
    with _capture() as (host, received):
        target = replace(TARGET, endpoint=f"http://{host}", **of_target)
        ref = replace(REF, kind=kind, **of_ref)
        _ask(ref, target, token)
    our_target, our_headers, our_body = _wire(received[0])

    sdk_target, sdk_headers, sdk_body = sdk_request(
        {
            "access_key_id": "LTAI5tEXAMPLEKEYID00",
            "access_key_secret": "ExampleSecretKeyForTestsOnly00",
            "security_token": token,
            "host": host,
            "nonce": NONCE,
            "date": DATE,
            "user_agent": USER_AGENT,
            "action": KINDS[kind].action,
            "request": _sdk_parameters(ref, target),
        }
    )

    # The SDK signs %20 for a space, but sends a plus sign; we send what we sign.
    assert our_target == sdk_target.replace("+", "%20")
    assert our_body == sdk_body
    ours, theirs = _comparable(our_headers), _comparable(sdk_headers)
    assert ours == theirs


def _sdk_parameters(ref: JobRef, target: Target) -> dict[str, str]:
    named = {
        "Collection": ref.collection,
        "DBInstanceId": ref.db_instance_id,
        "JobId": ref.job_id,
        "Namespace": target.namespace or ("public" if KINDS[ref.kind].needs_namespace else ""),
        "NamespacePassword": target.namespace_password.reveal(),
        "RegionId": ref.region_id,
        "WorkspaceId": ref.workspace_id,
    }
    return {name: value for name, value in named.items() if value}


def _comparable(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name, less the SDK's own one, and which of them are signed."""
    found = {name.lower(): value for name, value in headers}
    assert len(found) == len(headers), "a header twice"
    found.pop(SDK_ONLY, None)
    signed = re.search(r"SignedHeaders=([^,]+)", found.pop("authorization"))
    assert signed is not None
    found["signed"] = ";".join(name for name in signed[1].split(";") if name != SDK_ONLY)
    return found
