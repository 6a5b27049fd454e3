"""What the vendor's official SDK puts on the wire, byte for byte.

The SDK (``alibabacloud-gpdb20160503``) stands for the real API's expectations: nobody here has an
account. Importing it takes about 0.7 s and 40 MB, so it is imported on first use.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)

Wire = tuple[str, list[tuple[str, str]], bytes]
"""Request target, headers in their order and spelling, body."""


def sdk_client(
    endpoint: str, access_key_id: str, access_key_secret: str, security_token: str | None = None
) -> Any:
    """Return an SDK client that speaks plain HTTP to an endpoint such as ``127.0.0.1:18080``."""
    from alibabacloud_gpdb20160503.client import Client  # noqa: PLC0415  see the docstring above
    from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415  likewise

    config = Config(
        access_key_id=access_key_id,
        access_key_secret=access_key_secret,
        security_token=security_token,
        endpoint=endpoint,
        protocol="HTTP",
    )
    return Client(config)


METHODS = {
    "GetUpsertCollectionDataJob": "get_upsert_collection_data_job",
    "GetUploadDocumentJob": "get_upload_document_job",
    "DescribeCreateIndexJob": "describe_create_index_job",
    "GetGraphRAGJob": "get_graph_ragjob",
    "UpsertCollectionDataAsync": "upsert_collection_data_async",
    "UploadDocumentAsync": "upload_document_async",
    "CreateIndex": "create_index",
    "EnableCollectionGraphRAG": "enable_collection_graph_rag",
    "UpsertChunks": "upsert_chunks",
}
"""The SDK's method for each operation; its asynchronous one ends in ``_async``."""


STARTS: dict[str, dict[str, Any]] = {
    "UpsertCollectionDataAsync": {"FileUrl": "https://bucket.example/data.jsonl"},
    "UploadDocumentAsync": {"FileUrl": "https://bucket.example/a.pdf", "FileName": "a.pdf"},
    "CreateIndex": {"IndexField": "title", "IndexName": "by_title"},
    "EnableCollectionGraphRAG": {
        "EntityTypes": ["person"],
        "RelationshipTypes": ["knows"],
        "ManagerAccount": "manager",
        "ManagerAccountPassword": "of the manager",
    },
    "UpsertChunks": {"TextChunks": [{"Content": "a text"}]},
}
"""The operations that start jobs, with what each needs beside the collection."""


def sdk_call(
    client: Any, parameters: Mapping[str, Any], action: str = "GetUpsertCollectionDataJob"
) -> Any:
    """Call an operation; return the SDK's answer.

    Args:
        client: of the SDK.
        parameters: by the names of the vendor's page, such as ``DBInstanceId``.
        action: the operation.
    """
    return getattr(client, METHODS[action])(sdk_model(f"{action}Request", parameters))


def sdk_call_async(client: Any, parameters: Mapping[str, Any], action: str) -> Any:
    """Call with the SDK's asynchronous client, which has another HTTP library; likewise."""
    method = getattr(client, f"{METHODS[action]}_async")
    return asyncio.run(method(sdk_model(f"{action}Request", parameters)))


def sdk_model(name: str, parameters: Mapping[str, Any]) -> Any:
    """Return one of the SDK's models, such as ``CreateIndexRequest``."""
    from alibabacloud_gpdb20160503 import models  # noqa: PLC0415  see the docstring above

    return getattr(models, name)().from_map(dict(parameters))


def sdk_request(inputs: Mapping[str, Any]) -> Wire:
    """Return the request that the SDK makes of the inputs, as it comes out of its socket.

    Args:
        inputs: as in ``signature_vectors.json``: ``access_key_id``, ``access_key_secret``,
            ``security_token`` (or None), ``host``, ``nonce``, ``date``, ``user_agent``, and
            ``request`` with the parameters, and ``action``. Nonce, date and user agent may be
            left out: then they are the SDK's own; without an action it is the first one.
    """
    client = sdk_client(
        inputs["host"],
        inputs["access_key_id"],
        inputs["access_key_secret"],
        inputs.get("security_token"),
    )
    received: list[bytes] = []
    with _captured(received), _pinned(inputs):
        sdk_call(client, inputs["request"], inputs.get("action", "GetUpsertCollectionDataJob"))
    return _parsed(b"".join(received))


@contextmanager
def _pinned(inputs: Mapping[str, Any]) -> Iterator[None]:
    """Fix what the SDK takes from clocks and dice."""
    from alibabacloud_tea_openapi.utils import Utils  # noqa: PLC0415  see the docstring above

    pins = {
        "get_nonce": inputs.get("nonce"),
        "get_timestamp": inputs.get("date"),
        "get_user_agent": inputs.get("user_agent"),
    }
    patches = [
        mock.patch.object(Utils, name, staticmethod(lambda *_, value=value: value))
        for name, value in pins.items()
        if value is not None
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


@contextmanager
def _captured(received: list[bytes]) -> Iterator[None]:
    """Give the SDK's HTTP library one end of a socket pair, whatever host it wants."""
    ours, theirs = socket.socketpair()
    server = threading.Thread(target=_serve, args=(ours, received), daemon=True)
    server.start()
    with theirs, mock.patch("urllib3.util.connection.create_connection", return_value=theirs):
        yield
    server.join()


def _serve(connection: socket.socket, received: list[bytes]) -> None:
    """Take one request in, answer it."""
    with connection:
        request = b""
        while not _is_whole(request) and (more := connection.recv(65_536)):
            request += more
        received.append(request)
        connection.sendall(ANSWER)


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return bool(end) and len(body) >= sum(lengths)


def _parsed(request: bytes) -> Wire:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return first.split(" ")[1], headers, body
