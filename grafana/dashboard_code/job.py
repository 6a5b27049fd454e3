"""One job: how far it is, how fast, and what the API says of it."""

from exporter.model import ErrorClass
from grafana.dashboard_code import columns, layout, panels, queries, theme, variables
from grafana.dashboard_code.columns import Column
from grafana.dashboard_code.panels import Scale, instant, ranged, tile
from grafana.dashboard_code.queries import fact

UNKNOWN = "-"


def render() -> str:
    """Return the dashboard's file."""
    about = "One job: choose it above, or come from the overview."
    choice = [variables.datasource(), variables.job(), *variables.jobs(single=True)]
    shelves = [
        layout.Shelf(3, [(6, _state()), *((3, each) for each in _progress())]),
        layout.Shelf(10, [(8, _share()), (8, _entries()), (8, _rate())]),
        layout.Shelf(9, [(12, _time_left()), (12, _timeline())]),
        layout.Shelf(3, [(3, each) for each in (*_times(), *_flags())]),
        layout.Shelf(4, [(15, _facts()), *((3, each) for each in _tokens())]),
    ]
    return layout.render("adbpg-job", about, choice, shelves)


def _state() -> panels.Panel:
    texts = panels.states(theme.FINDINGS)
    return tile(
        "State",
        "The worst that can be said of the job now. Red: act. Stalled is 15 minutes without "
        "progress; past deadline is longer than it should take.",
        instant(theme.number_of(theme.FINDINGS)),
        Scale("none", texts=[texts]),
        nothing="no such job",
    )


def _progress() -> list[panels.Panel]:
    return [
        tile(
            "Done",
            "The API's percentage; of an upload of entries, the share of those that are expected. "
            "Over 100 %: the configuration names too few. None: it does not say.",
            instant(queries.SHARE),
            Scale("percentunit", theme.BUSY, decimals=0),
            nothing=UNKNOWN,
        ),
        tile(
            "Entries",
            "Entries uploaded so far. A count, since the API knows no total. None: this kind of "
            "job has a percentage.",
            instant(queries.PROGRESS),
            Scale("short", theme.BUSY),
            nothing=UNKNOWN,
        ),
        tile(
            "Entries/s",
            "Over the last five minutes. Much under 1,000: the instance is short of something. "
            "None: not under way, or no query worked.",
            instant(queries.RATE),
            Scale("locale", theme.BUSY, decimals=0),
            nothing=UNKNOWN,
        ),
        tile(
            "Time left",
            "What is missing, at the rate of the last five minutes.",
            instant(queries.TIME_LEFT),
            Scale("s", theme.BUSY, decimals=1),
            nothing=UNKNOWN,
        ),
        tile(
            "Age",
            "Since the job was created; of an ended job, the time that it took.",
            instant(queries.AGE),
            Scale("s", theme.BUSY, decimals=1),
            nothing=UNKNOWN,
        ),
        _moment(
            "Deadline",
            "When the job should have ended. In the past and still under way: act.",
            queries.DEADLINE,
            UNKNOWN,
            size=24,
        ),
    ]


def _moment(
    title: str, text: str, expression: str, nothing: str, *, size: int = 16
) -> panels.Panel:
    scale = Scale("dateTimeFromNow", size=size)  # small, or "a few seconds ago" takes two lines
    return tile(title, text, instant(f"{expression} * 1000"), scale, nothing=nothing)


def _share() -> panels.Panel:
    panel = panels.graph(
        "Done",
        "A flat line while the job runs is a stall. None: the configuration does not say how many "
        "entries are expected, or the instance does not report progress.",
        ranged(queries.SHARE, "done"),
        unit="percentunit",
        nothing="nothing known in this time",
        axis="share",
    )
    return panels.drawn(panel, "done", theme.BUSY, dashed=False)


def _tokens() -> list[panels.Panel]:
    return [
        tile(
            title,
            "As the API counts them for this job. None: this kind of job reports none.",
            instant(expression),
            Scale("short", theme.PLAIN),
            nothing=UNKNOWN,
        )
        for title, expression in (
            ("Embedded entries", queries.EMBEDDED),
            ("Embedding tokens", queries.EMBEDDING_TOKENS),
            ("LLM tokens", queries.LLM_TOKENS),
        )
    ]


def _entries() -> panels.Panel:
    panel = panels.graph(
        "Entries",
        "The lines meet when the job is done. A flat line while it runs is a stall; one that falls "
        "is worth a question to the vendor.",
        ranged(queries.PROGRESS, "uploaded"),
        ranged(queries.EXPECTED, "expected"),
        unit="short",
        nothing="nothing known in this time",
        axis="entries",
    )
    panels.drawn(panel, "uploaded", theme.BUSY, dashed=False)
    return panels.drawn(panel, "expected", theme.ENDED, dashed=True)


def _rate() -> panels.Panel:
    panel = panels.graph(
        "Entries per second",
        "The dashed line is the 1,000 entries a second that the vendor's advice, and the deadline, "
        "count with. Long under it: look at the load of the instance. A gap: queries failed.",
        ranged(queries.rate("$__rate_interval"), "entries per second"),
        unit="locale",
        nothing="nothing known in this time",
        axis="entries per second",
    )
    panels.drawn(panel, "entries per second", theme.BUSY, dashed=False)
    return panels.compared(panel, 1000, 1500)


def _time_left() -> panels.Panel:
    left = queries.while_active(f"clamp_min({queries.DEADLINE} - time(), 0)")
    panel = panels.graph(
        "Time left, and time to the deadline",
        "The blue line above the grey one: at its present rate the job will miss its deadline. "
        "A gap in the blue one: queries failed, so that the rate is not known. Its own time begins "
        "when it no longer waits for others of its collection.",
        ranged(f"{queries.TIME_LEFT} / 3600", "time left"),
        ranged(f"{left} / 3600", "to the deadline"),
        ranged(f"{queries.while_active(queries.SINCE_ITS_TURN)} / 3600", "since its turn"),
        unit="suffix:h",  # the units of time put their lines at 1.16 days
        nothing="not active, not answered, or expected_entries is not configured",
    )
    panels.drawn(panel, "time left", theme.BUSY, dashed=False)
    panels.drawn(panel, "since its turn", theme.LONG_ENDED, dashed=False)
    return panels.drawn(panel, "to the deadline", theme.ENDED, dashed=True)


def _timeline() -> panels.Panel:
    panel = panels.timeline(
        "State over time",
        "When the job began, moved, stalled and ended, and whether queries worked. A gap: nothing "
        "was known of it.",
        ranged(theme.number_of(theme.TIMELINE), "state"),
        ranged(queries.WORKS, "query"),
        ranged(fact("adbpg_job_error"), "error"),
        texts=panels.states(theme.TIMELINE),
        nothing="nothing known in this time",
    )
    panels.said(panel, "query", {"0": ("query fails", theme.WARN), "1": ("works", theme.FINE)})
    return panels.said(panel, "error", {"0": ("none", theme.FINE), "1": ("error", theme.ACT)})


def _times() -> list[panels.Panel]:
    return [
        _moment(
            "Created",
            "As the API says. In the future: the target's time_zone is wrong.",
            fact("adbpg_job_created_timestamp_seconds"),
            UNKNOWN,
        ),
        _moment(
            "Updated",
            "As the API says. Long ago while the job runs: it is stuck there.",
            queries.UPDATED,
            UNKNOWN,
        ),
        _moment(
            "Progress changed",
            "As the exporter saw it. Long ago while the job runs: it is stalled.",
            queries.CHANGED,
            UNKNOWN,
        ),
        _moment(
            "Last answer",
            "When the API last answered for this job. A final job is not queried again.",
            queries.ANSWERED,
            "never",
        ),
    ]


def _flags() -> list[panels.Panel]:
    good = {"0": ("no", theme.WARN), "1": ("yes", theme.FINE)}
    plain = {"0": ("no", theme.PLAIN), "1": ("yes", theme.PLAIN)}
    return [
        _flag(
            "Query works",
            "No: what is shown here may be old; the dashboard of the exporter has the reason.",
            queries.WORKS,
            good,
        ),
        _error(),
        _flag(
            "Contradictory",
            "Yes: status, Completed and error contradict each other. Trust none of them, and look "
            "into the collection itself.",
            fact("adbpg_job_inconsistent"),
            {"0": ("no", theme.FINE), "1": ("yes", theme.WARN)},
        ),
        _flag(
            "Completed",
            "The API's own flag. It should be yes just for an ended job.",
            fact("adbpg_job_completed"),
            plain,
        ),
    ]


def _error() -> panels.Panel:
    classes = [
        (fact("adbpg_job_error_info", f'class="{kind}"'), number, kind.replace("_", " "))
        for number, kind in enumerate(ErrorClass, 1)
    ]
    found = queries.first_of(*((expression, number) for expression, number, _ in classes))
    texts = {"0": ("none", theme.FINE)}
    texts |= {str(number): (text, theme.ACT) for _, number, text in classes}
    return tile(
        "Error",
        "What the API's error text is about. The exporter's page shows the text, and "
        "`adbpg-job-exporter query` prints it.",
        instant(f"{found} or {fact('adbpg_job_error')} == 0"),
        Scale("none", texts=[panels.mapping(texts)], size=20),
        nothing=UNKNOWN,
    )


def _flag(
    title: str, text: str, expression: str, texts: dict[str, tuple[str, str]]
) -> panels.Panel:
    scale = Scale("none", texts=[panels.mapping(texts)])
    return tile(title, text, instant(expression), scale, nothing=UNKNOWN)


def _facts() -> panels.Panel:
    info = queries.of_jobs("adbpg_job_info")
    shown = [
        Column("Job", "job_id", width=310),
        Column("Collection", "collection"),
        Column("Namespace", "collection_namespace"),
        Column("Instance", "db_instance_id", width=180),
        Column("Workspace", "workspace_id", width=180),
        Column("Target", "target"),
        Column("Region", "region_id"),
        Column("Kind", "kind", width=190),
    ]
    return columns.sheet(
        "What does not change",
        "Who the job is, where it is asked about, and the job labels of the configuration: they "
        "name whom to tell.",
        shown,
        nothing="no such job",
        hidden=("Value", "job"),
        labels_of=f"max without (instance) ({info})",
    )
