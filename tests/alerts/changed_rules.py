"""What users change in their copy of the rules: thresholds, and the labels of jobs' alerts."""

from collections.abc import Iterable
from dataclasses import replace

from tests.alerts.exporters import Exporter
from tests.alerts.jobs import ALERTS, TROUBLED, at_other_times, unread
from tests.alerts.scenario import Firing, Scenario
from tests.alerts.series import errors, requests

UNTIL = 50
TEAM = (("team", "search"),)


def threshold(name: str, old: str, new: str) -> tuple[tuple[str, str], ...]:
    """Return the change of one constant."""
    rule = "- record: adbpg:threshold_{}\n        expr: vector({})"
    return ((rule.format(name, old), rule.format(name, new)),)


def cut(fires: Iterable[Firing]) -> tuple[Firing, ...]:
    """Return those that fire until the end of the scenario."""
    return tuple(
        replace(each, last=min(each.last, UNTIL), read=None)
        for each in fires
        if each.first <= UNTIL
    )


def with_team(firing: Firing) -> Firing:
    """Return an alert as it is when jobs have a team; a collection has none."""
    is_of_job = "job_id" in firing.labels
    return replace(firing, labels={**firing.labels, **dict(TEAM)}) if is_of_job else firing


API_CALLS = (requests((0, 10)), errors("timeout", (0, 3)))  # 30 %, 100 calls in ten minutes
API_ERRORS = Firing("AdbpgApiErrors", "warning", 1, UNTIL, {"target": "rag-prod", "job": "adbpg"})

SCENARIOS = (
    *(
        Scenario(
            f"the threshold {name}, from {old} to {new}, changes what it is for and nothing else",
            UNTIL,
            cut(at_other_times(windows)),
            (Exporter("a", TROUBLED),),
            changes=threshold(name, old, new),
        )
        for name, old, new, windows in (
            (
                "stalled:seconds",
                *("900", "1500"),
                {
                    "AdbpgJobStalled": [(32, 59)],
                    "AdbpgCollectionBlocked of stalls": [(42, 59)],
                },
            ),
            (
                "stuck:seconds",
                *("900", "1500"),
                {
                    "AdbpgJobStuckInState": [(32, 59)],
                    "AdbpgCollectionBlocked of cancelling": [(42, 59)],
                },
            ),
            (
                "overdue:seconds",
                *("300", "600"),
                {
                    "AdbpgJobPastDeadline": [(32, 59)],
                    "AdbpgCollectionBlocked of late": [(42, 59)],
                },
            ),
            (
                "ended:seconds",
                *("3600", "1800"),
                {"AdbpgJobFailed": [(6, 35)], "AdbpgJobCancelled": [(6, 35)]},
            ),
        )
    ),
    Scenario(
        "thirty percent of a hundred calls that fail are too many",
        UNTIL,
        (API_ERRORS,),
        (Exporter("a"),),
        API_CALLS,
    ),
    Scenario(
        "what an exporter counted before it is scraped here is no news",
        UNTIL,
        (replace(API_ERRORS, first=20),),
        (Exporter("a", uptime=99),),
        tuple(
            (name, f"_x59 {' '.join(str(9000 + float(n)) for n in values.split())}")
            for name, values in API_CALLS
        ),
    ),
    *(
        Scenario(
            f"they are not with the threshold {name} from {old} to {new}",
            UNTIL,
            (),
            (Exporter("a"),),
            API_CALLS,
            changes=threshold(name, old, new),
        )
        for name, old, new in (
            ("api_errors:ratio", "0.2", "0.4"),
            ("api_errors:requests", "10", "200"),
        )
    ),
    Scenario(
        "a job label that is added to adbpg:job_info is on all alerts of jobs",
        UNTIL,
        cut(map(with_team, unread(ALERTS))),
        (
            Exporter(
                "a", tuple(replace(job, ref=replace(job.ref, labels=TEAM)) for job in TROUBLED)
            ),
        ),
        changes=(
            (
                "cluster, target) (\n              last_over_time(adbpg_job_info",
                "cluster, target, team) (\n              last_over_time(adbpg_job_info",
            ),
        ),
    ),
)
