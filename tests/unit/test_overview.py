"""The jobs of a page in their order, with rates and what is wrong. In virtual time."""

from typing import Any

import pytest

from exporter.overview import STALLED_AFTER, Line, Overview, Rank
from exporter.web import triage

NOW = 10_000.0
LABELS = 'job_id="{0}",collection="c",collection_namespace="n",db_instance_id="i",workspace_id=""'


def page(job_id: str, status: str = "Running", **samples: float) -> str:
    """Return the samples of a job; a name may end in labels, after two underscores."""
    labels = LABELS.format(job_id)
    lines = [f'adbpg_job_info{{{labels},target="main",kind="upload_document"}} 1']
    if status:
        lines.append(f'adbpg_job_status{{{labels},status="{status}"}} 1')
        lines.append(f'adbpg_job_status{{{labels},status="Pending"}} 0')
    for key, value in samples.items():
        name, _, label = key.partition("__")
        more = f',{label.partition("_")[0]}="{label.partition("_")[2]}"' if label else ""
        lines.append(f"adbpg_job_{name}{{{labels}{more}}} {value}")
    return "\n".join(lines) + "\n"


def one(text: str) -> Line:
    """Return the only job of a page."""
    (line,) = Overview().read(text, NOW)
    return line


@pytest.mark.parametrize(
    ("text", "rank", "trouble"),
    [
        (page("a", "Failed", error_info__class_quota=1), Rank.FAILED, "failed: quota"),
        (page("a", "Failed", error_info__class_other=1), Rank.FAILED, "failed"),
        (page("a", up=0, query_failed__reason_auth=1), Rank.DOUBTFUL, "query failing: auth"),
        (page("a", "Success"), Rank.ENDED, ""),
        (page("a", "Success", inconsistent=1), Rank.DOUBTFUL, "the API contradicts itself"),
        (page("a", "Success", inconsistent=0), Rank.ENDED, ""),
        (page("a", "Cancelled"), Rank.ENDED, ""),
        (page("a", ""), Rank.UNKNOWN, ""),
        (page("a", "Unknown"), Rank.UNKNOWN, ""),
        (
            page("a", progress_changed_timestamp_seconds=NOW - STALLED_AFTER),
            Rank.STALLED,
            "stalled",
        ),
        (page("a", progress_changed_timestamp_seconds=NOW - STALLED_AFTER + 1), Rank.ACTIVE, ""),
        (page("a", deadline_timestamp_seconds=NOW - 1), Rank.OVERDUE, "overdue"),
        (page("a", deadline_timestamp_seconds=NOW + 1, up=1), Rank.ACTIVE, ""),
        (page("a", "Pending", waiting=1), Rank.WAITING, ""),
    ],
)
def test_what_is_wrong(text: str, rank: Rank, trouble: str) -> None:
    """Each kind of trouble has a place and a word."""
    line = one(text)

    assert (line.rank, line.trouble) == (rank, trouble)


def test_the_worst_comes_first() -> None:
    """What failed is above what runs, and what runs above what has ended."""
    text = page("ended", "Success") + page("runs") + page("failed", "Failed")

    assert [line.job_id for line in Overview().read(text, NOW)] == ["failed", "runs", "ended"]


@pytest.mark.parametrize(
    ("first", "last", "per_second", "left"),
    [
        ({"progress_entries": 0}, {"progress_entries": 6000}, 100.0, None),
        (
            {"progress_entries": 0, "expected_entries": 12_000},
            {"progress_entries": 6000, "expected_entries": 12_000},
            100.0,
            60.0,
        ),
        ({"progress_ratio": 0.1}, {"progress_ratio": 0.7}, 0.01, 30.0),
        ({"progress_ratio": 0.1}, {"progress_ratio": 0.1}, None, None),
    ],
)
def test_rates(
    first: dict[str, Any], last: dict[str, Any], per_second: float | None, left: float | None
) -> None:
    """The rate is that between the pages, and the time left follows from it."""
    overview = Overview()
    overview.read(page("a", **first), NOW)

    (line,) = overview.read(page("a", **last), NOW + 60)

    assert line.per_second == (None if per_second is None else pytest.approx(per_second))
    assert line.seconds_left == (None if left is None else pytest.approx(left))


def test_a_job_that_is_gone_leaves_nothing() -> None:
    """What a page does not have is not shown, and begins anew when it returns."""
    overview = Overview()
    overview.read(page("a", progress_entries=0), NOW)

    assert overview.read(page("b"), NOW + 60)[0].job_id == "b"
    (line,) = overview.read(page("a", progress_entries=600), NOW + 120)
    assert line.per_second is None


def test_no_page() -> None:
    """What is no metrics page is refused; one without jobs has none."""
    assert Overview().read("up 1\n", NOW) == ()
    with pytest.raises(ValueError, match="html"):
        Overview().read("<html><body>", NOW)


def test_one_definition_of_stalled() -> None:
    """The page in the browser and the one in the terminal agree."""
    assert STALLED_AFTER == triage.STALLED_AFTER
