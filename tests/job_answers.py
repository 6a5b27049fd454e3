"""Answers about one job, made from one good answer."""

from datetime import UTC, datetime, tzinfo

from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import BEIJING, JobRef, JobState

JOB_ID = "231460f8-75dc-405e-a669-0c5204887e91"
REF = JobRef(
    target="rag-prod",
    region_id="cn-hangzhou",
    job_id=JOB_ID,
    collection="document",
    db_instance_id="gp-xxxxxxxxx",
    kind=UPSERT_COLLECTION_DATA,
)
RUNNING: dict[str, object] = {
    "Id": JOB_ID,
    "Completed": False,
    "CreateTime": "2024-01-08 16:52:04.864664",
    "UpdateTime": "2024-01-08 16:53:04.864664",
    "Status": "Running",
    "Error": "",
    "Progress": 1600,
}
CREATED = datetime(2024, 1, 8, 8, 52, 4, 864664, UTC).timestamp()
MISSING = ...


def decode(zone: tzinfo = BEIJING, **fields: object) -> JobState:
    """The state that a running job's answer gives with these fields changed or MISSING."""
    job = {name: value for name, value in {**RUNNING, **fields}.items() if value is not MISSING}
    return KINDS[UPSERT_COLLECTION_DATA].decode({"Status": "success", "Job": job}, REF, zone)
