"""The alerts of collections and of the store: they need no series of a job."""

from tests.alerts.scenario import Firing, Read, Scenario
from tests.alerts.series import counter, gauge

UNTIL = 40
COLLECTION = {
    "collection": "faq",
    "collection_namespace": "rag",
    "db_instance_id": "gp-1",
    "kind": "upsert_collection_data",
}
LABELS = ",".join(f'{name}="{value}"' for name, value in COLLECTION.items())
FIRES = {**COLLECTION, "job": "adbpg"}
DASHBOARD = "adbpg-collections?var-collection=faq&var-collection_namespace=rag"
LIMIT = gauge("adbpg_collection_max_age_seconds", (0, 600), labels=LABELS)
FAILED = LABELS + ',status="Failed"'


def again(instance: str, series: tuple[str, str]) -> tuple[str, str]:
    """Return a series as another replica reports it."""
    name, values = series
    return name.replace('instance="a"', f'instance="{instance}"'), values


def stale(first: int, last: int, age: str) -> Firing:
    """Return the alert of a collection that is out of date."""
    read = Read(
        "A collection is out of date: no job has succeeded for too long.",
        "No upsert_collection_data job of collection faq (namespace rag of gp-1) has succeeded for "
        f"{age}, which is longer than freshness allows. Look at whoever starts these jobs, and at "
        "how the last ones ended.",
        DASHBOARD,
    )
    return Firing("AdbpgCollectionStale", "warning", first, last, FIRES, read)


SUCCESS = gauge(
    "adbpg_collection_last_success_timestamp_seconds", (0, 0), (30, 1800), labels=LABELS
)
FAILURES = counter("adbpg_collection_jobs_finished_total", (0, 0), (10, 1), (12, 0), labels=FAILED)
LAST = gauge("adbpg_collection_last_job_status", (0, 1), (30, 0), labels=FAILED)
LOST = counter("adbpg_collection_jobs_lost_total", (0, 0), (10, 6), (11, 0), labels=LABELS)
FAILS = Firing(
    "AdbpgCollectionFailing",
    "warning",
    *(12, 29),
    FIRES,
    Read(
        "Jobs of a collection fail again and again.",
        "2 upsert_collection_data jobs of collection faq (namespace rag of gp-1) have failed in "
        "the last 24 hours, the newest among them. The exporter's page and its log have the error "
        "texts. Correct the cause before further jobs are started.",
        DASHBOARD,
    ),
)
IS_LOST = Firing(
    "AdbpgJobLost",
    "warning",
    *(11, 70),
    FIRES,
    Read(
        "A job was given up: nobody knows how it ended.",
        "6 upsert_collection_data jobs of collection faq (namespace rag of gp-1) were given up in "
        "the last hour: the API gave no answer about them for registry.keep_unseen. The log has "
        "their ids. See whether their data is there.",
        DASHBOARD,
    ),
)
DOWN = Read(
    "The store of announced jobs and history does not work.",
    "An exporter of scrape job adbpg cannot use its store, for five minutes or longer. It goes on "
    "with the jobs that it knows. No job can be announced, and ends are counted when the store is "
    "back. The exporter's log says what is wrong.",
    "adbpg-exporter",
)

SCENARIOS = (
    Scenario(
        "a collection is stale when its last success is too old, and until the next",
        UNTIL,
        (stale(11, 29, "11m 0s"),),
        series=(LIMIT, SUCCESS),
    ),
    Scenario(
        "two replicas that report the same make one alert",
        UNTIL,
        (stale(11, 29, "11m 0s"),),
        series=(LIMIT, SUCCESS, again("b", LIMIT), again("b", SUCCESS)),
    ),
    Scenario(
        "a collection without any success is stale when the exporter has run for that long",
        UNTIL,
        (stale(11, 29, "11m 0s"),),
        series=(
            LIMIT,
            gauge("process_start_time_seconds", (0, 0), (30, 1800), labels='x="y"'),
        ),
    ),
    Scenario(
        "a collection fails when two jobs have in a day, and until one succeeds",
        UNTIL,
        (FAILS,),
        series=(FAILURES, LAST, again("b", FAILURES), again("b", LAST)),
    ),
    Scenario(
        "one failure is not a collection that fails",
        UNTIL,
        series=(
            counter(
                "adbpg_collection_jobs_finished_total", (0, 0), (10, 1), (11, 0), labels=FAILED
            ),
            LAST,
        ),
    ),
    Scenario(
        "a job that is given up is reported for an hour",
        80,
        (IS_LOST,),
        series=(LOST,),
    ),
    Scenario(
        "a store that is down is reported after ten minutes, and until it is back",
        UNTIL,
        (Firing("AdbpgRegistryDown", "warning", *(20, 29), {"job": "adbpg"}, DOWN),),
        series=(
            gauge("adbpg_exporter_registry_up", (0, 1), (10, 0), (30, 1), labels='x="y"'),
            again("b", gauge("adbpg_exporter_registry_up", (0, 1), labels='x="y"')),
        ),
    ),
)
