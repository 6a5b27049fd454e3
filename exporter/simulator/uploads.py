"""Starts jobs of a simulated API, as a pipeline would with the vendor's SDK."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from exporter.gpdb import credentials
from exporter.gpdb.client import random_nonce, sign_request
from exporter.simulator.operations import BY_ACTION
from exporter.simulator.scenario import AccessKey, Namespace

_TIMEOUT = 10.0  # seconds


def start_job(
    url: str,
    key: AccessKey,
    namespace: Namespace,
    action: str,
    parameters: Mapping[str, str],
) -> str:
    """Start a job and return its id.

    Args:
        url: of the simulator.
        key: signs the call.
        namespace: where the job works.
        action: the operation, such as ``UpsertCollectionDataAsync``.
        parameters: beside those of the namespace.

    Raises:
        OSError: the simulator does not answer, or refuses.
    """
    operation = BY_ACTION[action]
    owner = "WorkspaceId" if namespace.workspace_id else "DBInstanceId"
    given = {
        owner: namespace.workspace_id or namespace.db_instance_id,
        "Namespace": namespace.namespace,
        "NamespacePassword": namespace.password.reveal(),
        "RegionId": namespace.region_id,
        **parameters,
    }
    host = urlsplit(url).netloc
    signed = sign_request(
        host=host,
        action=action,
        query={name: given[name] for name in operation.query if name in given},
        form={name: given[name] for name in operation.form if name in given},
        key=credentials.AccessKey(key.id, key.secret, key.security_token),
        date=datetime.now(UTC),
        nonce=random_nonce(),
    )
    connection = HTTPConnection(host, timeout=_TIMEOUT)
    try:
        connection.request("POST", f"/?{signed.query}", signed.body, dict(signed.headers))
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (HTTPException, ValueError) as error:
        raise OSError(f"no answer to {action}: {type(error).__name__}") from None
    finally:
        connection.close()
    if response.status != 200 or not answer.get("JobId"):
        raise OSError(f"{action} was refused: {answer.get('Code') or answer.get('Message')}")
    return str(answer["JobId"])
