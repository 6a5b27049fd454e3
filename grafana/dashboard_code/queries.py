"""The expressions of the dashboards, on raw metrics only. Pure.

Every name is looked up in the metric table: a renamed metric or label stops the generator. Facts
about jobs are never summed over instances: two replicas, or an old and a new pod, tell the same
job twice, so each expression takes ``max by`` the identity labels first. A fact that is not known
has no series, and an expression that needs it has none either.
"""

import re

from exporter import metrics
from exporter.metrics import (
    COUNTED_FAMILIES,
    FAMILIES,
    HISTORY_FAMILIES,
    JOB_LABELS,
    SCRAPE_FAMILIES,
)

LABELS = {
    **{family.name: frozenset((*JOB_LABELS, *family.labels)) for family in FAMILIES},
    **{family.name: frozenset(family.labels) for family in SCRAPE_FAMILIES},
    **{family.name: frozenset(family.labels) for family in COUNTED_FAMILIES},
    **{f.name: frozenset((*metrics.COLLECTION_LABELS, *f.labels)) for f in HISTORY_FAMILIES},
}
HELP = {
    **{family.name: family.help for family in FAMILIES},
    **{family.name: family.help for family in SCRAPE_FAMILIES},
    **{family.name: family.help for family in COUNTED_FAMILIES},
    **{family.name: family.help for family in HISTORY_FAMILIES},
}

JOB_VARIABLES = ("db_instance_id", "collection_namespace", "collection", "job_id")
BY_JOB = ", ".join(JOB_LABELS)
COLLECTION_LABELS = tuple(label for label in JOB_LABELS if label != "job_id")
BY_COLLECTION = ", ".join(COLLECTION_LABELS)
COLLECTION_VARIABLES = ("db_instance_id", "collection_namespace", "collection")

STALLED_AFTER = 15 * 60
RECENT = 24 * 3600
STEADY = "5m"  # the window of rates that people read as a number; graphs take Grafana's

_LABEL = re.compile(r"^\w+")
_HISTOGRAM_PART = re.compile(r"_(bucket|sum|count)$")
_FROM_LIBRARY = ("process_", "python_")


def series(name: str, *matchers: str) -> str:
    """Return a selector of the chosen Prometheus jobs.

    Args:
        name: of a metric in the table, or of the process.
        matchers: such as ``status="Failed"``.

    Raises:
        KeyError: the table has no such metric.
        ValueError: the metric has no such label.
    """
    labels = {match.group() for text in matchers if (match := _LABEL.match(text))}
    if not name.startswith(_FROM_LIBRARY) and name != "up":
        table_name = name if name in LABELS else _HISTOGRAM_PART.sub("", name)
        strange = labels - LABELS[table_name] - {"instance"}
        if strange:
            raise ValueError(f"{name} has no label {', '.join(sorted(strange))}")
    chosen = ", ".join(('job=~"$job"', *matchers))
    return f"{name}{{{chosen}}}"


def known(name: str) -> str:
    """Return the name of a metric in the table.

    Raises:
        KeyError: there is no such metric.
    """
    LABELS[name]
    return name


def of_jobs(name: str, *matchers: str) -> str:
    """Return a selector of the chosen jobs' series."""
    chosen = (f'{label}=~"${label}"' for label in JOB_VARIABLES)
    return series(name, *chosen, *matchers)


def fact(name: str, *matchers: str) -> str:
    """Return a fact about each chosen job, once, whoever else tells it too."""
    return f"max by ({BY_JOB}) ({of_jobs(name, *matchers)})"


def of_collections(name: str, *matchers: str) -> str:
    """Return a selector of the chosen collections' series, of the chosen kinds."""
    chosen = (f'{label}=~"${label}"' for label in COLLECTION_VARIABLES)
    return series(name, *chosen, 'kind=~"$kind"', *matchers)


def grown(name: str, window: str, *matchers: str, by: str = "") -> str:
    """Return how much a counter of each collection and kind has grown, whoever reports it.

    Args:
        name: of the counter.
        window: such as ``24h``.
        matchers: as ``series`` has them.
        by: a further label to keep.
    """
    labels = f"{BY_COLLECTION}, kind{', ' + by if by else ''}"
    return f"max by ({labels}) (increase({of_collections(name, *matchers)}[{window}]))"


def status(pattern: str) -> str:
    """Return 1 for each job with one of these statuses, 0 for the others."""
    operator = "=~" if "|" in pattern else "="
    return fact("adbpg_job_status", f'status{operator}"{pattern}"')


ACTIVE = status("Pending|Start|Running|Cancelling")
WORKS = fact("adbpg_job_up")
PROGRESS = fact("adbpg_job_progress_entries")
RATIO = fact("adbpg_job_progress_ratio")
EXPECTED = fact("adbpg_job_expected_entries")
UPDATED = fact("adbpg_job_updated_timestamp_seconds")
DEADLINE = fact("adbpg_job_deadline_timestamp_seconds")
SINCE_ITS_TURN = f"(time() - {fact('adbpg_job_turn_timestamp_seconds')})"
CHANGED = fact("adbpg_job_progress_changed_timestamp_seconds")
ANSWERED = fact("adbpg_job_last_success_timestamp_seconds")
AGE = fact("adbpg_job_age_seconds")
KIND = f"max by ({BY_JOB}, kind) ({of_jobs('adbpg_job_info')})"
EMBEDDED = fact("adbpg_job_embedding_entries")
EMBEDDING_TOKENS = fact("adbpg_job_embedding_tokens")
LLM_TOKENS = f"sum by ({BY_JOB}) (max by ({BY_JOB}, direction) ({of_jobs('adbpg_job_llm_tokens')}))"

_IS_RECENT = f"(({UPDATED} or {ANSWERED}) > bool time() - {RECENT})"
# A job that waits for its turn has neither such a time nor a deadline: see docs/metrics.md.
_UNCHANGED = f"(time() - {CHANGED} > bool {STALLED_AFTER})"

# 1 where it is so, 0 where it is not: sums of these are 0 where all is well.
FAILED = f"{status('Failed')} * {_IS_RECENT}"
STALLED = f"{status('Running')} * {_UNCHANGED} * {WORKS}"
STUCK = f"{status('Start|Cancelling')} * {_UNCHANGED} * {WORKS}"
PAST_DEADLINE = f"{ACTIVE} * (time() > bool {DEADLINE})"
WAITS = fact("adbpg_job_waiting")
_WHY = f"max by ({BY_JOB}, reason) ({of_jobs('adbpg_job_query_failed')})"
WHY_QUERY_FAILS = f"({_WHY} or on ({BY_JOB}) {WORKS})"  # the label ``reason``, where it fails
QUERY_FAILS = f"({WORKS} == bool 0)"
CONTRADICTS = f"{fact('adbpg_job_inconsistent')} * {_IS_RECENT}"


def rate(window: str, metric: str = "adbpg_job_progress_entries") -> str:
    """Return the progress of each job in a second; progress that falls counts as none.

    An exporter repeats the last answer when a query fails, is late or not yet due: progress stands
    still and then jumps. The time of the answer does just the same, so progress is divided by that
    time and not by the time of the scrapes. There is no rate, rather than 0, where no answer is in
    the window, or where progress was too old to be told and only the time of the answer was.
    """
    progress = f"{of_jobs(metric)}[{window}]"
    answer = f"{of_jobs('adbpg_job_last_success_timestamp_seconds')}[{window}]"
    together = f"count_over_time({answer}) == count_over_time({progress})"
    answered = f"(deriv({answer}) > 0 and {together})"
    return f"max by ({BY_JOB}) (clamp_min(deriv({progress}), 0) / {answered})"


def of_kind(expression: str) -> str:
    """Return an expression for the jobs of the chosen kinds, and nothing for the others."""
    chosen = series("adbpg_job_info", 'kind=~"$kind"')
    return f"({expression} and on ({BY_JOB}) max by ({BY_JOB}) ({chosen}))"


def while_active(expression: str) -> str:
    """Return an expression for jobs that are under way, and nothing for the others."""
    return f"({expression} and {ACTIVE} == 1)"


RATE = while_active(rate(STEADY))
# In percent only where no entries are counted: of these the share may be over 1.
SHARE = f"({PROGRESS} / ({EXPECTED} > 0) or ({RATIO} unless {PROGRESS}))"
_ENTRIES_LEFT = f"clamp_min({EXPECTED} - {PROGRESS}, 0) / ({rate(STEADY)} > 0)"
_RATIO_LEFT = (
    f"((1 - {RATIO}) / ({rate(STEADY, 'adbpg_job_progress_ratio')} > 0) unless {PROGRESS})"
)
TIME_LEFT = while_active(f"({_ENTRIES_LEFT} or {_RATIO_LEFT})")


def first_of(*choices: tuple[str, int]) -> str:
    """Return for each job the number of the first expression that is 1 for it."""
    return " or ".join(f"({expression} == 1) * {number}" for expression, number in choices)
