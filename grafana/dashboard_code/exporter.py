"""The exporter itself: does it reach the API, in time, and with what it was told to do."""

from grafana.dashboard_code import columns, layout, panels, queries, theme, variables
from grafana.dashboard_code.columns import Column
from grafana.dashboard_code.panels import Scale, instant, ranged, tile, wrong_from

DEFAULT_BUDGET = 9.0  # seconds; `scrape.timeout` where the scraper names none
CLOCK_LIMIT = 900.0  # seconds from which on the API refuses calls
NOT_SCRAPED = "not scraped"


def own(name: str, *matchers: str) -> str:
    """Return a selector of the chosen exporters."""
    return queries.series(name, 'instance=~"$instance"', *matchers)


def per_second(name: str) -> str:
    """Return how much a counter of the chosen exporters grows each second."""
    return f"rate({own(name)}[$__rate_interval])"


REQUESTS = per_second("adbpg_exporter_api_requests_total")
ERRORS = per_second("adbpg_exporter_api_errors_total")


def render() -> str:
    """Return the dashboard's file."""
    about = "The exporter itself: its calls to the API, its scrapes, its files, its process."
    choice = [variables.datasource(), variables.job(), variables.instance()]
    shelves = [
        layout.Shelf(3, [(4, each) for each in (*_health(), *_loaded())]),
        layout.Shelf(9, [(8, _requests()), (8, _errors()), (8, _latency())], "Calls to the API"),
        layout.Shelf(9, [(8, _duration()), (8, _results()), (8, _watched())], "Scrapes"),
        layout.Shelf(9, [(8, _skew()), (8, _checks()), (8, _files())], "Clocks, files and answers"),
        layout.Shelf(8, [(8, _cpu()), (8, _memory()), (8, _descriptors())], "Process"),
        layout.Shelf(5, [(24, _versions())]),
    ]
    return layout.render("adbpg-exporter", about, choice, shelves)


def _health() -> list[panels.Panel]:
    late = own("adbpg_exporter_scrape_jobs", 'result="late"')
    return [
        tile(
            "Exporters up",
            "Those that Prometheus reaches. None: everything else here is old; look at the pod or "
            "the service, and at its log.",
            instant(f"sum({own('up')})"),
            Scale("short", theme.ACT, ((1, theme.FINE),)),
            nothing=NOT_SCRAPED,
        ),
        tile(
            "Queries that fail",
            "The share of calls to the API that fail. The graph of errors below has the reasons.",
            instant(f"sum({ERRORS}) / (sum({REQUESTS}) > 0)"),
            Scale("percentunit", theme.FINE, ((0.2, theme.WARN), (0.5, theme.ACT)), decimals=1),
            nothing="no calls",
        ),
        tile(
            "Jobs left late",
            "Jobs that the last scrape did not get to in time. For long: a longer scrape timeout, "
            "more `scrape.concurrency`, or fewer jobs for each exporter.",
            instant(f"max({late})"),
            wrong_from(1, theme.WARN),
            nothing=NOT_SCRAPED,
        ),
    ]


def _loaded() -> list[panels.Panel]:
    texts = panels.mapping({"0": ("no", theme.ACT), "1": ("yes", theme.FINE)})
    good = Scale("none", texts=[texts])
    broken = own("adbpg_exporter_job_files_broken")
    return [
        tile(
            "Configuration loaded",
            "No: the last reload failed and the one before is in force. The log has every problem "
            "with its line; `adbpg-job-exporter check-config` prints the same.",
            instant(f"min({own('adbpg_exporter_config_last_reload_successful')})"),
            good,
            nothing=NOT_SCRAPED,
        ),
        tile(
            "Web configuration loaded",
            "No: the last good one is in force. The log says what is wrong with the new one.",
            instant(f"min({own('adbpg_exporter_web_config_last_reload_successful')})"),
            good,
            nothing="not used",
        ),
        tile(
            "Job files broken",
            "Files that cannot be read or hold mistakes. `adbpg-job-exporter check-config` prints "
            "what is wrong in them.",
            instant(f"sum(max by (pattern) ({broken}))"),
            wrong_from(1),
            nothing="no job files",
        ),
    ]


def _requests() -> panels.Panel:
    panel = panels.graph(
        "Calls, by target",
        "What is asked of the API. The limit is `api.calls_per_second` for each host. None where "
        "some are expected: nothing scrapes the exporter, or all its jobs have ended.",
        ranged(f"sum by (target) ({REQUESTS}) * 60", "{{target}}"),
        unit="short",
        nothing="no calls",
        axis="calls per minute",
    )
    return panels.told_apart(panel)


def _errors() -> panels.Panel:
    panel = panels.graph(
        "Failed calls, by reason",
        "auth, permission, credentials: the access key. namespace_password: the target's. "
        "instance_state: it restarts, wait. throttled: ask less often. not_found: take the job "
        "out. clock_skew: set this machine's clock. The runbook has them all.",
        ranged(f"sum by (reason) ({ERRORS}) * 60 > 0", "{{reason}}"),
        unit="short",
        nothing="no call failed",
        axis="calls per minute",
    )
    return panels.told_apart(panel)


def _latency() -> panels.Panel:
    buckets = per_second("adbpg_exporter_api_request_duration_seconds_bucket")
    total = per_second("adbpg_exporter_api_request_duration_seconds_sum")
    calls = per_second("adbpg_exporter_api_request_duration_seconds_count")
    shares = ((0.5, "half"), (0.9, "9 of 10"), (0.99, "99 of 100"))
    panel = panels.graph(
        "How long calls take",
        "So many calls were quicker than this. Near `api.request_timeout`: the network or the API "
        "is slow; jobs will be late.",
        *(
            ranged(f"histogram_quantile({share}, sum by (le) ({buckets}))", name)
            for share, name in shares
        ),
        ranged(f"sum({total}) / (sum({calls}) > 0)", "mean"),
        unit="s",
        nothing="no calls",
    )
    for name, colour in (("half", theme.BUSY), ("9 of 10", theme.QUIET), ("99 of 100", "purple")):
        panels.drawn(panel, name, colour, dashed=False)
    return panels.drawn(panel, "mean", theme.ENDED, dashed=True)


def _duration() -> panels.Panel:
    panel = panels.graph(
        "How long scrapes wait for the API",
        "The dashed line is the budget of a scrape that names no timeout. At the budget, jobs are "
        "left late.",
        ranged(own("adbpg_exporter_scrape_duration_seconds"), "{{instance}}"),
        unit="s",
        nothing=NOT_SCRAPED,
    )
    return panels.compared(panel, DEFAULT_BUDGET, 10, theme.WARN)


def _results() -> panels.Panel:
    panel = panels.graph(
        "Jobs in a scrape, by how they fared",
        "fresh, cached and final are well. failed: see the reasons above. late: the scrape's time "
        "was too short for all jobs.",
        ranged(f"max by (result) ({own('adbpg_exporter_scrape_jobs')}) > 0", "{{result}}"),
        unit="short",
        nothing=NOT_SCRAPED,
        axis="jobs",
    )
    colours = {
        "fresh": theme.FINE,
        "cached": theme.QUIET,
        "final": theme.ENDED,
        "late": theme.WARN,
        "failed": theme.ACT,
    }
    return panels.stacked(panel, colours)


def _watched() -> panels.Panel:
    jobs = f"max by (source, state) ({own('adbpg_exporter_jobs')})"
    dropped = f"max({own('adbpg_exporter_jobs_dropped')})"
    announced = f"max by (state) ({own('adbpg_exporter_registered_jobs')})"
    panel = panels.graph(
        "Watched jobs",
        "By where they are named and what is known of them. Final ones cost nothing, but take "
        "them out when nobody needs to see them. unseen for long: their queries fail. not "
        "watched: there are more jobs than `scrape.max_jobs`.",
        ranged(f"{jobs} > 0", "{{state}}, from {{source}}"),
        ranged(f"{dropped} > 0", "not watched"),
        ranged(f"{announced} > 0", "announced, {{state}}"),
        unit="short",
        nothing=NOT_SCRAPED,
        axis="jobs",
    )
    colours = {
        "active, from config": theme.BUSY,
        "active, from file": theme.QUIET,
        "final, from config": theme.ENDED,
        "final, from file": theme.LONG_ENDED,
        "unseen, from config": theme.WARN,
        "unseen, from file": theme.WARN,
        "not watched": theme.ACT,
    }
    return panels.stacked(panel, colours)


def _skew() -> panels.Panel:
    skew = own("adbpg_exporter_clock_skew_seconds")
    panel = panels.graph(
        "Clock of the API, ahead of ours",
        "Within a few seconds is well. The API refuses calls from 900 seconds on: set this "
        "machine's clock.",
        ranged(f"max by (target) ({skew})", "{{target}}"),
        unit="s",
        nothing="no answer yet",
    )
    panels.told_apart(panel.axis_soft_min(-10).axis_soft_max(10))
    return panels.guided(panel, CLOCK_LIMIT, theme.ACT)


def _checks() -> panels.Panel:
    texts = {"0": ("well", theme.FINE), "1": ("wrong", theme.WARN)}
    reload = own("adbpg_exporter_config_last_reload_successful")
    files = own("adbpg_exporter_job_file_error")
    broken = f"max by (file) ({files})"
    zones = own("adbpg_exporter_time_zone_suspect")
    unread = per_second("adbpg_exporter_invalid_fields_total")
    refused = own("adbpg_exporter_registrations_total", 'result!~"created|known"')
    refused = f"rate({refused}[$__rate_interval])"
    store = own("adbpg_exporter_registry_up")
    failed = per_second("adbpg_exporter_registry_errors_total")
    return panels.timeline(
        "What the exporter finds wrong",
        "Configuration or job file: the log has the problems. Time zone: jobs of the target are "
        "updated in the future; set its `time_zone`. Field of answers: it could not be read, and "
        "has no sample rather than a wrong one; report it with the debug log: the API has changed. "
        "Announcements: requests of pipelines are refused; their answers say why. Store: announced "
        "jobs and the history wait for it; the log says what is wrong.",
        ranged(f"max(1 - {reload})", "configuration"),
        ranged(f'label_replace({broken}, "name", "$1", "file", ".*?([^/]+)")', "{{name}}"),
        ranged(f"max by (target) ({zones})", "time zone of {{target}}"),
        ranged(f"sum by (field) ({unread}) > bool 0", "field {{field}}"),
        ranged(f"sum({refused}) > bool 0", "announcements"),
        ranged(f"max(1 - {store})", "store"),
        ranged(f"sum({failed}) > bool 0", "operations of the store"),
        texts=panels.mapping(texts),
        nothing=NOT_SCRAPED,
    )


def _files() -> panels.Panel:
    by_pattern = "max by (pattern) ({})"
    files = by_pattern.format(own("adbpg_exporter_job_files"))
    broken = by_pattern.format(own("adbpg_exporter_job_files_broken"))
    readable = f"min by (pattern) ({own('adbpg_exporter_job_files_readable')})"
    left = {"custom.align": "left"}
    shown = [
        Column("Pattern", "pattern"),
        Column("Files", "", files, "short", 60, left),
        Column("Broken", "", broken, "short", 70, left),
        Column("Readable", "", readable, "bool_yes_no", 90, left),
    ]
    return columns.sheet(
        "Job files",
        "How many files match each pattern of `job_files`. Not readable: its folder is away or "
        "forbidden, and the last list stays in use.",
        shown,
        nothing="no job files",
    )


def _cpu() -> panels.Panel:
    return panels.graph(
        "CPU",
        "Of one core. It grows with jobs and scrapes; see docs on performance.",
        ranged(per_second("process_cpu_seconds_total"), "{{instance}}"),
        unit="percentunit",
        nothing=NOT_SCRAPED,
    )


def _memory() -> panels.Panel:
    return panels.graph(
        "Memory",
        "Resident. It grows with the number of jobs, and then stays. Growth for days: report it.",
        ranged(own("process_resident_memory_bytes"), "{{instance}}"),
        unit="bytes",
        nothing=NOT_SCRAPED,
    )


def _descriptors() -> panels.Panel:
    panel = panels.graph(
        "File descriptors",
        "Open ones, of the limit of the process. Near 100 %: raise the limit, or look for clients "
        "that keep connections.",
        ranged(f"{own('process_open_fds')} / {own('process_max_fds')}", "{{instance}}"),
        unit="percentunit",
        nothing=NOT_SCRAPED,
    )
    return panels.compared(panel, 0.8, 1, theme.WARN)


def _versions() -> panels.Panel:
    by_exporter = "max by (instance) ({})"
    started = by_exporter.format(own("process_start_time_seconds"))
    loaded = own("adbpg_exporter_config_last_reload_success_timestamp_seconds")
    build = own("adbpg_exporter_build_info")
    left = {"custom.align": "left"}
    shown = [
        Column("Exporter", "instance"),
        Column("Shard", "", by_exporter.format(own("adbpg_exporter_shard")), "short", 80, left),
        Column("of", "", by_exporter.format(own("adbpg_exporter_shards")), "short", 80, left),
        Column("Runs since", "", f"{started} * 1000", "dateTimeFromNow", settings=left),
        Column("Version", "version"),
        Column("Revision", "revision"),
        Column("Python", "python"),
        Column(
            "Configuration loaded",
            "",
            f"{by_exporter.format(loaded)} * 1000",
            "dateTimeFromNow",
            settings=left,
        ),
        Column("", "", f"max by (instance, version, revision, python) ({build})", shown=False),
    ]
    return columns.sheet(
        "Exporters",
        "Which versions run, which shard of the jobs each watches, and since when. Several "
        "restarts in a short time: look at the log. A shard that is missing: nobody watches its "
        "jobs.",
        shown,
        nothing=NOT_SCRAPED,
    )
