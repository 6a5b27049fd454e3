import pytest

from tests.promql import known_metrics, problems, selectors

GOOD = [
    'sum(rate(adbpg_exporter_api_errors_total{job=~"$job", reason="auth"}[$__rate_interval]))',
    "max by (job_id, status) (adbpg_job_status) * on (job_id) group_left adbpg_job_up",
    "sum by (le) (rate(adbpg_exporter_api_request_duration_seconds_bucket[5m]))",
    'label_replace(up, "short", "$1", "instance", "(.*):.*") * on (short) up',
    "count by (instance) (process_open_fds)",
]
BAD = [
    ("adbpg_job_upp", "no metric is called 'adbpg_job_upp'"),
    ("adbpg_exporter_api_request_duration_seconds", "no metric is called"),
    ('adbpg_job_up{collectoin="a"}', "adbpg_job_up has no label 'collectoin'"),
    ('rate(adbpg_job_up{status="a"}[5m])', "adbpg_job_up has no label 'status'"),
    ("max by (jobid) (adbpg_job_up)", "nothing has the label 'jobid'"),
    ("adbpg_job_up * on (status) adbpg_job_status", "nothing has the label 'status'"),
    (
        "adbpg_job_up * on (job_id) group_left (team) adbpg_job_info",
        "nothing has the label 'team'",
    ),
]


@pytest.mark.parametrize("expression", GOOD)
def test_what_the_table_has_may_be_named(expression: str) -> None:
    """An expression that names only what the table has is let through."""
    found = problems(expression)

    assert not found


@pytest.mark.parametrize(("expression", "problem"), BAD)
def test_what_the_table_has_not_is_told(expression: str, problem: str) -> None:
    """A misspelt metric or label is told, wherever in an expression it stands."""
    found = problems(expression)

    assert problem in "".join(found)


def test_further_metrics_may_be_named() -> None:
    """The caller's own metrics count: recording rules, and the job labels of a configuration."""
    info = known_metrics()["adbpg_job_info"] | {"team"}

    found = problems(BAD[-1][0], {"adbpg_job_info": info})

    assert not found


def test_selectors_tell_matchers_and_their_labels() -> None:
    """A selector has its metric's name, its matchers as they are written, and their labels."""
    (found,) = selectors('deriv(adbpg_job_up{job=~"$job", collection!=""}[$__rate_interval])')

    assert found.name == "adbpg_job_up"
    assert found.matchers == {'job=~"$job"', 'collection!=""'}
    assert found.labels == {"job", "collection"}
