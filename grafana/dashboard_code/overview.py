"""The first dashboard that somebody opens: what is wrong now, and which job to look at."""

from dataclasses import replace

from grafana.dashboard_code import columns, layout, panels, queries, theme, variables
from grafana.dashboard_code.columns import Column
from grafana.dashboard_code.panels import Scale, instant, ranged, tile, wrong_from
from grafana.dashboard_code.queries import BY_COLLECTION, of_kind

NO_JOBS = "no jobs"
NAMED = "{{collection_namespace}}.{{collection}}"
JOB_URL = (
    "/d/adbpg-job?${datasource:queryparam}&${job:queryparam}"
    '&var-job_id=${__data.fields["Job"]:percentencode}'
    "&var-collection=${__data.fields.Collection:percentencode}"
    "&var-collection_namespace=${__data.fields.Namespace:percentencode}&${__url_time_range}"
)


def render() -> str:
    """Return the dashboard's file."""
    about = "What is wrong with jobs now, and which one to open."
    choice = [variables.datasource(), variables.job(), variables.kind(), *variables.jobs()]
    shelves = [
        layout.Shelf(3, [(3, each) for each in _wrong()] + [(4, each) for each in _going_on()]),
        layout.Shelf(14, [(24, _jobs())]),
        layout.Shelf(9, [(12, _rates()), (12, _statuses())]),
        layout.Shelf(12, [(24, _timeline())]),
    ]
    return layout.render("adbpg-overview", about, choice, shelves)


def _wrong() -> list[panels.Panel]:
    return [
        tile(
            "Failed in 24 h",
            "Open each failed job below and read its error in the exporter's log. A final job is "
            "not asked again: take it out of the configuration when it is dealt with.",
            instant(f"sum({of_kind(queries.FAILED)})"),
            wrong_from(1),
            nothing=NO_JOBS,
        ),
        tile(
            "Stalled",
            "Jobs that run, answer, and have not moved for 15 minutes. They block the other "
            "uploads of their collection: look at the instance, then cancel and start again.",
            instant(f"sum({of_kind(queries.STALLED)})"),
            wrong_from(1),
            nothing=NO_JOBS,
        ),
        tile(
            "Past deadline",
            "Jobs under way that should have ended. Compare their rate with the 1,000 entries a "
            "second of the vendor's advice.",
            instant(f"sum({of_kind(queries.PAST_DEADLINE)})"),
            wrong_from(1),
            nothing="none",
        ),
        tile(
            "Queries failing",
            "Jobs whose last query failed: what is shown of them may be old. The reasons are on "
            "the dashboard of the exporter.",
            instant(f"sum({of_kind(queries.QUERY_FAILS)})"),
            wrong_from(1, theme.WARN),
            nothing=NO_JOBS,
        ),
    ]


def _going_on() -> list[panels.Panel]:
    running = queries.status("Running")
    return [
        tile(
            "Running",
            "Jobs that run now. None where some are expected: look at whoever starts them.",
            instant(f"sum({of_kind(running)})"),
            Scale("short", theme.BUSY),
            nothing=NO_JOBS,
        ),
        tile(
            "Oldest active",
            "How long the oldest job that is under way has been so. Much more than usual: find "
            "it in the table, sorted by age.",
            instant(f"max({of_kind(queries.while_active(queries.AGE))})"),
            Scale("s", theme.BUSY, decimals=1),
            nothing="none active",
        ),
        tile(
            "Entries per second",
            "What all jobs upload together, over the last five minutes.",
            instant(f"sum({of_kind(queries.RATE)})"),
            Scale("short", theme.BUSY, decimals=1),
            nothing="none known",
        ),
    ]


def _owned(expression: str) -> str:
    """Return an expression whose series have one label for what the job runs on: ``owner``."""
    return f'label_join({expression}, "owner", "", "db_instance_id", "workspace_id")'


def _jobs() -> panels.Panel:
    found = theme.number_of(theme.FINDINGS)
    shown = [
        Column(
            "State",
            expression=_owned(found),
            width=112,
            settings=columns.coloured(panels.states(theme.FINDINGS)),
        ),
        Column("Why", expression=queries.WHY_QUERY_FAILS, shown=False),
        Column("Kind", "kind", width=165),
        Column("Kinds", expression=queries.KIND, shown=False),
        Column("Collection", "collection", width=140),
        Column("Namespace", "collection_namespace", width=90),
        Column("Instance or workspace", "owner", width=175),
        Column("Job", "job_id", settings=columns.linked("Open this job", JOB_URL)),
        Column("Done", "", queries.SHARE, "percentunit", 112, columns.bar()),
        Column("Entries", "", queries.PROGRESS, "short", 78),
        Column("Entries/s", "", queries.RATE, "locale", 80, {"decimals": 0}),
        Column("Time left", "", queries.TIME_LEFT, "s", 86, {"decimals": 1}),
        Column("Age", "", queries.AGE, "s", 80, {"decimals": 1}),
        Column("Last update", "", f"{queries.UPDATED} * 1000", "dateTimeFromNow", 140),
        Column(
            "Deadline",
            "",
            f"{queries.while_active(queries.DEADLINE)} * 1000",
            "dateTimeFromNow",
            110,
        ),
        Column("Why queries fail", "reason", width=162),
    ]
    text = (
        "All jobs, the worst first. Red: act; orange: look; blue: under way; grey: ended. Click an "
        "job to open it."
    )
    shown = [
        replace(each, expression=of_kind(each.expression)) if each.expression else each
        for each in shown
    ]
    hidden = ("db_instance_id", "workspace_id")
    nothing = "No job matches: look at the variables above, and at the exporter."
    return columns.sheet("Jobs", text, shown, nothing=nothing, hidden=hidden)


def _rates() -> panels.Panel:
    rate = _owned(of_kind(queries.rate("$__rate_interval")))
    panel = panels.graph(
        "Entries per second, by instance or workspace",
        "A step down: an upload has ended, it is stalled, or its queries fail, so that its rate is "
        "not known; the timeline below tells which. By instance, since collections are too many "
        "to tell apart: the table has the rate of each job.",
        ranged(f"sum by (owner) ({rate}) > 0", "{{owner}}"),
        unit="locale",
        nothing="nothing is uploaded",
        axis="entries per second",
    )
    return panels.told_apart(panel)


def _statuses() -> panels.Panel:
    by_job = f"max by ({queries.BY_JOB}, status) ({queries.of_jobs('adbpg_job_status')})"
    panel = panels.graph(
        "Jobs by status",
        "How many jobs are in each status, by the API's answers. Failed ones stay until "
        "they are taken out of the configuration.",
        ranged(f"sum by (status) {of_kind(by_job)} > 0", "{{status}}"),
        unit="short",
        nothing=NO_JOBS,
        axis="jobs",
    )
    return panels.stacked(panel, theme.STATUS_COLOURS)


def _timeline() -> panels.Panel:
    state = of_kind(theme.number_of(theme.TIMELINE))
    return panels.timeline(
        "Collections over time",
        "A row for each collection, since its uploads run one after the other: what its job under "
        "way does, or how the last ones ended. Red for long: open the collection's job above.",
        ranged(f"max by ({BY_COLLECTION}) ({state})", NAMED),
        texts=panels.states(theme.TIMELINE),
        nothing=NO_JOBS,
    )
