"""The alerts of exporters and targets: when each fires, what it says, and when it ends."""

from tests.alerts.exporters import Exporter
from tests.alerts.scenario import Firing, Read, Scenario
from tests.alerts.series import errors, gauge, requests, shard

UNTIL = 40
TARGET = {"target": "rag-prod"}
JOB = {"job": "adbpg"}
SHARDS = tuple((("shard", number),) for number in ("0", "1"))


UP = gauge("up", (0, 1))

SCENARIOS = (
    Scenario(
        "an exporter that does not answer is down",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(15, 29),
                JOB,
                Read(
                    "No upload job is watched: the exporter does not answer.",
                    "Prometheus gets no metrics from the scrape job adbpg, for five minutes or "
                    "longer. No other alert on its upload jobs can be relied on.",
                    "adbpg-exporter",
                ),
            ),
        ),
        (Exporter("a", down=((10, 30),)),),
    ),
    Scenario(
        "so is one that Prometheus no longer scrapes",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(16, 29),
                {},
                Read(
                    "No upload job is watched: the exporter does not answer.",
                    "Prometheus gets no metrics from any scrape job whose name contains adbpg, for "
                    "five minutes or longer. No other alert on its upload jobs can be relied on.",
                    "adbpg-exporter",
                ),
            ),
        ),
        (Exporter("a", end=10), Exporter("b", start=30)),
    ),
    Scenario(
        "four minutes without an exporter are a restart",
        UNTIL,
        (),
        (Exporter("a", down=((10, 14),)), Exporter("a", end=20), Exporter("b", start=24)),
    ),
    Scenario(
        "of two replicas one is enough",
        UNTIL,
        (),
        (Exporter("a", down=((10, 30),)), Exporter("b")),
    ),
    Scenario(
        "of two shards each must be there",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(15, 29),
                {**JOB, "shard": "1"},
                Read(
                    "No upload job is watched: the exporter does not answer.",
                    "Prometheus gets no metrics from the scrape job adbpg, shard 1, for five "
                    "minutes or longer. No other alert on its upload jobs can be relied on.",
                    "adbpg-exporter",
                ),
            ),
        ),
        (
            Exporter("a", labels=SHARDS[0]),
            Exporter("b", labels=SHARDS[1], down=((10, 30),)),
        ),
    ),
    Scenario(
        "a shard that nobody scrapes is told without a label",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(5, 29),
                JOB,
                Read(
                    "No upload job is watched: the exporter does not answer.",
                    "Prometheus gets metrics from 1 of the shards of the scrape job adbpg only, "
                    "for five minutes or longer. No other alert on its upload jobs can be relied "
                    "on.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            UP,
            *shard(1, of=2),
            *shard(1, of=2, instance="replica"),
            *shard(2, of=2, instance="late", start=30),
        ),
    ),
    Scenario(
        "a shard that is down is told once",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(5, UNTIL),
                {**JOB, "shard": "2"},
                Read(
                    "No upload job is watched: the exporter does not answer.",
                    "Prometheus gets no metrics from the scrape job adbpg, shard 2, for five "
                    "minutes or longer. No other alert on its upload jobs can be relied on.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            gauge("up", (0, 1), labels='shard="1"'),
            gauge("up", (0, 0), labels='shard="2"'),
            *shard(1, of=2),
        ),
    ),
    *(
        Scenario(
            f"refused calls are told after five minutes: {reason}",
            UNTIL,
            (
                Firing(
                    "AdbpgApiAuthFailing",
                    "critical",
                    *(16, 34),
                    {**TARGET, "reason": reason},
                    Read(
                        "The API refuses the exporter: the jobs of a target are not watched.",
                        f"Calls for target rag-prod are refused for five minutes or longer, reason "
                        f"{reason}: 5 in the last five minutes. None of its jobs can be seen.",
                        "adbpg-exporter",
                    ),
                ),
            ),
            series=(UP, errors(reason, (0, 0), (10, 1), (30, 0))),
        )
        for reason in ("auth", "permission", "credentials", "clock_skew")
    ),
    Scenario(
        "more than a fifth of failed calls in ten minutes are many",
        UNTIL,
        (
            Firing(
                "AdbpgApiErrors",
                "warning",
                *(16, 34),
                TARGET,
                Read(
                    "Many calls to the API fail.",
                    "24% of the calls for target rag-prod failed in the last ten minutes. The "
                    "reasons: server (12), timeout (12).",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            UP,
            requests((0, 10)),
            errors("timeout", (0, 0), (10, 2), (30, 0)),
            errors("server", (0, 0), (10, 2), (30, 0)),
            errors("not_found", (0, 5)),
            errors("clock_skew", (12, 5), (13, 0)),
            # Half of them, but not ten in ten minutes.
            requests((0, 0), (10, 12), (10.5, 0), target="small"),
            errors("timeout", (0, 0), (10, 6), (10.5, 0), target="small"),
            # Just a fifth.
            requests((0, 10), target="fair"),
            errors("timeout", (0, 2), target="fair"),
        ),
    ),
    *(
        Scenario(
            f"a target that cannot be asked for now wakes nobody: {reason}",
            UNTIL,
            (
                Firing(
                    "AdbpgApiErrors",
                    "warning",
                    *(16, 34),
                    TARGET,
                    Read(
                        "Many calls to the API fail.",
                        "24% of the calls for target rag-prod failed in the last ten minutes. The "
                        f"reasons: {reason} (24).",
                        "adbpg-exporter",
                    ),
                ),
            ),
            series=(UP, requests((0, 10)), errors(reason, (0, 0), (10, 4), (30, 0))),
        )
        for reason in ("instance_state", "namespace_password", "account", "proxy")
    ),
    Scenario(
        "throttling is told after a quarter of an hour",
        UNTIL,
        (
            Firing(
                "AdbpgApiThrottled",
                "info",
                *(26, 34),
                TARGET,
                Read(
                    "The API throttles the exporter.",
                    "The API throttles calls for target rag-prod for 15 minutes or longer: 5 in "
                    "the last five minutes. What is shown of its jobs is older than usual.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(UP, errors("throttled", (0, 0), (10, 1), (30, 0))),
    ),
    *(
        Scenario(
            f"a configuration that could not be loaded is told after ten minutes: {name}",
            UNTIL,
            (
                Firing(
                    "AdbpgExporterConfigReloadFailed",
                    "warning",
                    *(20, 29),
                    JOB,
                    Read(
                        "The exporter runs with an old configuration.",
                        "The last loading of a configuration file failed (adbpg), ten minutes ago "
                        "or longer. The one before stays in force; the exporter's log has each "
                        "problem with its line.",
                        "adbpg-exporter",
                    ),
                ),
            ),
            series=(UP, gauge(f"adbpg_exporter_{name}", (0, 1), (10, 0), (30, 1))),
        )
        for name in ("config_last_reload_successful", "web_config_last_reload_successful")
    ),
    Scenario(
        "a job file that cannot be read is told after ten minutes",
        UNTIL,
        (
            Firing(
                "AdbpgExporterJobFileBroken",
                "warning",
                *(20, 29),
                {**JOB, "file": "/jobs/nightly.yaml"},
                Read(
                    "New upload jobs are not watched: a job file cannot be read.",
                    "The job file /jobs/nightly.yaml cannot be read for ten minutes or longer. Its "
                    "last good list stays in use, so newer jobs are missing; the exporter's log "
                    "has each problem with its line.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            UP,
            gauge(
                "adbpg_exporter_job_file_error",
                *((0, 0), (10, 1), (30, 0)),
                labels='file="/jobs/nightly.yaml"',
            ),
            gauge("adbpg_exporter_job_file_error", (0, 0), labels='file="/jobs/good.yaml"'),
        ),
    ),
    Scenario(
        "a time zone that must be wrong is told after ten minutes",
        UNTIL,
        (
            Firing(
                "AdbpgExporterTimeZoneSuspect",
                "info",
                *(20, 29),
                TARGET,
                Read(
                    "Ages and deadlines of a target's jobs are wrong.",
                    "A running job of target rag-prod was updated in the future, so its time_zone "
                    "must be another. Ages and deadlines of its jobs are off by hours.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            UP,
            gauge(
                "adbpg_exporter_time_zone_suspect",
                *((0, 0), (10, 1), (30, 0)),
                labels='target="rag-prod"',
            ),
        ),
    ),
    Scenario(
        "jobs that are late in every scrape are told after a quarter of an hour",
        UNTIL,
        (
            Firing(
                "AdbpgExporterScrapeLate",
                "warning",
                *(25, 29),
                JOB,
                Read(
                    "Not every upload job can be asked about in time.",
                    "Each scrape of adbpg leaves jobs unasked for 15 minutes or longer, now 7. "
                    "What is shown of them is older than it should be.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            UP,
            gauge("adbpg_exporter_scrape_jobs", (0, 0), (10, 7), (30, 0), labels='result="late"'),
            gauge("adbpg_exporter_scrape_jobs", (0, 9), labels='result="failed"'),
        ),
    ),
)
