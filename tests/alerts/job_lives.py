"""Lives of jobs that end well, and the odd ones: what fires for them, and mostly what does not."""

from dataclasses import dataclass, replace

from exporter.errors import NotFound
from tests.alerts.exporters import Exporter, Job, Outage, Phase
from tests.alerts.jobs import (
    FAILED,
    FAILS,
    IS_CANCELLED,
    RUNNING,
    STALLS,
    START,
    SUCCESS,
    TIMEOUT,
    UNKNOWN,
    dashboard,
    of_collection,
    ref,
    unread,
)
from tests.alerts.scenario import Firing, Read, Scenario, of_job


@dataclass(frozen=True, slots=True)
class Life:
    """What becomes of some jobs, and all that fires for them; they meet no others.

    Attributes:
        claim: what it shows.
        jobs: of one collection.
        fires: every alert that they and their collection have.
    """

    claim: str
    jobs: tuple[Job, ...]
    fires: tuple[Firing, ...] = ()


# One collection: each waits for the one before, and two minutes more until it starts.
QUEUE = (
    Job(ref("q-1", "queue"), (Phase(0, RUNNING, rate=1000), Phase(20, SUCCESS))),
    Job(ref("q-2", "queue"), (Phase(0, START), Phase(22, RUNNING, rate=1000), Phase(42, SUCCESS))),
    Job(ref("q-3", "queue"), (Phase(0, START), Phase(44, RUNNING, rate=1000), Phase(64, SUCCESS))),
)
NO_API = tuple(replace(job, outages=(Outage(18, 22, TIMEOUT),)) for job in QUEUE)
STARTS_LATE = Job(
    ref("s-1", "restart"),
    (Phase(0, START), Phase(14.25, RUNNING), Phase(20, RUNNING, rate=1000), Phase(30, SUCCESS)),
)
MOVES_SELDOM = Job(
    ref("m-1", "seldom"),
    (
        *(Phase(n + k, RUNNING, 9 * (1 - k)) for n in range(0, 56, 14) for k in (0, 1)),
        Phase(56, SUCCESS),
    ),
)
TELLS_NO_PROGRESS = Job(
    ref("n-1", "quiet"), (Phase(0, RUNNING), Phase(40, SUCCESS)), tells_progress=False
)
WAITS_BEHIND = Job(ref("w-1", "stalls"), (Phase(0, START), Phase(59.5, SUCCESS)))
ENDS = Job(ref("w-2", "left"), (Phase(0, RUNNING, rate=1000), Phase(19.5, SUCCESS)))
DOES_NOT_FOLLOW = Job(ref("w-3", "left"), (Phase(0, START), Phase(59.5, SUCCESS)))
AT_ONCE = tuple(
    Job(ref(f"two-{n}", "two"), (Phase(0, RUNNING, rate=1000), Phase(end, SUCCESS)))
    for n, end in ((1, 19.5), (2, 30))
)
IS_UNKNOWN = Job(
    ref("u-1", "unknown"), (Phase(0, RUNNING), Phase(4.5, UNKNOWN), Phase(29.5, SUCCESS))
)
IS_NOT_FOUND = Job(
    ref("x-1", "gone"),
    (Phase(0, RUNNING),),
    outages=(Outage(4.5, 99, NotFound("no such job", what="job")),),
)
WRONG_ZONES = tuple(
    replace(FAILS, ref=ref(f"z{hours:+}", "zone", None), zone_error=hours) for hours in (-8, 8)
)
ODD = replace(ref('up"load\\1 &x', "größe-向量", None), db_instance_id="", workspace_id="gp-ws-1")
ODD_READ = Read(
    "An upload job was cancelled: its documents are not all there.",
    'Job up"load\\1 &x of collection größe-向量 (namespace rag of gp-ws-1, target rag-prod) was '
    "cancelled; seen 1970-01-01 00:06:00 +0000 UTC. It has uploaded 3000 entries.",
    dashboard("up%22load%5C1+%26x", "gr%C3%B6%C3%9Fe-%E5%90%91%E9%87%8F"),
)
BLOCKED = Read(
    "Nothing more can be uploaded to a collection.",
    "Collection stalls (namespace rag of gp-1, target rag-prod) is blocked for ten minutes or "
    "longer: a job there is stalled, stuck or overdue, or two are Running at once, and uploads to "
    "a collection run one after the other. Jobs under way there: 2.",
    "adbpg-overview?var-collection=stalls&var-collection_namespace=rag",
)


def failed_before(hours: int) -> Job:
    """Return a job that failed so long before this Prometheus was there."""
    ended = ref(f"f-{hours}", "old", None)
    return Job(ended, (Phase(0, RUNNING, rate=10), Phase(5, FAILED))).earlier(hours * 60)


LIVES: tuple[Life, ...] = (
    Life("jobs that wait for one another and end well fire nothing", QUEUE),
    Life("a job that starts while its exporter is replaced is not stuck", (STARTS_LATE,)),
    Life("a job that moves every 14 minutes is not stalled", (MOVES_SELDOM,)),
    Life("of a job without known progress nobody says that it stands still", (TELLS_NO_PROGRESS,)),
    Life(
        "who waits for a stalled job is stuck with it",
        (STALLS, WAITS_BEHIND),
        (
            Firing("AdbpgJobStalled", "warning", 22, 59, of_job(STALLS.ref, status="Running")),
            Firing(
                "AdbpgJobStuckInState", "warning", 22, 59, of_job(WAITS_BEHIND.ref, status="Start")
            ),
            Firing(
                "AdbpgCollectionBlocked", "warning", *(32, 59), of_collection("stalls"), BLOCKED
            ),
        ),
    ),
    Life(
        "who does not start is stuck a quarter of an hour after the one in front has ended",
        (ENDS, DOES_NOT_FOLLOW),
        (
            Firing(
                "AdbpgJobStuckInState",
                "warning",
                34,
                59,
                of_job(DOES_NOT_FOLLOW.ref, status="Start"),
            ),
            Firing("AdbpgCollectionBlocked", "warning", 44, 59, of_collection("left")),
        ),
    ),
    Life(
        "two jobs that run at once on a collection block it",
        AT_ONCE,
        (Firing("AdbpgCollectionBlocked", "warning", 11, 19, of_collection("two")),),
    ),
    Life(
        "a status that is not a documented one cannot be relied on",
        (IS_UNKNOWN,),
        (Firing("AdbpgJobAnswerInconsistent", "info", 20, 29, of_job(IS_UNKNOWN.ref)),),
    ),
    Life(
        "a job that the API does not know cannot be queried; that says nothing about the API",
        (IS_NOT_FOUND,),
        (Firing("AdbpgJobQueryFailing", "warning", 15, 80, of_job(IS_NOT_FOUND.ref)),),
    ),
    *(
        Life(
            f"a failed job is told at once, for an hour, with times {job.zone_error:+} hours off",
            (job,),
            (Firing("AdbpgJobFailed", "warning", 6, 65, of_job(job.ref, status="Failed")),),
        )
        for job in WRONG_ZONES
    ),
    Life("a job that failed three days ago is no news for a new Prometheus", (failed_before(72),)),
    Life(
        "one that failed within a day is, since no time zone is sure",
        (failed_before(15),),
        (
            Firing(
                "AdbpgJobFailed", "warning", 1, 60, of_job(failed_before(15).ref, status="Failed")
            ),
        ),
    ),
    Life(
        "quotes, backslashes, other scripts and workspaces come through in texts and links",
        (replace(IS_CANCELLED, ref=ODD),),
        (Firing("AdbpgJobCancelled", "info", 6, 65, of_job(ODD, status="Cancelled"), ODD_READ),),
    ),
)
JOBS = tuple(job for life in LIVES for job in life.jobs)
FIRES = tuple(firing for life in LIVES for firing in life.fires)

SCENARIOS = (
    Scenario("all lives, side by side", 80, FIRES, (Exporter("a", JOBS, offset=10),)),
    *(
        Scenario(
            f"all lives, while exporter {old} is replaced by {new}, beside a second one later",
            80,
            unread(FIRES),
            (
                Exporter(old, JOBS, offset=10, end=14),
                Exporter(new, JOBS, start=15),
                Exporter("c", JOBS, start=16, offset=20),
            ),
        )
        for old, new in ("ab", "ba")
    ),
    Scenario(
        "four minutes without the API fire nothing of a healthy job, only the target's alert",
        80,
        (Firing("AdbpgApiErrors", "warning", 20, 30, {"target": "rag-prod"}),),
        (Exporter("a", NO_API),),
    ),
)
