from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import REASONS
from exporter.model import (
    JobRef,
    JobState,
    JobStatus,
    Observation,
    ScrapeResult,
    Shard,
    Snapshot,
    TargetHealth,
)
from exporter.web import page
from exporter.web.wording import ADVICE

NOW = 1_704_700_000.0
VOID = {"meta", "link"}


@dataclass
class Element:
    """What stands between a tag's two ends."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Element"] = field(default_factory=list)
    own_text: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, blanks made one."""
        return " ".join("".join(self.own_text).split())

    def find(self, tag: str) -> list["Element"]:
        """Return all elements of a tag inside, in the page's order."""
        found = [self] if self.tag == tag else []
        return found + [inner for child in self.children for inner in child.find(tag)]


class Tree(HTMLParser):
    """Reads a page strictly: every tag must be closed by its own end."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(html.decode())
        self.close()
        assert self.open == [self.root], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open."""
        assert len(dict(attrs)) == len(attrs), "an attribute came twice"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        """Close."""
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Text belongs to all that are open."""
        for element in self.open:
            element.own_text.append(data)


def ref(number: int = 1, **facts: Any) -> JobRef:
    """A job."""
    known: dict[str, Any] = {
        "target": "rag-prod",
        "region_id": "cn-hangzhou",
        "job_id": f"job-{number}",
        "collection": "document",
        "collection_namespace": "rag",
        "db_instance_id": "gp-1",
    }
    return JobRef(**(known | facts))


def seen(job: JobRef | None = None, state: JobState | None = None, **facts: Any) -> Observation:
    """A job, asked four seconds ago with success unless told otherwise."""
    known: dict[str, Any] = {"result": ScrapeResult.FRESH, "up": True}
    known |= {"queried_at": NOW - 4, "answered_at": NOW - 4}
    return Observation(job or ref(), state=state, **(known | facts))


def unasked(number: int = 1) -> Observation:
    """A job before the first query."""
    return Observation(ref(number), ScrapeResult.LATE)


def running(**facts: Any) -> JobState:
    """A job that began five minutes ago and has uploaded 1,600 entries."""
    known: dict[str, Any] = {"progress": 1600, "created": NOW - 300, "updated": NOW - 6}
    return JobState(JobStatus.RUNNING, **(known | facts))


def rendered(observations: Iterable[Observation], **snapshot: Any) -> Element:
    """Read the page of these jobs."""
    known: dict[str, Any] = {"targets": {}, "file_errors": {}}
    taken = Snapshot(NOW, 0.1, tuple(observations), **(known | snapshot))
    return read(taken)


def read(taken: Snapshot, **facts: Any) -> Element:
    """Read the page of a snapshot."""
    known: dict[str, Any] = {"version": "1.2.3", "telemetry_path": "/metrics"}
    return Tree(page.render(taken, host="there:10077", **(known | facts))).root


def cells(root: Element, job: int = 0) -> dict[str, str]:
    """Return the texts of a job's cells by their columns, its remarks under an empty name."""
    row = root.find("tbody")[job]
    texts = {"Job": row.find("th")[0].text}
    texts |= {str(cell.attributes.get("data-label", "")): cell.text for cell in row.find("td")}
    return texts


def tiles(root: Element) -> dict[str, str]:
    """Return the summary's numbers by their names."""
    (summary,) = root.find("dl")
    names, numbers = summary.find("dt"), summary.find("dd")
    return {name.text: number.text for name, number in zip(names, numbers, strict=True)}


def test_a_job_is_shown_whole() -> None:
    """Everything that is known of a job under way stands in its row."""
    job = ref(expected_entries=500_000, labels=(("team", "search"), ("pipeline", "")))
    state = running(progress=123_456)
    observation = seen(job, state, entries_per_second=1012.3, deadline_at=NOW + 1900)

    assert cells(rendered([observation])) == {
        "Job": "job-1collection document namespace rag instance gp-1 target rag-prod team search",
        "State": "▶ Running",
        "Progress": "123,456 of 500,000 entries, 24 %1,012 entries/s",
        "Age": "5 min",
        "Deadline": "in 31 min",
        "Last query": "4 s ago",
    }


def test_progress_has_a_bar_where_there_is_a_total() -> None:
    """The bar has its total, its value and a name for who cannot see it."""
    (bar,) = rendered([seen(ref(expected_entries=2000), running())]).find("progress")

    assert bar.attributes["value"] == "1600"
    assert bar.attributes["max"] == "2000"
    assert bar.attributes["aria-label"] == "Progress of job-1"


def test_progress_without_a_total_is_a_count() -> None:
    """No bar is drawn against a total that nobody knows."""
    root = rendered([seen(state=running())])

    assert not root.find("progress")
    assert cells(root)["Progress"] == "1,600 entries"


@pytest.mark.parametrize(
    ("progress", "value", "percent"),
    [
        (1999, "1999", "99 %"),
        (2000, "2000", "100 %"),
        (5000, "2000", "250 %"),
        (10**400, "2000", "over 1,000 %"),
    ],
)
def test_a_share_is_never_rounded_up(progress: int, value: str, percent: str) -> None:
    """100 % means all; more than was expected is said, and fills the bar."""
    root = rendered([seen(ref(expected_entries=2000), running(progress=progress))])

    assert root.find("progress")[0].attributes["value"] == value
    assert cells(root)["Progress"].endswith(percent)


def test_what_is_not_known_is_said_so() -> None:
    """A state without its facts shows no zero in their place."""
    texts = cells(rendered([seen(state=JobState(JobStatus.RUNNING))]))

    assert texts["Progress"] == "not known"
    assert texts["Age"] == "not known"


def test_a_final_job_tells_how_long_it_took() -> None:
    """Age and deadline of a final job stand still."""
    state = JobState(JobStatus.SUCCESS, created=NOW - 90_000, updated=NOW - 90_000 + 3661)
    early = seen(ref(1), state, deadline_at=NOW - 80_000)
    late = seen(ref(2), state, deadline_at=NOW - 90_000 + 3600)

    root = rendered([early, late])

    assert cells(root, 0)["Age"] == "took 1 h 1 min"
    assert cells(root, 0)["Deadline"] == "met"
    assert cells(root, 1)["Deadline"] == "missed by 1 min"


def test_times_are_there_for_machines_and_a_closer_look() -> None:
    """Words about a moment carry the moment itself, in UTC."""
    (time,) = rendered([seen(state=running())]).find("tbody")[0].find("td")[-1].find("time")

    assert time.attributes == {
        "datetime": "2024-01-08T07:46:36Z",
        "title": "2024-01-08 07:46:36 UTC",
    }


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_told_in_words(reason: str) -> None:
    """For each way a query can fail the page says what happened, and what to do."""
    observation = seen(up=False, reason=reason, result=ScrapeResult.FAILED, answered_at=NOW - 130)

    texts = cells(rendered([observation]))

    assert texts["Last query"] == "failed 4 s agoanswered 2 min ago"
    assert texts[""].startswith(f"Query failing: {reason}. {ADVICE[reason].what} ")
    assert texts[""].endswith(ADVICE[reason].remedy)


def test_every_advice_is_for_a_reason() -> None:
    """No advice is left over for a reason that no longer exists."""
    assert set(ADVICE) == set(REASONS)


@pytest.mark.parametrize("status", JobStatus)
def test_every_state_is_told_in_words(status: JobStatus) -> None:
    """A state is a word; sign and colour only go with it."""
    root = rendered([seen(state=JobState(status))])

    (sign,) = (mark for mark in root.find("td")[0].find("span") if "aria-hidden" in mark.attributes)
    assert cells(root)["State"] == f"{sign.text} {status}"


def test_jobs_are_counted() -> None:
    """The summary counts by state, and failing queries across states."""
    states = [*JobStatus, JobStatus.RUNNING]
    observations = [seen(ref(number), JobState(status)) for number, status in enumerate(states)]
    failing = seen(ref(50), running(), up=False, reason="dns")

    root = rendered([*observations, failing, unasked(60)])

    assert tiles(root) == {
        "Under way": "5",
        "Failed": "1",
        "Query failing": "1",
        "State not known": "2",
        "Succeeded": "1",
        "Cancelled": "1",
    }
    assert "10 jobs are watched. The API was last asked 4 s ago." in root.text


def test_trouble_comes_first() -> None:
    """Jobs that need a person, then those under way, then unknown ones, then ended ones."""
    ended = JobState(JobStatus.SUCCESS, updated=NOW - 50)
    observations = (
        seen(ref(1), ended),
        unasked(2),
        seen(ref(3), running()),
        seen(ref(4), JobState(JobStatus.SUCCESS, completed=False)),
        seen(ref(5), JobState(JobStatus.CANCELLED, updated=NOW - 40)),
        seen(ref(6), JobState(JobStatus.FAILED)),
    )

    root = rendered(observations)

    assert [bold.text for bold in root.find("bdi") if bold.attributes.get("class") == "id"] == [
        "job-6",
        "job-4",
        "job-3",
        "job-2",
        "job-5",
        "job-1",
    ]
    assert [heading.text for heading in root.find("h2")] == [
        "Needs attention 2",
        "Under way 1",
        "No state yet 1",
        "Ended 2",
    ]


def test_no_trouble_is_said() -> None:
    """A reader need not search a page for nothing."""
    assert "Nothing needs attention." in rendered([seen(state=running())]).text
    assert "Nothing needs attention." not in rendered([unasked()]).text


def test_no_job_is_explained() -> None:
    """Without any job the page says where jobs come from."""
    assert "No job is watched." in rendered([]).text


def test_no_scrape_is_explained() -> None:
    """Before the first scrape the page says who asks, and how to ask by hand."""
    root = rendered([unasked()])

    assert "Nothing has been asked yet: Prometheus drives the queries." in root.text
    assert "curl http://there:10077/metrics" in root.text
    assert cells(root)["State"] == "○ Not asked yet"
    assert cells(root)["Last query"] == "never"


def test_a_late_first_answer_is_no_first_run() -> None:
    """Once anything was asked, the hint for the first time is gone."""
    assert "Nothing has been asked" not in rendered([unasked(1), seen(ref(2), running())]).text


def test_troubles_beside_the_jobs_are_told() -> None:
    """Unreadable job files, a suspect time zone and a wrong clock stand above the jobs."""
    health = {
        "east": TargetHealth(time_zone_suspect=True),
        "west": TargetHealth(clock_skew=-1300),
        "south": TargetHealth(clock_skew=59),
    }

    text = rendered([], targets=health, file_errors={"/a.yaml": True, "/b.yaml": False}).text

    assert "The job file /a.yaml cannot be read." in text
    assert "The times of target east seem to be of another time zone." in text
    assert "The clock of target west is 21 min behind this machine's." in text
    assert "/b.yaml" not in text
    assert "south" not in text


def test_a_long_list_is_cut_and_says_so() -> None:
    """At most so many rows are sent; what is left out is counted, and the summary has it."""
    done = JobState(JobStatus.SUCCESS, updated=NOW)
    observations = [seen(ref(number), done) for number in range(9_998)]

    root = rendered([*observations, seen(ref(10_000), running()), unasked(10_001)])

    assert len(root.find("tbody")) == page.MOST_ROWS
    assert "9,000 more are not listed here. The metrics have them all." in root.text
    assert tiles(root)["Succeeded"] == "9,998"


@pytest.mark.parametrize(("jobs", "folded"), [(20, 0), (21, 1)])
def test_many_ended_jobs_are_folded(jobs: int, folded: int) -> None:
    """A few ended jobs are in sight, many wait behind one line."""
    done = JobState(JobStatus.SUCCESS)

    root = rendered([seen(ref(number), done) for number in range(jobs)])

    assert len(root.find("details")) == folded
    assert len(root.find("tbody")) == jobs


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "'&amp;&lt;",
    "</title></style></table>",
    "مجموعة المستندات",
    "文档集合",
    "\u202eabc",
    "x" * 256,
    "a\u0301\U0001f4da",
    "\ud800",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(hostile: str) -> None:
    """Whatever stands in ids, names, labels, paths and reasons is shown, and never is markup."""
    job = JobRef(
        target=hostile,
        region_id=hostile,
        job_id=hostile,
        collection=hostile,
        collection_namespace=hostile,
        workspace_id=hostile,
        expected_entries=10,
        labels=(("team", hostile),),
    )
    observations = [
        seen(job, running(error_text=hostile, invalid_fields=(hostile,))),
        seen(job, up=False, reason=hostile),
    ]
    health = {hostile: TargetHealth(time_zone_suspect=True)}

    root = rendered(observations, targets=health, file_errors={hostile: True})
    clean = rendered(
        [seen(ref(labels=(("team", "t"),), expected_entries=10), running()), seen(up=False)],
        targets={"t": TargetHealth(time_zone_suspect=True)},
        file_errors={"f": True},
    )

    shown = hostile.encode(errors="replace").decode()
    assert root.find("bdi")[-1].text == shown
    assert root.find("progress")[0].attributes["aria-label"] == f"Progress of {shown}"
    tags = {tag for tag in ("script", "img", "title", "style") if root.find(tag)}
    assert tags == {tag for tag in ("script", "img", "title", "style") if clean.find(tag)}


def test_the_apis_error_text_is_not_on_the_page() -> None:
    """It can hold anything: the page names the command that shows it to who may ask the API."""
    job = ref(job_id="it's", collection="two words")
    state = JobState(JobStatus.FAILED, error_text="password testpassword is wrong")

    root = rendered([seen(job, state)])

    assert "testpassword" not in root.text
    (command,) = root.find("code")
    assert command.text == (
        "adbpg-job-exporter query 'it'\"'\"'s' --target rag-prod --collection 'two words'"
    )


def test_tables_are_tables_for_screen_readers() -> None:
    """Captions, header cells and roles stay though narrow screens lay rows out as cards."""
    (table,) = rendered([seen(state=running())]).find("table")

    assert table.find("caption")[0].text == "Jobs under way"
    headers = [(head.attributes["scope"], head.attributes["role"]) for head in table.find("th")]
    assert headers == [("col", "columnheader")] * 6 + [("row", "rowheader")]
    assert {row.attributes["role"] for row in table.find("tr")} == {"row"}
    assert {cell.attributes["role"] for cell in table.find("td")} == {"cell"}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, and no address but its own paths and an icon in the page itself."""
    root = rendered([seen(state=running())])

    assert not root.find("script")
    links = [element.attributes["href"] or "" for element in root.find("a") + root.find("link")]
    assert all(link.startswith(("/", "data:")) for link in links)
    assert "url(" not in root.find("style")[0].text
    assert "@import" not in root.find("style")[0].text


states = st.builds(
    JobState,
    status=st.sampled_from(JobStatus),
    completed=st.none() | st.booleans(),
    progress=st.integers(0, 10**400) | st.none(),
    created=st.floats(-1e18, 1e18) | st.none(),
    updated=st.floats(-1e18, 1e18) | st.none(),
    error_text=st.text(),
    invalid_fields=st.lists(st.text()).map(tuple),
)
observations = st.builds(
    Observation,
    ref=st.builds(
        ref,
        job_id=st.text(),
        collection=st.text(),
        expected_entries=st.none() | st.integers(0, 10**18),
    ),
    result=st.sampled_from(ScrapeResult),
    state=states | st.none(),
    up=st.none() | st.booleans(),
    reason=st.text() | st.sampled_from(REASONS),
    queried_at=st.floats(-1e18, 1e18) | st.none(),
    answered_at=st.floats(-1e18, 1e18) | st.none(),
    progress_changed_at=st.floats(-1e18, 1e18) | st.none(),
    entries_per_second=st.floats(-1e18, 1e18) | st.none(),
    deadline_at=st.floats(-1e18, 1e18) | st.none(),
)


@given(st.lists(observations, max_size=4))
def test_any_snapshot_gives_a_page(jobs: list[Observation]) -> None:
    """No combination of facts breaks the page or its markup."""
    root = rendered(jobs)

    assert len(root.find("tbody")) == len(jobs)


@pytest.mark.parametrize(
    ("shard", "told"),
    [
        (Shard(), "1 job is watched. The API was last asked"),
        (Shard(2, 3), "1 job is watched, those of shard 2 of 3. The API was last asked"),
    ],
)
def test_the_shard_is_told(shard: Shard, told: str) -> None:
    """A page that shows a share of the jobs says which; one that shows all says nothing of it."""
    root = read(Snapshot(NOW, 0.1, (seen(),), {}, {}), shard=shard)
    empty = read(Snapshot(NOW, 0.1, (), {}, {}), shard=shard)

    assert told in root.text
    assert ("in other shards" in empty.text) == (shard.of > 1)
