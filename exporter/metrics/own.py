"""The exporter's own metrics: of a scrape, and counted since the start."""

from collections import Counter
from collections.abc import Callable, Iterable

from exporter.errors import REASONS
from exporter.metrics.families import CountedFamily, Sample, ScrapeFamily
from exporter.model import Observation, PatternReport, ScrapeResult, Snapshot


def _by_result(snapshot: Snapshot) -> Iterable[Sample]:
    counts = Counter(observation.result for observation in snapshot.observations)
    return [((result.value,), counts[result]) for result in ScrapeResult]


def _by_state(snapshot: Snapshot) -> Iterable[Sample]:
    counts = Counter((o.ref.source, _phase(o)) for o in snapshot.observations)
    return [
        ((source, phase), counts[source, phase])
        for source in snapshot.sources
        for phase in ("active", "final", "unseen")
    ]


def _phase(observation: Observation) -> str:
    if observation.state is None:
        return "unseen"
    return "final" if observation.state.status.is_final else "active"


def _file_errors(snapshot: Snapshot) -> Iterable[Sample]:
    return [((path,), float(broken)) for path, broken in sorted(snapshot.file_errors.items())]


def _by_pattern(value: Callable[[PatternReport], float]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(snapshot: Snapshot) -> Iterable[Sample]:
        # The same pattern may be configured twice.
        values = {report.pattern: value(report) for report in snapshot.patterns}
        return [((pattern,), each) for pattern, each in values.items()]

    return samples


def _clock_skews(snapshot: Snapshot) -> Iterable[Sample]:
    return [
        ((name,), health.clock_skew)
        for name, health in snapshot.targets.items()
        if health.clock_skew is not None
    ]


def _zone_suspects(snapshot: Snapshot) -> Iterable[Sample]:
    return [((name,), float(h.time_zone_suspect)) for name, h in snapshot.targets.items()]


SCRAPE_FAMILIES: tuple[ScrapeFamily, ...] = (
    ScrapeFamily(
        "adbpg_exporter_scrape_duration_seconds",
        "How long this scrape waited for the API.",
        lambda snapshot: (((), snapshot.duration),),
    ),
    ScrapeFamily(
        "adbpg_exporter_scrape_jobs",
        "Jobs in this scrape, by how they fared.",
        _by_result,
        ("result",),
        "`fresh`: queried and answered. `cached`: queried less than `scrape.min_interval` ago. "
        "`final`: ended, not queried again. `failed`: the last query failed. `late`: due, but not "
        "answered within the scrape's budget, or left alone after throttling or a refused key.",
    ),
    ScrapeFamily(
        "adbpg_exporter_jobs",
        "Watched jobs, by where they are named and by what is known of them.",
        _by_state,
        ("source", "state"),
        "`unseen`: no answer yet, or the last one is older than `scrape.max_age`.",
    ),
    ScrapeFamily(
        "adbpg_exporter_job_file_error",
        "Whether the last reading of a job file, or of the folder of a pattern, found mistakes.",
        _file_errors,
        ("file",),
        "Only of files and patterns that failed since the start, the broken ones first, at most "
        "100. What is wrong is left out, or stays as it last was good.",
    ),
    ScrapeFamily(
        "adbpg_exporter_job_files",
        "Job files that match a pattern of job_files.",
        _by_pattern(lambda report: report.files),
        ("pattern",),
        "Of a folder that cannot be listed, those that matched last, whose lists stay in use.",
    ),
    ScrapeFamily(
        "adbpg_exporter_job_files_broken",
        "Those of them that cannot be read, or hold a mistake.",
        _by_pattern(lambda report: report.broken),
        ("pattern",),
    ),
    ScrapeFamily(
        "adbpg_exporter_job_files_readable",
        "Whether the pattern can be read: which files match it is known.",
        _by_pattern(lambda report: not report.error),
        ("pattern",),
        "0 while a folder is away or cannot be listed, and where the pattern names a folder. The "
        "last list stays in use.",
    ),
    ScrapeFamily(
        "adbpg_exporter_jobs_dropped",
        "Jobs that are named, but not watched: they are over scrape.max_jobs.",
        lambda snapshot: (((), snapshot.dropped),),
        (),
        "Those that have not ended are watched first, then those that ended last.",
    ),
    ScrapeFamily(
        "adbpg_exporter_registry_up",
        "Whether the store of announced jobs and history did what it was last asked for.",
        lambda snapshot: (((), snapshot.store.is_up),),
        (),
        "While it is 0, the last known list of announced jobs stays, nothing can be announced, and "
        "ends are counted later. The log says what is wrong.",
    ),
    ScrapeFamily(
        "adbpg_exporter_registered_jobs",
        "Announced jobs, in all shards.",
        lambda snapshot: (
            (("active",), snapshot.store.active),
            (("ended",), snapshot.store.ended),
        ),
        ("state",),
        "`ended`: those that are still shown, see `registry.keep_ended`.",
    ),
    ScrapeFamily(
        "adbpg_exporter_clock_skew_seconds",
        "How far the API's clock is ahead of this machine's, from the Date of its last answer.",
        _clock_skews,
        ("target",),
        "The API refuses calls from 900 seconds on. A Date has whole seconds, so a second either "
        "way means nothing.",
    ),
    ScrapeFamily(
        "adbpg_exporter_time_zone_suspect",
        "Whether a running job was updated in the future, so that time_zone must be wrong.",
        _zone_suspects,
        ("target",),
    ),
)

API_REQUESTS = CountedFamily(
    "adbpg_exporter_api_requests_total",
    "Queries made, those that failed included.",
    "counter",
    ("target", "action"),
)
API_ERRORS = CountedFamily(
    "adbpg_exporter_api_errors_total",
    "Queries that failed, by reason.",
    "counter",
    ("target", "action", "reason"),
    "All reasons are there from the start, at 0: " + ", ".join(f"`{r}`" for r in REASONS) + ". The "
    "[runbook](runbook.md#reasons) says what each means.",
)
API_DURATION = CountedFamily(
    "adbpg_exporter_api_request_duration_seconds",
    "How long queries took, those that failed included.",
    "histogram",
    ("action",),
)
INVALID_FIELDS = CountedFamily(
    "adbpg_exporter_invalid_fields_total",
    "Fields of answers that could not be read, and so have no sample.",
    "counter",
    ("field",),
)
REGISTRATIONS = CountedFamily(
    "adbpg_exporter_registrations_total",
    "Announced jobs that were taken, and requests to announce, see or forget jobs that were not.",
    "counter",
    ("result",),
    "Only with `registration.tokens`. `created` and `known` count jobs, the others requests: "
    "`invalid`, `unauthorized`, `forbidden`, `conflict`, `limited`, `unavailable`.",
)
REGISTRY_ERRORS = CountedFamily(
    "adbpg_exporter_registry_errors_total",
    "Operations of the store that failed.",
    "counter",
    ("operation",),
    "`open`, `read`, `write` and `clean` go on beside scrapes; `announce`, `forget` and `find` are "
    "requests.",
)
RELOAD_SUCCESSFUL = CountedFamily(
    "adbpg_exporter_config_last_reload_successful",
    "Whether the last loading of the configuration worked.",
    "gauge",
)
RELOAD_TIMESTAMP = CountedFamily(
    "adbpg_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration was last loaded with success.",
    "gauge",
)
WEB_RELOAD_SUCCESSFUL = CountedFamily(
    "adbpg_exporter_web_config_last_reload_successful",
    "Whether the last reading of the web configuration and the files that it names worked.",
    "gauge",
    notes="Only with `--web.config.file`. While it is 0, the last good one stays in force; the log "
    "says what is wrong.",
)
BUILD_INFO = CountedFamily(
    "adbpg_exporter_build_info",
    "Always 1; the labels say what is running.",
    "gauge",
    ("version", "revision", "python"),
)
SHARD = CountedFamily(
    "adbpg_exporter_shard",
    "Which shard of the jobs this exporter watches, from 1.",
    "gauge",
    notes="1 without `--shard`.",
)
SHARDS = CountedFamily(
    "adbpg_exporter_shards",
    "How many shards the jobs are split into.",
    "gauge",
    notes="1 without `--shard`. Where fewer different values of `adbpg_exporter_shard` are there, "
    "nobody watches the jobs of the others.",
)
COUNTED_FAMILIES: tuple[CountedFamily, ...] = (
    API_REQUESTS,
    API_ERRORS,
    API_DURATION,
    INVALID_FIELDS,
    REGISTRATIONS,
    REGISTRY_ERRORS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    WEB_RELOAD_SUCCESSFUL,
    SHARD,
    SHARDS,
    BUILD_INFO,
)
