import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult
from exporter.web.triage import Case, examine
from exporter.web.views import CONCERNS, PARTS, STATES, View

NOW = 1_704_700_000.0
KEYS = [choice.key for choice in (*STATES, *PARTS, *CONCERNS)]


def case(
    status: JobStatus | None,
    job_id: str = "job-1",
    *,
    waits: bool | None = False,
    up: bool = True,
    error_text: str = "",
    progress_changed_at: float | None = None,
    planned_end: float | None = None,
) -> Case:
    """A job as the page has it."""
    ref = JobRef(
        "rag-prod",
        "cn-hangzhou",
        job_id,
        "Document",
        labels=(("team", "search"),),
        kind=UPSERT_COLLECTION_DATA,
    )
    state = None if status is None else JobState(status, error_text=error_text)
    observation = Observation(
        ref,
        ScrapeResult.FRESH,
        state,
        up=up,
        waits=waits,
        progress_changed_at=progress_changed_at,
        planned_end=planned_end,
    )
    return examine(observation, NOW)


cases = st.builds(
    case,
    st.sampled_from(JobStatus) | st.none(),
    waits=st.sampled_from([True, False, None]),
    up=st.booleans(),
    error_text=st.sampled_from(["", "x"]),
    progress_changed_at=st.sampled_from([None, 0.0, NOW]),
    planned_end=st.sampled_from([None, 0.0, NOW + 1]),
)


@given(st.lists(cases))
def test_the_tiles_add_up(jobs: list[Case]) -> None:
    """Each job is in exactly one tile, whatever else is wrong with it."""
    assert sum(len(View(state=choice.key).of(jobs)) for choice in STATES) == len(jobs)


@pytest.mark.parametrize("key", KEYS)
def test_each_choice_finds_its_jobs(key: str) -> None:
    """A state finds the jobs that are so, and no others."""
    jobs = {
        "under-way running": case(JobStatus.RUNNING),
        "under-way start": case(JobStatus.START, waits=None),
        "under-way cancelling": case(JobStatus.CANCELLING),
        "waiting start": case(JobStatus.START, waits=True),
        "failed attention": case(JobStatus.FAILED),
        "unknown attention": case(JobStatus.UNKNOWN),
        "unknown": case(None),
        "unknown attention query-failing": case(None, up=False),
        "success ended": case(JobStatus.SUCCESS),
        "cancelled ended": case(JobStatus.CANCELLED),
        "cancelled attention error": case(JobStatus.CANCELLED, error_text="x"),
        "success attention error contradictory": case(JobStatus.SUCCESS, error_text="x"),
        "under-way running attention stalled": case(JobStatus.RUNNING, progress_changed_at=1.0),
        "under-way running attention overdue": case(JobStatus.RUNNING, planned_end=1.0),
    }

    found = View(state=key).of(list(jobs.values()))

    assert found == [job for words, job in jobs.items() if key in words.split()]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("job-1", True),
        ("OB-1", True),
        ("document", True),
        ("search", True),
        ("rag-prod", True),
        ("job-2", False),
        ("cn-hangzhou", False),
    ],
)
def test_jobs_are_found_by_what_stands_beside_them(search: str, found: bool) -> None:  # noqa: FBT001
    """Part of the id, the collection, another name or a label, in any case of letters."""
    assert bool(View(search=search).of([case(JobStatus.RUNNING)])) is found


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ("", View()),
        ("q=&state=", View()),
        ("q=a+b%2F&state=failed&paused=1", View("a b/", "failed", paused=True)),
        ("paused", View(paused=True)),
        ("state=nothing&q=%20x%20", View("x")),
        ("q=" + "x" * 300, View("x" * 200)),
        ("q=%ff&q=b", View("\ufffd")),
        ("q=<b>&unknown=1", View("<b>")),
    ],
)
def test_a_view_is_read_from_its_url(query: str, view: View) -> None:
    """What makes no sense there is left out; nothing of it is an error."""
    assert View.parse(query) == view


@given(st.text(max_size=200).map(str.strip), st.sampled_from(["", *KEYS]), st.booleans())
def test_a_view_keeps_what_it_shows(search: str, state: str, paused: bool) -> None:  # noqa: FBT001
    """The address of a view leads to the same view: a link, a refresh and a bookmark keep it."""
    search = search.encode(errors="replace").decode()
    view = View(search, state, paused)

    path, _, query = view.url().partition("?")

    assert path == "./"
    assert query.isascii()
    assert View.parse(query) == view
