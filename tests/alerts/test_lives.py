"""Lives of jobs that end well, and the odd ones: what fires for them, and mostly what does not."""

from dataclasses import replace

import pytest

from exporter.errors import NotFound
from tests.alerts.exporters import Exporter, Job, Outage, Phase
from tests.alerts.jobs import (
    FAILED,
    FAILS,
    RUNNING,
    START,
    STALLS,
    SUCCESS,
    TIMEOUT,
    UNKNOWN,
    dashboard,
    of_collection,
    ref,
)
from tests.alerts.scenario import Firing, Read, Scenario, of_job, outcomes

pytestmark = pytest.mark.prometheus

# One collection: each waits for the one before, and two minutes more until it starts.
QUEUE = (
    Job(ref("q-1", "queue"), (Phase(0, RUNNING, rate=1000), Phase(20, SUCCESS))),
    Job(ref("q-2", "queue"), (Phase(0, START), Phase(22, RUNNING, rate=1000), Phase(42, SUCCESS))),
    Job(ref("q-3", "queue"), (Phase(0, START), Phase(44, RUNNING, rate=1000), Phase(64, SUCCESS))),
)
NO_API = tuple(replace(job, outages=(Outage(18, 22, TIMEOUT),)) for job in QUEUE)
STARTS_LATE = Job(
    ref("s-1", "restart"), (Phase(0, START), Phase(14.25, RUNNING, rate=1000), Phase(30, SUCCESS))
)
MOVES_SELDOM = Job(
    ref("m-1", "seldom"),
    tuple(Phase(start, RUNNING, rate) for n in range(4) for start, rate in ((14 * n, 0), (14 * n + 13, 9)))
    + (Phase(60, SUCCESS),),
)
TELLS_NO_PROGRESS = Job(
    ref("n-1", "quiet"), (Phase(0, RUNNING), Phase(40, SUCCESS)), tells_progress=False
)
WAITS_BEHIND = Job(ref("w-1", "stalls"), (Phase(0, START), Phase(59.5, SUCCESS)))
DOES_NOT_FOLLOW = Job(ref("w-2", "queue"), (Phase(0, START), Phase(59.5, SUCCESS)))
AT_ONCE = tuple(
    Job(ref(f"two-{n}", "two"), (Phase(0, RUNNING, rate=1000), Phase(end, SUCCESS)))
    for n, end in ((1, 20), (2, 30))
)
IS_UNKNOWN = Job(ref("u-1", "unknown"), (Phase(0, RUNNING), Phase(5, UNKNOWN), Phase(30, SUCCESS)))
IS_NOT_FOUND = Job(
    ref("x-1", "gone"), (Phase(0, RUNNING),), outages=(Outage(5, 99, NotFound("no such job")),)
)
NO_DEADLINE = ref("z-1", "zone", None)
ODD = ref('up"load\\1 &x', "größe-向量", None)
ODD_IN_URLS = dashboard("up%22load%5C1+%26x", "gr%C3%B6%C3%9Fe-%E5%90%91%E9%87%8F")


def failed_before(hours: float) -> Job:
    """Return a job that failed so long before this Prometheus was there."""
    return Job(ref("f-1", "old"), (Phase(0, RUNNING, rate=10), Phase(5, FAILED))).earlier(hours * 60)


SCENARIOS = (
    Scenario(
        "jobs that wait for one another and end well fire nothing", 80, (), (Exporter("a", QUEUE),)
    ),
    Scenario(
        "nor do they over restarts of the exporter",
        80,
        (),
        (Exporter("b", QUEUE, end=19), Exporter("a", QUEUE, start=22), Exporter("c", QUEUE, offset=20)),
    ),
    Scenario(
        "nor where the API is away for four minutes; that is the target's alert",
        80,
        (Firing("AdbpgApiErrors", "warning", 20, 30, {"target": "rag-prod"}),),
        (Exporter("a", NO_API),),
    ),
    *(
        Scenario(
            f"a job that starts while exporter {old} is replaced by {new} is not stuck",
            40,
            (),
            (Exporter(old, (STARTS_LATE,), end=14), Exporter(new, (STARTS_LATE,), start=15)),
        )
        for old, new in ("ab", "ba")
    ),
    Scenario(
        "a job that moves every 14 minutes is not stalled", 70, (), (Exporter("a", (MOVES_SELDOM,)),)
    ),
    Scenario(
        "of a job whose progress is not known nobody says that it stands still",
        50,
        (),
        (Exporter("a", (TELLS_NO_PROGRESS,)),),
    ),
    Scenario(
        "who waits for a stalled job is stuck with it",
        70,
        (
            Firing("AdbpgJobStalled", "warning", 22, 59, of_job(STALLS.ref, status="Running")),
            Firing("AdbpgJobStuckInState", "warning", 22, 59, of_job(WAITS_BEHIND.ref, status="Start")),
            Firing(
                "AdbpgCollectionBlocked",
                "warning",
                *(32, 59),
                of_collection("stalls"),
                Read(
                    "Nothing more can be uploaded to a collection.",
                    "Collection stalls (namespace rag of gp-1, target rag-prod) is blocked for ten "
                    "minutes or longer: a job there is stalled, stuck or overdue, or two are "
                    "Running at once, and uploads to a collection run one after the other. Jobs "
                    "under way there: 2.",
                    "adbpg-overview?var-collection=stalls&var-collection_namespace=rag",
                ),
            ),
        ),
        (Exporter("a", (STALLS, WAITS_BEHIND)),),
    ),
    Scenario(
        "who does not start is stuck a quarter of an hour after the one in front has ended",
        70,
        (
            Firing("AdbpgJobStuckInState", "warning", 34, 59, of_job(DOES_NOT_FOLLOW.ref, status="Start")),
            Firing("AdbpgCollectionBlocked", "warning", 44, 59, of_collection("queue")),
        ),
        (Exporter("a", (QUEUE[0], DOES_NOT_FOLLOW)),),
    ),
    Scenario(
        "two jobs that run at once on a collection block it",
        40,
        (Firing("AdbpgCollectionBlocked", "warning", 10, 19, of_collection("two")),),
        (Exporter("a", AT_ONCE),),
    ),
    Scenario(
        "a status that is not a documented one cannot be relied on",
        40,
        (Firing("AdbpgJobAnswerInconsistent", "info", 20, 29, of_job(IS_UNKNOWN.ref)),),
        (Exporter("a", (IS_UNKNOWN,)),),
    ),
    Scenario(
        "a job that the API does not know cannot be queried; that says nothing about the API",
        40,
        (Firing("AdbpgJobQueryFailing", "warning", 15, 40, of_job(IS_NOT_FOUND.ref)),),
        (Exporter("a", (IS_NOT_FOUND,)),),
    ),
    *(
        Scenario(
            f"a job that fails is told at once and for an hour, with times {hours:+} hours off",
            80,
            (Firing("AdbpgJobFailed", "warning", 6, 65, of_job(NO_DEADLINE, status="Failed")),),
            (Exporter("a", (replace(FAILS, ref=NO_DEADLINE, zone_error=hours),)),),
        )
        for hours in (-8, 8)
    ),
    Scenario(
        "a job that failed three days ago is no news for a new Prometheus",
        80,
        (),
        (Exporter("a", (failed_before(72),)),),
    ),
    Scenario(
        "one that failed within a day is, since no time zone is sure",
        80,
        (
            Firing(
                "AdbpgJobFailed", "warning", 1, 60, of_job(failed_before(15).ref, status="Failed")
            ),
        ),
        (Exporter("a", (failed_before(15),), offset=10),),
    ),
    Scenario(
        "quotes, backslashes and other scripts come through in descriptions and links",
        30,
        (
            Firing(
                "AdbpgJobFailed",
                "warning",
                *(6, 30),
                of_job(ODD, status="Failed"),
                Read(
                    "An upload job failed: its documents are not all there.",
                    'Job up"load\\1 &x of collection größe-向量 (namespace rag of gp-1, target '
                    "rag-prod) failed; seen 1970-01-01 00:06:00 +0000 UTC. It has uploaded 3500 "
                    "entries. The exporter's log has the API's error text.",
                    ODD_IN_URLS,
                ),
            ),
        ),
        (Exporter("a", (replace(FAILS, ref=ODD),)),),
    ),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of each scenario."""
    return outcomes(SCENARIOS, tmp_path_factory.mktemp("lives"))


@pytest.mark.parametrize("claim", [scenario.claim for scenario in SCENARIOS])
def test_scenario(claim: str, results: dict[str, str]) -> None:
    """What the scenario claims, held at every evaluation."""
    assert not results[claim], results[claim]
