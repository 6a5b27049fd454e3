"""The alerts of jobs: when each fires, what it says, and what makes no difference to it."""

from dataclasses import replace

from exporter.model import Shard
from tests.alerts.exporters import MINUTE, Exporter, Job, Outage
from tests.alerts.jobs import (
    ALERTS,
    GOES_WELL,
    IS_LATE,
    IS_UNSEEN,
    TIMEOUT,
    TROUBLED,
    at_other_times,
    of_collection,
    unread,
)
from tests.alerts.scenario import Firing, Scenario, of_job

UNTIL = 70
API_ERRORS = ("AdbpgApiErrors", "warning")
QUERY_FAILING = ("AdbpgJobQueryFailing", "warning")
TARGET = {"target": "rag-prod", "job": "adbpg"}


def in_shard_2(firing: Firing) -> bool:
    """Whether an alert is about a job of the second shard of two, or about its collection."""
    (job,) = [each for each in TROUBLED if each.ref.collection == firing.labels["collection"]]
    return Shard(2, 2).holds(job.ref.job_id)


def cut(firing: Firing) -> Firing:
    """Return an alert that ends five minutes after its exporter has left, in minute 30."""
    return replace(firing, last=min(firing.last, 34))


def out_of_reach(start: float, end: float) -> tuple[Job, ...]:
    """Return the troubled jobs with an outage of the whole API."""
    outage = Outage(start, end, TIMEOUT)
    return tuple(replace(job, outages=(*job.outages, outage)) for job in TROUBLED)


def still_runs(job: Job) -> bool:
    """Whether it is asked about after its first ten minutes, and answers."""
    return job.answer(30 * MINUTE).status.is_active if job is not IS_UNSEEN else False


OUTSIDE = {"namespace": "search", "cluster": "eu-1"}


def from_outside(firing: Firing) -> Firing:
    """Return an alert as it is where the targets have labels of namespace, cluster and pod."""
    return replace(firing, labels={**firing.labels, **OUTSIDE}, read=None)


SCENARIOS = (
    Scenario(
        "each alert fires in its time, says what is wrong, and ends with the trouble",
        UNTIL,
        ALERTS,
        (Exporter("a", TROUBLED),),
    ),
    Scenario(
        "a second replica, some seconds behind, doubles nothing",
        UNTIL,
        unread(),
        (Exporter("a", TROUBLED), Exporter("b", TROUBLED, offset=20)),
    ),
    *(
        Scenario(
            f"labels of namespace, cluster and pod {how} change no alert",
            UNTIL,
            tuple(map(from_outside, ALERTS)),
            tuple(
                Exporter(
                    each, TROUBLED, labels=(*OUTSIDE.items(), ("pod", f"pod-{each}")), offset=offset
                )
                for each, offset in (("a", 0), ("b", 20))
            ),
            enforced=enforced,
        )
        for how, enforced in (
            ("on the targets alone", {}),
            ("on the targets, of which the rules get the namespace too", {"namespace": "search"}),
        )
    ),
    Scenario(
        "a label that only what is recorded gets breaks no rule",
        UNTIL,
        tuple(
            replace(each, labels={**each.labels, "tenant": "search"}, read=None) for each in ALERTS
        ),
        (Exporter("a", TROUBLED), Exporter("b", TROUBLED, offset=20)),
        enforced={"tenant": "search"},
    ),
    Scenario(
        "two shards with two replicas each are as one exporter",
        UNTIL,
        unread(),
        tuple(
            Exporter(f"{number}-{replica}", TROUBLED, shard=Shard(number, 2), offset=offset)
            for number in (1, 2)
            for replica, offset in (("a", 0), ("b", 20))
        ),
    ),
    Scenario(
        "a lost shard takes only its own jobs' alerts away, and says so itself",
        UNTIL,
        (
            *(cut(each) if in_shard_2(each) else each for each in unread()),
            Firing(
                "AdbpgExporterShardMissing",
                "critical",
                *(35, UNTIL),
                {"job": "adbpg", "shard": "2"},
            ),
        ),
        (
            Exporter("a", TROUBLED, shard=Shard(1, 2)),
            Exporter("b", TROUBLED, shard=Shard(2, 2), end=30, offset=10),
        ),
    ),
    *(
        Scenario(
            f"{old}, replaced in minute {end} by {new} after {gap}, resets and resolves nothing",
            UNTIL,
            unread(),
            (
                Exporter(old, TROUBLED, end=end),
                Exporter(new, TROUBLED, start=end + gap, offset=10),
            ),
        )
        for old, new, end, gap in (("a", "b", 12, 1), ("b", "a", 20, 2), ("a", "b", 40, 4))
    ),
    Scenario(
        "four minutes without the API: no alert of a job ends, and none is new",
        UNTIL,
        (*unread(), Firing(*API_ERRORS, 41, 52, TARGET)),
        (Exporter("a", out_of_reach(40, 44)),),
    ),
    Scenario(
        "twelve minutes without the API: job alerts pause, and go on with the same times",
        UNTIL,
        (
            *at_other_times(
                {
                    "AdbpgJobStalled": [(22, 39), (43, 59)],
                    "AdbpgJobStuckInState": [(22, 39), (43, 59)],
                    "AdbpgJobPastDeadline": [(27, 39), (43, 59)],
                    "AdbpgJobAnswerInconsistent": [(21, 39), (58, 59)],
                    "AdbpgCollectionBlocked": [(32, 39), (53, 59)],
                    "AdbpgCollectionBlocked of late": [(37, 39), (53, 59)],
                }
            ),
            *(
                Firing(*QUERY_FAILING, 41, 42, of_job(job.ref))
                for job in TROUBLED
                if still_runs(job)
            ),
            Firing(*API_ERRORS, 31, 50, TARGET),
        ),
        (Exporter("a", out_of_reach(30, 42), offset=10),),
    ),
    *(
        Scenario(
            f"twelve minutes without {what}: likewise, and its own alert tells why",
            UNTIL,
            (
                *at_other_times(
                    {
                        "AdbpgJobFailed": [(6, 34), (43, 65)],
                        "AdbpgJobCancelled": [(6, 34), (43, 65)],
                        "AdbpgJobStalled": [(22, 34), (43, 59)],
                        "AdbpgJobStuckInState": [(22, 34), (43, 59)],
                        "AdbpgJobPastDeadline": [(27, 34), (43, 59)],
                        "AdbpgJobQueryFailing": [(16, 34), (53, 59)],
                        "AdbpgJobAnswerInconsistent": [(21, 34), (58, 59)],
                        "AdbpgCollectionBlocked": [(32, 34), (53, 59)],
                        "AdbpgCollectionBlocked of late": [(53, 59)],
                    }
                ),
                down,
            ),
            exporters,
        )
        for what, down, exporters in (
            (
                "the exporter",
                Firing("AdbpgExporterDown", "critical", 36, 42, {"job": "adbpg"}),
                (Exporter("a", TROUBLED, down=((30, 42),), offset=10),),
            ),
            (
                "any, until a new one comes",
                Firing("AdbpgExporterDown", "critical", 35, 42, {"job": "adbpg"}),
                (
                    Exporter("a", TROUBLED, end=30, offset=10),
                    Exporter("b", TROUBLED, start=42, offset=10),
                ),
            ),
        )
    ),
    Scenario(
        "an end that one replica has seen counts, whatever the other still shows",
        UNTIL,
        (
            Firing("AdbpgJobPastDeadline", "warning", 27, 59, of_job(IS_LATE.ref)),
            Firing("AdbpgCollectionBlocked", "warning", 37, 59, of_collection("late")),
        ),
        (
            Exporter("a", (*GOES_WELL, IS_LATE)),
            Exporter("b", (*GOES_WELL, replace(IS_LATE, outages=(Outage(57, 65, TIMEOUT),)))),
        ),
    ),
    Scenario(
        "a new Prometheus takes over from the exporter since when a job stands still",
        UNTIL,
        at_other_times(
            {
                "AdbpgJobFailed": [(1, 60)],
                "AdbpgJobCancelled": [(1, 60)],
                "AdbpgJobStalled": [(1, 39)],
                "AdbpgJobStuckInState": [(1, 39)],
                "AdbpgJobPastDeadline": [(7, 39)],
                "AdbpgJobQueryFailing": [(11, 39)],
                "AdbpgJobAnswerInconsistent": [(16, 39)],
                "AdbpgCollectionBlocked": [(11, 39)],
                "AdbpgCollectionBlocked of late": [(17, 39)],
            }
        ),
        (Exporter("a", tuple(job.earlier(20) for job in TROUBLED), start=-20, offset=10),),
    ),
)
