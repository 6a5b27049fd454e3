"""Which job a verified request asks about. Pure.

The names and which of them are mandatory: the vendor's page of GetUpsertCollectionDataJob.
Which of them go into the query and which into the form: the official SDK on the wire.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.simulator.scenario import Namespace, Scenario
from exporter.simulator.verify import Refused, Request

DEFAULT_NAMESPACE = "public"

_QUERY = ("DBInstanceId", "RegionId", "WorkspaceId")
_FORM = ("Collection", "JobId", "Namespace", "NamespacePassword")
_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks about.

    Attributes:
        namespace: as the scenario has it; None for one that it does not have.
        password_ok: whether the namespace's password came; False without a namespace.
        collection: as it came.
        job_id: as it came.
    """

    namespace: Namespace | None
    password_ok: bool
    collection: str
    job_id: str


def ask_of(request: Request, scenario: Scenario) -> Ask:
    """Return what the request asks about.

    Raises:
        Refused: a parameter is missing, empty or in the wrong half, or the instance is unknown.
    """
    query, form = request.query_parameters, request.form_parameters
    _check_split(request)
    password = _mandatory(form, "NamespacePassword")
    name = form.get("Namespace", DEFAULT_NAMESPACE)
    found = next((n for n in _of_owner(query, scenario) if n.namespace == name), None)
    wanted = found.password.reveal() if found else ""
    return Ask(
        namespace=found,
        password_ok=hmac.compare_digest(password.encode(), wanted.encode()),
        collection=_mandatory(form, "Collection"),
        job_id=_mandatory(form, "JobId"),
    )


def _check_split(request: Request) -> None:
    query, form = request.query_parameters, request.form_parameters
    if request.headers.get("content-type", "").partition(";")[0] != _FORM_TYPE:
        raise Refused(400, "InvalidParameter", f"The content-type is not {_FORM_TYPE}.")
    for name in _FORM:
        if name in query:
            raise Refused(400, "InvalidParameter", f"{name} belongs into the body, not the URL.")
    for name in _QUERY:
        if name in form:
            raise Refused(400, "InvalidParameter", f"{name} belongs into the URL, not the body.")
    for name in (*_QUERY, *_FORM):
        if query.get(name, form.get(name)) == "":
            raise Refused(400, "InvalidParameter", f"{name} is empty.")


def _mandatory(parameters: Mapping[str, str], name: str) -> str:
    try:
        return parameters[name]
    except KeyError:
        raise Refused(400, "MissingParameter", f"{name} is mandatory for this action.") from None


def _of_owner(query: Mapping[str, str], scenario: Scenario) -> list[Namespace]:
    """Return the namespaces of the workspace or instance; if both are given, the workspace's."""
    region = _mandatory(query, "RegionId")
    if "WorkspaceId" in query:
        owner, key = query["WorkspaceId"], "workspace_id"
    else:
        owner, key = _mandatory(query, "DBInstanceId"), "db_instance_id"
    found = [
        namespace
        for namespace in scenario.namespaces
        if getattr(namespace, key) == owner and namespace.region_id == region
    ]
    if not found:
        raise Refused(404, "Forbidden.InstanceNotFound", "Specified instance is not found.")
    return found
