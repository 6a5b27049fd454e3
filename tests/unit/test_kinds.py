"""A kind of job knows what to ask, and takes an answer only when it is about that job."""

from datetime import UTC, datetime

import pytest

from exporter.errors import BadAnswer
from exporter.gpdb.answers import parse
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import (
    BEIJING,
    ErrorClass,
    JobRef,
    JobState,
    JobStatus,
    Target,
)
from exporter.secret import Secret
from tests.job_answers import CREATED, JOB_ID, MISSING, REF, RUNNING, decode

# As the vendor's page prints it.
SAMPLE = b"""{
  "RequestId": "ABB39CC3-4488-4857-905D-2E4A051D0521",
  "Status": "success",
  "Message": "success",
  "Job": {
    "Id": "231460f8-75dc-405e-a669-0c5204887e91",
    "Completed": false,
    "CreateTime": "2024-01-08 16:52:04.864664",
    "UpdateTime": "2024-01-08 16:53:04.864664",
    "Status": "Success",
    "Error": "Failed to connect database.",
    "Progress": 1600
  }
}"""


def test_the_vendors_sample() -> None:
    """The sample of the vendor's page gives exactly its facts, with their contradiction flagged."""
    state = KINDS[UPSERT_COLLECTION_DATA].decode(
        parse(200, {}, SAMPLE, now=0.0).document, REF, BEIJING
    )

    assert state == JobState(
        status=JobStatus.SUCCESS,
        status_text="Success",
        completed=False,
        progress=1600,
        created=CREATED,
        updated=CREATED + 60,
        error_text="Failed to connect database.",
        error_class=ErrorClass.INTERNAL,
        invalid_fields=(),
    )
    assert state.inconsistent


def test_a_siblings_answer() -> None:
    """No Error on success and a fraction of five digits are good."""
    state = decode(
        Completed=True,
        CreateTime="2024-01-29 18:15:27.364484",
        UpdateTime="2024-01-29 18:15:53.78808",
        Status="Success",
        Error=MISSING,
        Progress=100,
    )

    assert state.updated == datetime(2024, 1, 29, 10, 15, 53, 788080, UTC).timestamp()
    assert (state.error_text, state.invalid_fields, state.inconsistent) == ("", (), False)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"Job": None},
        {"Job": []},
        {"Job": "done"},
        {"Job": 1},
        {"Job": [RUNNING]},
        {"job": RUNNING},
        {"Job": {**RUNNING, "Id": "another"}},
        {"Job": {**RUNNING, "Id": JOB_ID.upper()}},
        {"Job": {**RUNNING, "Id": ""}},
        {"Job": {**RUNNING, "Id": 231460}},
        {"Job": {**RUNNING, "Id": [JOB_ID]}},
        {"Job": {**RUNNING, "Id": False}},
    ],
)
def test_no_such_job(document: dict[str, object]) -> None:
    """An answer without a job, or about another one, is a bad answer."""
    with pytest.raises(BadAnswer) as caught:
        KINDS[UPSERT_COLLECTION_DATA].decode(document, REF, BEIJING)

    assert JOB_ID not in str(caught.value)


@pytest.mark.parametrize("answered_id", [MISSING, None, JOB_ID])
def test_the_id_may_be_missing(answered_id: object) -> None:
    """A job without an Id is taken for the one that was asked about."""
    assert decode(Id=answered_id).progress == 1600


def test_an_empty_job() -> None:
    """A job without any field is known to exist, and nothing else."""
    state = KINDS[UPSERT_COLLECTION_DATA].decode({"Job": {}}, REF, BEIJING)

    assert state == JobState(
        status=JobStatus.UNKNOWN,
        invalid_fields=("CreateTime", "UpdateTime", "Status", "Completed", "Progress"),
    )
    assert not state.inconsistent


def target(namespace: str) -> Target:
    """A target with this namespace."""
    return Target("rag-prod", "cn-hangzhou", Secret("testpassword"), namespace=namespace)


WORKSPACE = JobRef(
    "rag-prod",
    "cn-hangzhou",
    JOB_ID,
    "document",
    workspace_id="gp-ws-abc123",
    kind=UPSERT_COLLECTION_DATA,
)


@pytest.mark.parametrize(
    ("ref", "query"),
    [
        (REF, {"DBInstanceId": "gp-xxxxxxxxx", "RegionId": "cn-hangzhou"}),
        (WORKSPACE, {"RegionId": "cn-hangzhou", "WorkspaceId": "gp-ws-abc123"}),
    ],
)
def test_query(ref: JobRef, query: dict[str, str]) -> None:
    """Region and instance or workspace go into the URL; the one that is not set is left out."""
    assert KINDS[UPSERT_COLLECTION_DATA].parameters(ref, target(""))[0] == query


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [("", {}), ("public", {"Namespace": "public"}), ("文", {"Namespace": "文"})],
)
def test_form(namespace: str, expected: dict[str, str]) -> None:
    """Job, collection and password go into the body, the namespace where it is configured."""
    _, form = KINDS[UPSERT_COLLECTION_DATA].parameters(REF, target(namespace))

    always = {"Collection": "document", "JobId": JOB_ID, "NamespacePassword": "testpassword"}
    assert form == {**always, **expected}


def test_kinds() -> None:
    """Each kind of job asks with the operation that the vendor's page names."""
    assert {name: kind.action for name, kind in KINDS.items()} == {
        "upsert_collection_data": "GetUpsertCollectionDataJob",
        "upload_document": "GetUploadDocumentJob",
        "create_index": "DescribeCreateIndexJob",
        "graph_rag": "GetGraphRAGJob",
    }
