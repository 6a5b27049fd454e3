"""Days of history: how the jobs of each collection ended, how long they took, how fresh it is."""

from grafana.dashboard_code import columns, layout, panels, theme, variables
from grafana.dashboard_code.columns import Column
from grafana.dashboard_code.panels import Scale, instant, ranged, tile, wrong_from
from grafana.dashboard_code.queries import BY_COLLECTION, grown, of_collections

_FINISHED = "adbpg_collection_jobs_finished_total"
_LOST = "adbpg_collection_jobs_lost_total"
_ENTRIES = "adbpg_collection_uploaded_entries_total"
_NONE = "no job has ended"
_BY = f"max by ({BY_COLLECTION}, kind)"
_NAMED = "{{collection_namespace}}.{{collection}}"


def render() -> str:
    """Return the dashboard's file."""
    about = "How jobs of each collection ended, how long they took, and how fresh the data is."
    choice = [variables.datasource(), variables.job(), *variables.collections()]
    shelves = [
        layout.Shelf(3, [(4, each) for each in (*_ended(), *_fresh())]),
        layout.Shelf(11, [(24, _collections())]),
        layout.Shelf(9, [(12, _outcomes()), (12, _durations())]),
        layout.Shelf(9, [(12, _entries()), (12, _tokens())]),
    ]
    made = layout.render("adbpg-collections", about, choice, shelves)
    return made.replace('"from": "now-6h"', '"from": "now-7d"')


def _any(colour: str) -> Scale:
    """Return the scale of a count that should be 0, of an increase, which is seldom whole."""
    return Scale("short", theme.FINE, ((0.5, colour),), decimals=0)


def _ended() -> list[panels.Panel]:
    def count(status: str) -> str:
        matcher = f'status="{status}"'
        return f"sum({grown(_FINISHED, '24h', matcher)})"

    return [
        tile(
            "Succeeded in 24 h",
            "None where some are expected: look at whoever starts the jobs.",
            instant(count("Success")),
            Scale("short", theme.ENDED, decimals=0),
            nothing=_NONE,
        ),
        tile(
            "Failed in 24 h",
            "The table says of which collections; their error texts are on the exporter's page "
            "and in its log.",
            instant(count("Failed")),
            _any(theme.ACT),
            nothing=_NONE,
        ),
        tile(
            "Cancelled in 24 h",
            "Somebody cancelled them: their data is not all there.",
            instant(count("Cancelled")),
            _any(theme.WARN),
            nothing=_NONE,
        ),
        tile(
            "Lost in 24 h",
            "Jobs that were given up before anybody saw how they ended: see "
            "`registry.keep_unseen`.",
            instant(f"sum({grown(_LOST, '24h')})"),
            _any(theme.ACT),
            nothing=_NONE,
        ),
    ]


def _fresh() -> list[panels.Panel]:
    last = f"{_BY} ({of_collections('adbpg_collection_last_success_timestamp_seconds')})"
    limit = f"{_BY} ({of_collections('adbpg_collection_max_age_seconds')})"
    return [
        tile(
            "Too old",
            "Collections whose last success is longer ago than `freshness` allows.",
            instant(f"sum((time() - {last}) > bool {limit})"),
            wrong_from(1),
            nothing="no limit",
        ),
        tile(
            "Entries in 24 h",
            "Vectors that ended uploads have put into collections.",
            instant(f"sum({grown(_ENTRIES, '24h')})"),
            Scale("short", theme.ENDED),
            nothing="no uploads",
        ),
    ]


def _collections() -> panels.Panel:
    success = f"{_BY} ({of_collections('adbpg_collection_last_success_timestamp_seconds')})"
    ended = f"{_BY} ({of_collections('adbpg_collection_last_completion_timestamp_seconds')})"
    limit = f"{_BY} ({of_collections('adbpg_collection_max_age_seconds')})"
    status = of_collections("adbpg_collection_last_job_status", 'status="Failed"')
    name = "adbpg_collection_job_duration_seconds"
    total = f"max by ({BY_COLLECTION}, kind) (increase({of_collections(name + '_sum')}[$__range]))"
    count = (
        f"max by ({BY_COLLECTION}, kind) (increase({of_collections(name + '_count')}[$__range]))"
    )
    texts = panels.mapping({"0": ("no", theme.FINE), "1": ("yes", theme.ACT)})
    left = {"custom.align": "left"}
    whole = {**left, "decimals": 0}

    def finished(status: str) -> str:
        return grown(_FINISHED, "$__range", f'status="{status}"')

    return columns.sheet(
        "Collections",
        "All that had a job or have a limit. Times are of the exporter's clock, when it saw the "
        "end; the longest without a success comes first. The counts are of the time that the "
        "dashboard shows.",
        [
            Column("Since a success", "", f"time() - {success}", "s", 140, left),
            Column("At most", "", limit, "s", 90, left),
            Column("Collection", "collection"),
            Column("Namespace", "collection_namespace", width=110),
            Column("Kind", "kind", width=190),
            Column("Last end", "", f"{ended} * 1000", "dateTimeFromNow", 140, left),
            Column("Last failed", "", f"{_BY} ({status})", "none", 90, columns.coloured(texts)),
            Column("Succeeded", "", finished("Success"), "short", 90, whole),
            Column("Failed", "", finished("Failed"), "short", 70, whole),
            Column("Cancelled", "", finished("Cancelled"), "short", 90, whole),
            Column("Lost", "", grown(_LOST, "$__range"), "short", 60, whole),
            Column("Took on average", "", f"{total} / ({count} > 0)", "s", 130, left),
        ],
        nothing="no collection",
        hidden=("db_instance_id", "workspace_id"),
    )


def _outcomes() -> panels.Panel:
    ended = grown(_FINISHED, "1h", by="status")
    panel = panels.graph(
        "Jobs that ended, in the hour before",
        "By how they ended. Failed ones need somebody; cancelled ones had somebody.",
        ranged(f"sum by (status) ({ended})", "{{status}}"),
        unit="short",
        nothing=_NONE,
        axis="jobs in an hour",
    )
    colours = {"Success": theme.FINE, "Failed": theme.ACT, "Cancelled": theme.WARN}
    return panels.stacked(panel, colours)


def _durations() -> panels.Panel:
    name = "adbpg_collection_job_duration_seconds_bucket"
    buckets = f"max by ({BY_COLLECTION}, kind, le) (increase({of_collections(name)}[6h]))"
    panel = panels.graph(
        "How long jobs took, in the six hours before",
        "So many of all jobs were quicker than this.",
        *(
            # Not where no job has ended: that is no number, and the axis would go with it.
            ranged(f"histogram_quantile({share}, sum by (le) ({buckets})) >= 0", named)
            for share, named in ((0.5, "half"), (0.9, "9 of 10"))
        ),
        unit="s",
        nothing=_NONE,
    )
    for named, colour in (("half", theme.BUSY), ("9 of 10", theme.QUIET)):
        panels.drawn(panel, named, colour, dashed=False)
    return panel


def _entries() -> panels.Panel:
    panel = panels.graph(
        "Entries of ended uploads, in the hour before",
        "By collection. A pipeline that loads less than usual shows here first.",
        ranged(f"{grown(_ENTRIES, '1h')} > 0", _NAMED),
        unit="short",
        nothing="no uploads",
        axis="entries in an hour",
    )
    return panels.told_apart(panel)


def _tokens() -> panels.Panel:
    embedded = grown("adbpg_collection_embedding_tokens_total", "1h")
    exchanged = grown("adbpg_collection_llm_tokens_total", "1h", by="direction")
    panel = panels.graph(
        "Tokens of ended jobs, in the hour before",
        "They are billed.",
        ranged(f"sum({embedded})", "embedding"),
        ranged(f"sum by (direction) ({exchanged})", "language model, {{direction}}"),
        unit="short",
        nothing="no tokens",
        axis="tokens in an hour",
    )
    return panels.told_apart(panel)
