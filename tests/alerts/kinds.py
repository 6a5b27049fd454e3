"""The kinds of jobs: what differs between their alerts."""

from dataclasses import replace

from exporter.model import ErrorClass, JobRef, JobStatus
from tests.alerts.exporters import Exporter, Job, Phase
from tests.alerts.jobs import FAILED, RUNNING, SUCCESS, dashboard, of_collection, ref
from tests.alerts.scenario import Firing, Read, Scenario, of_job

PENDING = JobStatus.PENDING


def of_kind(kind: str, job_id: str, collection: str) -> JobRef:
    """Return an identity of another kind; all are in one namespace of one instance."""
    return replace(ref(job_id, collection, None), kind=kind)


def document(job_id: str, *phases: Phase) -> Job:
    """Return the life of an upload of a document; its rates are percent a minute."""
    return Job(of_kind("upload_document", job_id, "documents"), phases)


TWENTY_UNDER_WAY = tuple(
    document(f"d-{number}", Phase(0, RUNNING, rate=1), Phase(90, SUCCESS)) for number in range(20)
)
WAITS_FOR_ROOM = document(
    "d-waits", Phase(0, PENDING), Phase(90, RUNNING, rate=5), Phase(100, SUCCESS)
)
IS_LEFT_PENDING = document(
    "d-left", Phase(0, PENDING), Phase(40, RUNNING, rate=5), Phase(50, SUCCESS)
)
RUNS_WITH_AN_ERROR_TEXT = document(
    "d-error", Phase(0, RUNNING, rate=2, error=ErrorClass.OTHER), Phase(40, SUCCESS)
)
DOCUMENT_STALLS = document(
    "d-stalls", Phase(0, RUNNING, rate=2), Phase(10, RUNNING), Phase(59.5, SUCCESS)
)
TAKES_LONG = document(
    "d-long",
    *(
        Phase(minute, RUNNING, rate=rate)
        for start in range(0, 150, 10)
        for minute, rate in ((start, 5), (start + 1, 0))
    ),
    Phase(149.5, SUCCESS),
)
BUILD = Job(
    of_kind("create_index", "build", "indexed"), (Phase(0, RUNNING, rate=2), Phase(39.5, SUCCESS))
)
HELD_UP = Job(
    replace(ref("upload", "indexed"), expected_entries=None),
    (
        Phase(0, RUNNING, rate=1000),
        Phase(5, RUNNING),
        Phase(39.5, RUNNING, rate=1000),
        Phase(59.5, SUCCESS),
    ),
)
MOVES_ON = Job(
    replace(ref("upload", "indexed"), expected_entries=None),
    (Phase(0, RUNNING, rate=1000), Phase(59.5, SUCCESS)),
)
REPORTS_NO_PROGRESS = Job(
    of_kind("create_index", "build-v6", "on-v6"), (Phase(0, RUNNING), Phase(59.5, SUCCESS))
)
BUILD_STALLS = Job(
    of_kind("create_index", "build-v7", "on-v7"),
    (Phase(0, RUNNING, rate=2), Phase(10, RUNNING), Phase(59.5, SUCCESS)),
)
GRAPH_FAILS = Job(
    of_kind("graph_rag", "graph", "graphed"),
    (Phase(0, PENDING), Phase(5, RUNNING, rate=9), Phase(10, FAILED, error=ErrorClass.QUOTA)),
)

SCENARIOS = (
    Scenario(
        "a document that is Pending behind 20 others is no alarm, only the queue is",
        110,
        (
            Firing(
                "AdbpgDocumentQueueFull",
                "warning",
                *(10, 89),
                {"job": "adbpg"},
                Read(
                    "No further documents can be uploaded: the account has as many under way as "
                    "it may have.",
                    "21 documents are Pending or Running for ten minutes or longer (scrape job "
                    "adbpg). The vendor allows an account 20: further ones are refused, or wait "
                    "for long. Start fewer at a time. If none of them moves, look at the instance.",
                    "adbpg-overview",
                ),
            ),
        ),
        (Exporter("a", (*TWENTY_UNDER_WAY, WAITS_FOR_ROOM)),),
    ),
    Scenario(
        "a document that stays Pending though there is room is stuck",
        60,
        (
            Firing(
                "AdbpgJobStuckInState",
                "warning",
                *(16, 39),
                of_job(IS_LEFT_PENDING.ref, status="Pending"),
                Read(
                    "A job does not start, or is not cancelled.",
                    "Job d-left of collection documents (upload_document, namespace rag of gp-1, "
                    "target rag-prod) has been in Pending since 1 Jan 00:00 UTC, and does not wait "
                    "for another job that is watched. It is 0% done. The API has room for it, but "
                    "does not begin it. Ask the vendor's support.",
                    dashboard("d-left", "documents"),
                ),
            ),
        ),
        (Exporter("a", (IS_LEFT_PENDING,)),),
    ),
    Scenario(
        "a document that runs with an error text is no alert",
        60,
        (),
        (Exporter("a", (RUNS_WITH_AN_ERROR_TEXT,)),),
    ),
    Scenario(
        "a document whose percentage stands still is stalled, and blocks no collection",
        60,
        (
            Firing(
                "AdbpgJobStalled",
                "warning",
                *(26, 59),
                of_job(DOCUMENT_STALLS.ref, status="Running"),
                Read(
                    "A job runs, but does not move.",
                    "Job d-stalls of collection documents (upload_document, namespace rag of "
                    "gp-1, target rag-prod) is Running, but has not moved since 1 Jan 00:10 UTC. "
                    "It is 20% done. Look at the load of the instance. If the job does not go on, "
                    "cancel it and start it again.",
                    dashboard("d-stalls", "documents"),
                ),
            ),
        ),
        (Exporter("a", (DOCUMENT_STALLS,)),),
    ),
    Scenario(
        "a document is late two hours after it was created",
        155,
        (Firing("AdbpgJobPastDeadline", "warning", *(126, 149), of_job(TAKES_LONG.ref)),),
        (Exporter("a", (TAKES_LONG,)),),
    ),
    Scenario(
        "an index build that holds up an upload says so within ten minutes, and names both",
        70,
        (
            Firing(
                "AdbpgIndexBuildBlocksUploads",
                "warning",
                *(14, 39),
                of_job(BUILD.ref),
                Read(
                    "Uploads to a collection are held up by an index build.",
                    "Index build build of collection indexed (namespace rag of gp-1, target "
                    "rag-prod) has held up uploads since 1 Jan 00:05 UTC: the collection takes "
                    "no writes meanwhile. Held up: job upload (upsert_collection_data). The build "
                    "is 28% done. Wait for its end, or cancel it; then the uploads go on.",
                    dashboard("build", "indexed"),
                ),
            ),
            Firing("AdbpgJobStalled", "warning", *(21, 39), of_job(HELD_UP.ref, status="Running")),
            Firing("AdbpgCollectionBlocked", "warning", *(31, 39), of_collection("indexed")),
        ),
        (Exporter("a", (BUILD, HELD_UP)),),
    ),
    Scenario(
        "an index build beside an upload that goes on is no alert",
        70,
        (),
        (Exporter("a", (BUILD, MOVES_ON)),),
    ),
    Scenario(
        "an index build is stalled only once its progress has moved: instances before V7 have none",
        70,
        (
            Firing(
                "AdbpgJobStalled", "warning", *(26, 59), of_job(BUILD_STALLS.ref, status="Running")
            ),
        ),
        (Exporter("a", (REPORTS_NO_PROGRESS, BUILD_STALLS)),),
    ),
    Scenario(
        "a failed job says how far it got, in percent where it has no entries",
        60,
        (
            Firing(
                "AdbpgJobFailed",
                "warning",
                *(10, 60),
                of_job(GRAPH_FAILS.ref, status="Failed"),
                Read(
                    "A job failed: its data is not all there.",
                    "Job graph of collection graphed (graph_rag, namespace rag of gp-1, target "
                    "rag-prod) failed; this was noticed on 1 Jan 00:10 UTC. It is 45% done. The "
                    "API's error text is about quota. The exporter's page and its log have the "
                    "text. Correct the cause, and start the job again.",
                    dashboard("graph", "graphed"),
                ),
            ),
        ),
        (Exporter("a", (GRAPH_FAILS,)),),
    ),
)
