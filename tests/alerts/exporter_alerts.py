"""The alerts of exporters and targets: when each fires, what it says, and when it ends."""

from dataclasses import replace

from exporter.model import Shard
from tests.alerts.exporters import Exporter
from tests.alerts.scenario import Firing, Read, Scenario
from tests.alerts.series import errors, gauge, requests

UNTIL = 40
JOB = {"job": "adbpg"}
TARGET = {**JOB, "target": "rag-prod"}
HEALTHY = (Exporter("a"),)
DOWN = Read(
    "No job of an exporter is watched: the exporter does not answer.",
    "Prometheus gets no metrics from any exporter of the scrape job adbpg, for five minutes or "
    "longer. Alerts on its jobs cannot be relied on. Look at the error on Prometheus' page "
    "of targets, and start the exporter again.",
    "adbpg-exporter",
)


def shards(of: int, *numbers: int) -> tuple[Exporter, ...]:
    """Return exporters that share the jobs; without numbers all of them."""
    held = numbers or range(1, of + 1)
    return tuple(Exporter(f"shard-{number}", shard=Shard(number, of)) for number in held)


def missing(first: int, last: int, text: str, **labels: str) -> Firing:
    """Return the alert of a shard."""
    read = Read(
        "The jobs of a shard are not watched: no exporter of it answers.",
        f"{text} Nobody watches the jobs of the missing one; the alerts of all others can be "
        "relied on. Start it again, or see that Prometheus scrapes it.",
        "adbpg-exporter",
    )
    labels = {**JOB, **labels}
    return Firing("AdbpgExporterShardMissing", "critical", first, last, labels, read)


def in_cluster(name: str) -> tuple[tuple[str, str], ...]:
    """Return the labels that the targets of a cluster have."""
    return (("namespace", "search"), ("cluster", name), ("pod", "exporter-0"))


def later(exporters: tuple[Exporter, ...], start: int) -> tuple[Exporter, ...]:
    """Return exporters that start in a minute, at other addresses."""
    return tuple(replace(each, instance=f"{each.instance}-new", start=start) for each in exporters)


SCENARIOS = (
    Scenario(
        "an exporter that does not answer is down",
        UNTIL,
        (Firing("AdbpgExporterDown", "critical", *(15, 29), JOB, DOWN),),
        (Exporter("a", down=((10, 30),)),),
    ),
    Scenario(
        "of two exporters of one name in two clusters each is told by itself",
        UNTIL,
        (
            Firing(
                "AdbpgExporterDown",
                "critical",
                *(15, 29),
                {**JOB, "namespace": "search", "cluster": "eu-1"},
                replace(
                    DOWN,
                    description=DOWN.description.replace(
                        "scrape job adbpg,", "scrape job adbpg, namespace search, cluster eu-1,"
                    ),
                ),
            ),
        ),
        (
            Exporter("a", labels=in_cluster("eu-1"), down=((10, 30),)),
            Exporter("b", labels=in_cluster("us-1")),
        ),
    ),
    Scenario(
        "so is one that Prometheus no longer scrapes",
        UNTIL,
        (Firing("AdbpgExporterDown", "critical", *(16, 29), JOB, DOWN),),
        (Exporter("a", end=10), Exporter("b", start=30)),
    ),
    Scenario(
        "the name of its scrape job does not matter, nor that of another program",
        UNTIL,
        (Firing("AdbpgExporterDown", "critical", *(15, UNTIL), {"job": "uploads"}),),
        (Exporter("a", job="uploads", down=((10, 99),)), Exporter("b", job="elsewhere")),
        (gauge("up", (0, 0), job="adbpg-postgres"), gauge("up", (0, 1), job="uploads-too")),
    ),
    Scenario(
        "it stays down for as long as its target is scraped, and for a day without one",
        60 * 26,
        (
            Firing("AdbpgExporterDown", "critical", *(15, 60 * 26), {"job": "scraped"}),
            Firing("AdbpgExporterDown", "critical", *(15, 60 * 24 + 9), {"job": "gone"}),
        ),
        (
            Exporter("a", job="scraped", down=((10, 9999),)),
            Exporter("b", job="gone", end=10, offset=10),
        ),
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
        "a new exporter under another name of its scrape job does not stand in for the old one",
        UNTIL,
        (Firing("AdbpgExporterDown", "critical", *(16, UNTIL), JOB),),
        (Exporter("a", end=10), Exporter("a", start=11, job="uploads")),
    ),
    Scenario("of two shards both are there", UNTIL, (), shards(2)),
    *(
        Scenario(
            f"a shard that {what} is named, and the exporter is not down",
            UNTIL,
            (
                missing(
                    *(first, last),
                    "Shard 2 of the exporter does not answer (scrape job adbpg), for five minutes "
                    "or longer. Those that answer: 1, 3 of 3.",
                    shard="2",
                ),
            ),
            (*shards(3, 1, 3), *lost),
        )
        for what, first, last, lost in (
            ("does not answer", 15, 29, (Exporter("b", shard=Shard(2, 3), down=((10, 30),)),)),
            (
                "nobody scrapes any more",
                *(16, 29),
                (Exporter("b", shard=Shard(2, 3), end=10), replace(shards(3, 2)[0], start=30)),
            ),
        )
    ),
    Scenario(
        "a shard that was never there has no name",
        UNTIL,
        (
            missing(
                *(5, UNTIL),
                "A shard of the exporter does not answer (scrape job adbpg), for five minutes or "
                "longer. Those that answer: 1 of 2.",
            ),
        ),
        (*shards(2, 1), Exporter("replica", shard=Shard(1, 2))),
    ),
    Scenario(
        "of a shard one replica is enough",
        UNTIL,
        (),
        (*shards(2), Exporter("replica", shard=Shard(2, 2), down=((10, 30),))),
    ),
    Scenario(
        "fewer shards than before are not missing",
        UNTIL,
        (),
        (*(replace(each, end=10) for each in shards(3)), *later(shards(2), 11)),
    ),
    Scenario(
        "without any shard the exporter is down, and no shard is missing",
        UNTIL,
        (Firing("AdbpgExporterDown", "critical", *(15, UNTIL), JOB),),
        tuple(replace(each, down=((10, 99),)) for each in shards(2)),
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
                        f"{reason}: 5 in the last five minutes. None of its jobs is watched. The "
                        "runbook says what to do for this reason.",
                        "adbpg-exporter",
                    ),
                ),
            ),
            exporters=HEALTHY,
            series=(errors(reason, (0, 0), (10, 1), (30, 0)),),
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
                    "reasons: server (12), timeout (12). What is shown of its jobs is older than "
                    "usual. The runbook says what to do for each reason.",
                    "adbpg-exporter",
                ),
            ),
        ),
        exporters=HEALTHY,
        series=(
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
                        f"reasons: {reason} (24). What is shown of its jobs is older than usual. "
                        "The runbook says what to do for each reason.",
                        "adbpg-exporter",
                    ),
                ),
            ),
            exporters=HEALTHY,
            series=(requests((0, 10)), errors(reason, (0, 0), (10, 4), (30, 0))),
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
                    "the last five minutes. What is shown of its jobs is older than usual. Scrape "
                    "less often, or ask the vendor for a higher quota.",
                    "adbpg-exporter",
                ),
            ),
        ),
        exporters=HEALTHY,
        series=(errors("throttled", (0, 0), (10, 1), (30, 0)),),
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
                        "or longer. The one before stays in force. The exporter's log has each "
                        "problem with its line: correct the file, and reload.",
                        "adbpg-exporter",
                    ),
                ),
            ),
            exporters=HEALTHY,
            series=(gauge(f"adbpg_exporter_{name}", (0, 1), (10, 0), (30, 1)),),
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
                    "New jobs are not watched: a job file cannot be read.",
                    "The job file /jobs/nightly.yaml cannot be read, or holds mistakes, for ten "
                    "minutes or longer (adbpg). What was good of it last stays in use, so newer "
                    "jobs are missing. The exporter's log has each problem with its line.",
                    "adbpg-exporter",
                ),
            ),
        ),
        exporters=HEALTHY,
        series=(
            gauge(
                "adbpg_exporter_job_file_error",
                *((0, 0), (10, 1), (30, 0)),
                labels='file="/jobs/nightly.yaml"',
            ),
            gauge("adbpg_exporter_job_file_error", (0, 0), labels='file="/jobs/good.yaml"'),
            gauge("adbpg_exporter_job_files_readable", (0, 1), labels='pattern="/jobs/*.yaml"'),
        ),
    ),
    Scenario(
        "a folder of job files that cannot be read is told after ten minutes, and once",
        UNTIL,
        (
            Firing(
                "AdbpgExporterJobFilesUnreadable",
                "warning",
                *(20, 29),
                {**JOB, "pattern": "/jobs/*.yaml"},
                Read(
                    "New jobs are not watched: the folder of job files cannot be read.",
                    "For ten minutes or longer the exporter cannot find out which job files match "
                    "/jobs/*.yaml (adbpg): the folder is missing, is not readable, or is no "
                    "folder. The last lists stay in use, so newer jobs are missing. The exporter's "
                    "log says why.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(
            gauge(
                "adbpg_exporter_job_files_readable",
                *((0, 1), (10, 0), (30, 1)),
                labels='pattern="/jobs/*.yaml"',
            ),
            gauge(
                "adbpg_exporter_job_file_error",
                *((0, 0), (10, 1), (30, 0)),
                labels='file="/jobs/*.yaml"',
            ),
            gauge("adbpg_exporter_job_files_readable", (0, 1), labels='pattern="/good/*.yaml"'),
        ),
    ),
    Scenario(
        "jobs that are over the limit are told after ten minutes",
        UNTIL,
        (
            Firing(
                "AdbpgJobsDropped",
                "warning",
                *(20, 29),
                JOB,
                Read(
                    "The exporter watches only some of the jobs.",
                    "adbpg leaves out 12 jobs for ten minutes or longer, since they are more than "
                    "scrape.max_jobs. Those that have not ended are watched first. Take ended "
                    "jobs out, or raise the limit.",
                    "adbpg-exporter",
                ),
            ),
        ),
        series=(gauge("adbpg_exporter_jobs_dropped", (0, 0), (10, 12), (30, 0)),),
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
                    "must be another. Ages and deadlines of its jobs are off by hours. Set the "
                    "target's time_zone, and reload.",
                    "adbpg-exporter",
                ),
            ),
        ),
        exporters=HEALTHY,
        series=(
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
                    "Scrapes end before all jobs are queried.",
                    "Each scrape of adbpg leaves out jobs for 15 minutes or longer, now 7. "
                    "What is shown of them is older than it should be. Give the scrape more time, "
                    "or scrape less often.",
                    "adbpg-exporter",
                ),
            ),
        ),
        exporters=HEALTHY,
        series=(
            gauge("adbpg_exporter_scrape_jobs", (0, 0), (10, 7), (30, 0), labels='result="late"'),
            gauge("adbpg_exporter_scrape_jobs", (0, 9), labels='result="failed"'),
        ),
    ),
)
