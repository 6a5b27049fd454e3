"""The jobs of the scenarios: one in each kind of trouble, and lives that end well."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from exporter.errors import TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import ErrorClass, JobRef, JobStatus
from tests.alerts.exporters import Job, Outage, Phase
from tests.alerts.scenario import Firing, Read, of_job

START, RUNNING = JobStatus.START, JobStatus.RUNNING
CANCELLING, CANCELLED = JobStatus.CANCELLING, JobStatus.CANCELLED
SUCCESS, FAILED, UNKNOWN = JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.UNKNOWN
BEGINNING = (Phase(0, START), Phase(2, RUNNING, rate=1000))
TIMEOUT = TimedOut("no answer")


def ref(job_id: str, collection: str, expected: int | None = 9_000_000) -> JobRef:
    """Return an identity; all are in one namespace of one instance."""
    return JobRef(
        "rag-prod",
        "cn-hangzhou",
        job_id,
        collection,
        "rag",
        "gp-1",
        expected_entries=expected,
        kind=UPSERT_COLLECTION_DATA,
    )


def of_collection(name: str) -> dict[str, str]:
    """Return the labels that an alert of a collection has."""
    identity = {"collection": name, "collection_namespace": "rag", "db_instance_id": "gp-1"}
    return {**identity, "target": "rag-prod", "job": "adbpg"}


def dashboard(job_id: str, collection: str) -> str:
    """Return where an alert of a job links to."""
    query = f"var-job_id={job_id}&var-collection={collection}&var-collection_namespace=rag"
    return f"adbpg-job?{query}"


# Each gets into trouble in the 6th minute, and out of it before the 60th.
FAILS = Job(
    ref("j-1", "fails"), (*BEGINNING, Phase(5.5, FAILED, error=ErrorClass.DIMENSION_MISMATCH))
)
IS_CANCELLED = Job(
    ref("j-2", "cancelled"), (*BEGINNING, Phase(5, CANCELLING), Phase(5.5, CANCELLED))
)
STALLS = Job(ref("j-3", "stalls"), (*BEGINNING, Phase(5.5, RUNNING), Phase(59.5, SUCCESS)))
STAYS_CANCELLING = Job(
    ref("j-4", "cancelling", None), (*BEGINNING, Phase(5.5, CANCELLING), Phase(59.5, SUCCESS))
)
IS_LATE = Job(
    ref("j-5", "late", 60_000),
    (*BEGINNING, Phase(59.5, SUCCESS)),
    created=-10,  # deadline at 21
)
IS_UNSEEN = Job(
    ref("j-6", "unseen"), (Phase(0, RUNNING, rate=1000),), outages=(Outage(5.5, 59.5, TIMEOUT),)
)
CONTRADICTS_ITSELF = Job(
    ref("j-7", "odd"),
    (*BEGINNING, Phase(5.5, RUNNING, rate=1000, completed=True), Phase(59.5, SUCCESS)),
)
GOES_WELL = tuple(
    Job(ref(f"j-{number}", f"fine-{number}"), (*BEGINNING, Phase(90, SUCCESS))) for number in (8, 9)
)
TROUBLED = (
    *GOES_WELL,
    FAILS,
    IS_CANCELLED,
    STALLS,
    STAYS_CANCELLING,
    IS_LATE,
    IS_UNSEEN,
    CONTRADICTS_ITSELF,
)

ALERTS = (
    Firing(
        "AdbpgJobFailed",
        "warning",
        *(6, 65),
        of_job(FAILS.ref, status="Failed"),
        Read(
            "A job failed: its data is not all there.",
            "Job j-1 of collection fails "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) failed; "
            "this was noticed on 1 Jan 00:06 UTC. It has uploaded 3.5k entries of 9M. The API's "
            "error text is about dimension mismatch. The exporter's page and its log have the "
            "text. Correct the cause, and start the job again.",
            dashboard("j-1", "fails"),
        ),
    ),
    Firing(
        "AdbpgJobCancelled",
        "info",
        *(6, 65),
        of_job(IS_CANCELLED.ref, status="Cancelled"),
        Read(
            "A job was cancelled: its data is not all there.",
            "Job j-2 of collection cancelled "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) was "
            "cancelled; this was noticed on 1 Jan 00:06 UTC. It has uploaded 3k entries of 9M. If "
            "nobody meant to cancel it, start it again.",
            dashboard("j-2", "cancelled"),
        ),
    ),
    Firing(
        "AdbpgJobStalled",
        "warning",
        *(22, 59),
        of_job(STALLS.ref, status="Running"),
        Read(
            "A job runs, but does not move.",
            "Job j-3 of collection stalls "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) is Running, "
            "but has not moved since 1 Jan 00:06 UTC. It has uploaded 3.5k entries of 9M. "
            "Look at the load of the instance. If the job does not go on, cancel it and "
            "start it again.",
            dashboard("j-3", "stalls"),
        ),
    ),
    Firing(
        "AdbpgJobStuckInState",
        "warning",
        *(22, 59),
        of_job(STAYS_CANCELLING.ref, status="Cancelling"),
        Read(
            "A job does not start, or is not cancelled.",
            "Job j-4 of collection cancelling "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) has been in "
            "Cancelling since 1 Jan 00:06 UTC, and does not wait for another job that is watched. "
            "It has uploaded 3.5k entries. Ask the vendor's support to end it.",
            dashboard("j-4", "cancelling"),
        ),
    ),
    Firing(
        "AdbpgJobPastDeadline",
        "warning",
        *(27, 59),
        of_job(IS_LATE.ref),
        Read(
            "A job runs past its planned end.",
            "Job j-5 of collection late "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) should have "
            "ended by 1 Jan 00:21 UTC. The time that it waited for others is not counted. It has "
            "uploaded 25k entries of 60k. At its present rate it needs 35m 0s more. Inform those "
            "who wait for its data; if it does not move, cancel it and start it again.",
            dashboard("j-5", "late"),
        ),
    ),
    Firing(
        "AdbpgJobQueryFailing",
        "warning",
        *(16, 59),
        of_job(IS_UNSEEN.ref),
        Read(
            "The API gives no answer about a job.",
            "Job j-6 of collection unseen "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod) cannot be "
            "queried, for ten minutes or longer. Its last query failed with timeout. The API last "
            "answered on 1 Jan 00:05 UTC. It had uploaded 5k entries of 9M. The job itself may be "
            "well. The runbook says what to do for each reason.",
            dashboard("j-6", "unseen"),
        ),
    ),
    Firing(
        "AdbpgJobAnswerInconsistent",
        "info",
        *(21, 59),
        of_job(CONTRADICTS_ITSELF.ref),
        Read(
            "What the API says about a job cannot be relied on.",
            "Job j-7 of collection odd "
            "(upsert_collection_data, namespace rag of gp-1, target rag-prod): Status, Completed "
            "and Error contradict each other, for 15 minutes or longer. It has uploaded 19k "
            "entries of 9M. Look with `adbpg-job-exporter query` at what the API says, and "
            "compare the collection with what was uploaded.",
            dashboard("j-7", "odd"),
        ),
    ),
    Firing("AdbpgCollectionBlocked", "warning", *(32, 59), of_collection("stalls")),
    Firing("AdbpgCollectionBlocked", "warning", *(32, 59), of_collection("cancelling")),
    Firing("AdbpgCollectionBlocked", "warning", *(37, 59), of_collection("late")),
)
"""All that fires for them, as far as it does not depend on what else happens."""


def at_other_times(windows: Mapping[str, Iterable[tuple[int, int]]]) -> tuple[Firing, ...]:
    """Return ALERTS, unread, at these times.

    Args:
        windows: by an alert's name, or by that and a collection, as in ``AdbpgJobStalled of c``.
            Alerts that are not named keep their times.
    """
    return tuple(
        replace(each, first=first, last=last, read=None)
        for each in ALERTS
        for first, last in windows.get(
            f"{each.alert} of {each.labels['collection']}",
            windows.get(each.alert, [(each.first, each.last)]),
        )
    )


def unread(fires: Iterable[Firing] = ALERTS) -> tuple[Firing, ...]:
    """Return the same without what they say: that is tested once."""
    return tuple(replace(each, read=None) for each in fires)
