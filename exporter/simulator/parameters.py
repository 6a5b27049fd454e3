"""What a verified request is about. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.simulator.operations import BY_ACTION, Operation
from exporter.simulator.scenario import Namespace, Scenario
from exporter.simulator.verify import Rejected, Request

DEFAULT_NAMESPACE = "public"

_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about.

    Attributes:
        operation: that is called.
        namespace: as the scenario has it; None for one that it does not have.
        password_ok: whether the namespace's password came; False without a namespace.
        collection: as it came.
        job_id: as it came; empty where a job is to be started.
    """

    operation: Operation
    namespace: Namespace | None
    password_ok: bool
    collection: str
    job_id: str


def subject_of(request: Request, scenario: Scenario) -> Subject:
    """Return what the request is about.

    Raises:
        Rejected: a parameter is missing, empty or in the wrong half, or the instance is unknown.
    """
    operation = BY_ACTION[request.headers["x-acs-action"]]
    _check_split(request, operation)
    given = {**request.query_parameters, **request.form_parameters}
    password = _mandatory(given, "NamespacePassword")
    for name in operation.mandatory:
        _mandatory(given, name)
    name = given.get("Namespace", DEFAULT_NAMESPACE)
    found = next((n for n in _of_owner(given, scenario, operation) if n.namespace == name), None)
    wanted = found.password.reveal() if found else ""
    return Subject(
        operation=operation,
        namespace=found,
        password_ok=hmac.compare_digest(password.encode(), wanted.encode()),
        collection=_mandatory(given, "Collection"),
        job_id=given.get("JobId", ""),
    )


def _check_split(request: Request, operation: Operation) -> None:
    query, form = request.query_parameters, request.form_parameters
    is_form = request.headers.get("content-type", "").partition(";")[0] == _FORM_TYPE
    if operation.form and not is_form:
        raise Rejected(400, "InvalidParameter", f"The content-type is not {_FORM_TYPE}.")
    for name in operation.form:
        if name in query:
            raise Rejected(400, "InvalidParameter", f"{name} belongs into the body, not the URL.")
    for name in operation.query:
        if name in form:
            raise Rejected(400, "InvalidParameter", f"{name} belongs into the URL, not the body.")
    for name in (*operation.query, *operation.form):
        if query.get(name, form.get(name)) == "":
            raise Rejected(400, "InvalidParameter", f"{name} is empty.")


def _mandatory(parameters: Mapping[str, str], name: str) -> str:
    try:
        return parameters[name]
    except KeyError:
        raise Rejected(400, "MissingParameter", f"{name} is mandatory for this action.") from None


def _of_owner(
    given: Mapping[str, str], scenario: Scenario, operation: Operation
) -> list[Namespace]:
    """Return the namespaces of the workspace or instance; if both are given, the workspace's."""
    region = _mandatory(given, "RegionId")
    if "WorkspaceId" in given and "WorkspaceId" in operation.query:
        owner, key = given["WorkspaceId"], "workspace_id"
    else:
        owner, key = _mandatory(given, "DBInstanceId"), "db_instance_id"
    found = [
        namespace
        for namespace in scenario.namespaces
        if getattr(namespace, key) == owner and namespace.region_id == region
    ]
    if not found:
        raise Rejected(404, "Forbidden.InstanceNotFound", "Specified instance is not found.")
    return found
