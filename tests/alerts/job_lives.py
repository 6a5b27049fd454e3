"""Lives of jobs that end well, and the odd ones: what fires for them, and mostly what does not."""

from dataclasses import dataclass, replace

from exporter.errors import NotFound
from exporter.model import JobStatus, Shard
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

Jobs = tuple[Job, ...]


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


def queue(collection: str, waiting: JobStatus, number: int = 6, expected: int = 1000) -> Jobs:
    """Return jobs of one collection that wait for one another.

    They are created within seconds. Each uploads for 20 minutes; the next begins two minutes after.
    The deadline of each is half an hour after its turn has come: if the time that they wait
    counted, most would be late.
    """
    return tuple(
        Job(
            ref(f"{collection}-{n}", collection, expected),
            (
                *((Phase(0, waiting),) if n else ()),
                Phase(22 * n, RUNNING, rate=1000),
                Phase(22 * n + 20, SUCCESS),
            ),
            created=n / 60,
        )
        for n in range(number)
    )


QUEUE = queue("queue", START)
RUNNING_QUEUE = queue("running", RUNNING)
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
EARLIER = Job(ref("e-1", "retried"), (Phase(0, RUNNING, rate=1000), Phase(9, SUCCESS)), created=-1)
FAILED_ONCE = Job(ref("e-2", "retried"), (Phase(0, START), Phase(5.5, FAILED)), created=0)
RETRIED = Job(
    ref("e-3", "retried"),
    (Phase(0, START), Phase(12, RUNNING, rate=1000), Phase(30.5, SUCCESS)),
    created=1,
)
TELLS_NO_PROGRESS = Job(
    ref("n-1", "quiet"), (Phase(0, RUNNING), Phase(40, SUCCESS)), tells_progress=False
)
WAITS_BEHIND = Job(ref("w-1", "stalls"), (Phase(0, START), Phase(59.5, SUCCESS)))
ENDS = Job(ref("w-2", "left"), (Phase(0, RUNNING, rate=1000), Phase(19.5, SUCCESS)))
DOES_NOT_FOLLOW = Job(ref("w-3", "left"), (Phase(0, START), Phase(59.5, SUCCESS)))
UNSEEN_IN_FRONT = Job(
    ref("i-1", "unseen-front"),
    (Phase(0, RUNNING, rate=10), Phase(59.5, SUCCESS)),
    outages=(Outage(4.5, 59.5, TIMEOUT),),
)
WAITS_FOR_THE_UNSEEN = Job(ref("i-2", "unseen-front", 1000), (Phase(0, START), Phase(62, SUCCESS)))
GONE_IN_FRONT = Job(
    ref("g-1", "ghost"), (Phase(0, RUNNING),), outages=(Outage(0, 99, NotFound("no such job")),)
)
NEVER_ANSWERS = Job(ref("n-2", "mute"), (Phase(0, RUNNING),), outages=(Outage(0, 99, TIMEOUT),))
STUCK_BEHIND_THE_GONE = Job(ref("g-2", "ghost", None), (Phase(0, START), Phase(59.5, SUCCESS)))
AT_ONCE = tuple(
    Job(ref(f"two-{n}", "two"), (Phase(0, RUNNING, rate=1000), Phase(end, SUCCESS)))
    for n, end in ((1, 19.5), (2, 30))
)
ONE_STOPS = (
    replace(STALLS, ref=ref("o-1", "one-stops")),
    Job(ref("o-2", "one-stops"), (Phase(0, RUNNING, rate=1000), Phase(59.5, SUCCESS))),
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
    "A job was cancelled: its data is not all there.",
    'Job up"load\\1 &x of collection größe-向量 '
    "(upsert_collection_data, namespace rag of gp-ws-1, target rag-prod) was "
    "cancelled; this was noticed on 1 Jan 00:06 UTC. It has uploaded 3k entries. If nobody meant "
    "to cancel it, start it again.",
    dashboard("up%22load%5C1+%26x", "gr%C3%B6%C3%9Fe-%E5%90%91%E9%87%8F"),
)
BLOCKED = Read(
    "Uploads to a collection are held up.",
    "The uploads to collection stalls (namespace rag of gp-1, target rag-prod) are held up for ten "
    "minutes or longer, since they run one after the other. In front is job j-3, which is stalled. "
    "Jobs that wait: 2. Start no further uploads to it, and cancel the job in front or get it "
    "going again.",
    "adbpg-overview?var-collection=stalls&var-collection_namespace=rag",
)


def failed_before(hours: int) -> Job:
    """Return a job that failed so long before this Prometheus was there."""
    ended = ref(f"f-{hours}", "old", None)
    return Job(ended, (Phase(0, RUNNING, rate=10), Phase(5, FAILED))).earlier(hours * 60)


LIVES: tuple[Life, ...] = (
    Life("jobs that wait for one another and end well fire nothing", QUEUE),
    Life("nor do those that are called Running while they wait", RUNNING_QUEUE),
    Life(
        "what cannot be queried may be in front: nobody is stuck behind it",
        (UNSEEN_IN_FRONT, WAITS_FOR_THE_UNSEEN),
        (Firing("AdbpgJobQueryFailing", "warning", 15, 59, of_job(UNSEEN_IN_FRONT.ref)),),
    ),
    Life(
        "what the API does not know holds nobody up",
        (GONE_IN_FRONT, STUCK_BEHIND_THE_GONE),
        (
            Firing("AdbpgJobQueryFailing", "warning", 11, 80, of_job(GONE_IN_FRONT.ref)),
            Firing(
                "AdbpgJobStuckInState",
                *("warning", 16, 59),
                of_job(STUCK_BEHIND_THE_GONE.ref, status="Start"),
            ),
            Firing("AdbpgCollectionBlocked", "warning", 26, 59, of_collection("ghost")),
        ),
    ),
    Life("a job that starts while its exporter is replaced is not stuck", (STARTS_LATE,)),
    Life("a job that moves every 14 minutes is not stalled", (MOVES_SELDOM,)),
    Life("of a job without known progress nobody says that it stands still", (TELLS_NO_PROGRESS,)),
    Life(
        "who waits for a stalled job is counted, and has no alert of its own",
        (STALLS, WAITS_BEHIND),
        (
            Firing("AdbpgJobStalled", "warning", 22, 59, of_job(STALLS.ref, status="Running")),
            Firing("AdbpgCollectionBlocked", "warning", *(32, 59), of_collection("stalls")),
        ),
    ),
    Life(
        "who does not start is stuck a quarter of an hour after the one in front has ended",
        (ENDS, DOES_NOT_FOLLOW),
        (
            Firing(
                "AdbpgJobStuckInState",
                "warning",
                35,
                59,
                of_job(DOES_NOT_FOLLOW.ref, status="Start"),
            ),
            Firing("AdbpgCollectionBlocked", "warning", 45, 59, of_collection("left")),
        ),
    ),
    Life("two jobs that upload at once on a collection are no trouble", AT_ONCE),
    Life(
        "one that stops beside another that moves is stalled",
        ONE_STOPS,
        (
            Firing(
                "AdbpgJobStalled", "warning", 22, 59, of_job(ONE_STOPS[0].ref, status="Running")
            ),
            Firing("AdbpgCollectionBlocked", "warning", 32, 59, of_collection("one-stops")),
        ),
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
    Life(
        "a failed job is made good by a later one of its collection, and not by an earlier one",
        (EARLIER, FAILED_ONCE, RETRIED),
        (Firing("AdbpgJobFailed", "warning", 6, 30, of_job(FAILED_ONCE.ref, status="Failed")),),
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
        (Firing("AdbpgApiErrors", "warning", 20, 29, {"target": "rag-prod", "job": "adbpg"}),),
        (Exporter("a", NO_API),),
    ),
    Scenario(
        "the alert of a collection names the job in front, and counts those that wait",
        60,
        (
            Firing("AdbpgJobStalled", "warning", *(22, 59), of_job(STALLS.ref, status="Running")),
            Firing(
                "AdbpgCollectionBlocked", "warning", *(32, 59), of_collection("stalls"), BLOCKED
            ),
        ),
        (Exporter("a", (STALLS, WAITS_BEHIND, replace(WAITS_BEHIND, ref=ref("w-4", "stalls")))),),
    ),
    Scenario(
        "each job that cannot be queried has its own reason in its alert",
        30,
        tuple(
            Firing(
                "AdbpgJobQueryFailing",
                "warning",
                *(11, 30),
                of_job(job.ref),
                Read(
                    "The API gives no answer about a job.",
                    f"Job {job.ref.job_id} of collection {job.ref.collection} "
                    "(upsert_collection_data, namespace rag of "
                    "gp-1, target rag-prod) cannot be queried, for ten minutes or longer. Its last "
                    f"query failed with {reason}. The API has not answered since the exporter "
                    "started. The job itself may be well. The runbook says what to do for each "
                    "reason.",
                    dashboard(job.ref.job_id, job.ref.collection),
                ),
            )
            for job, reason in ((NEVER_ANSWERS, "timeout"), (GONE_IN_FRONT, "not_found"))
        ),
        (Exporter("a", (NEVER_ANSWERS, GONE_IN_FRONT, *QUEUE), offset=10),),
    ),
    *(
        Scenario(
            f"a queue of two hours is no trouble {how}",
            135,
            (),
            exporters,
        )
        for how, exporters in (
            (
                "in three shards",
                tuple(
                    Exporter(str(n), QUEUE + RUNNING_QUEUE, shard=Shard(n, 3)) for n in (1, 2, 3)
                ),
            ),
            (
                "in two shards of two replicas each, all replaced, with labels from outside",
                tuple(
                    Exporter(
                        f"{n}-{replica}-{start}",
                        QUEUE + RUNNING_QUEUE,
                        shard=Shard(n, 2),
                        start=start,
                        end=end,
                        labels=(
                            ("namespace", "search"),
                            ("cluster", "eu-1"),
                            ("pod", f"p-{start}"),
                        ),
                    )
                    for n in (1, 2)
                    for replica in ("a", "b")
                    for start, end in ((0, 50), (52, 999))
                ),
            ),
            (
                "for two replicas",
                (Exporter("a", QUEUE), Exporter("b", QUEUE + RUNNING_QUEUE, offset=20)),
            ),
            (
                "for an exporter that is replaced again and again, without the jobs that ended",
                tuple(
                    Exporter(
                        f"e-{n}",
                        QUEUE[n:] + RUNNING_QUEUE[n:],
                        start=start,
                        end=start + 20 + 99 * (n > 4),
                    )
                    for n, start in enumerate((0, 21, 43, 65, 87, 109))
                ),
            ),
            (
                "for a new exporter and a new Prometheus, while the jobs that ended are watched",
                (
                    Exporter(
                        "a", tuple(each.earlier(50) for each in QUEUE + RUNNING_QUEUE), start=0
                    ),
                ),
            ),
        )
    ),
)
