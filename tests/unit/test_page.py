import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import REASONS
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import (
    ErrorClass,
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
from exporter.web.rows import Asides, command
from exporter.web.views import View

NOW = 1_704_700_000.0
VOID = {"meta", "link", "input"}
DATA = Path(__file__).parents[1] / "data" / "page"


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
    return JobRef(**(known | facts), kind=UPSERT_COLLECTION_DATA)


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
    known: dict[str, Any] = {
        "version": "1.2.3",
        "telemetry_path": "/metrics",
        "view": View(),
        "asides": Asides(),
    }
    return Tree(page.render(taken, **(known | facts))).root


def cells(root: Element, job: int = 0) -> dict[str, str]:
    """Return the texts of a job's cells by their columns, its remarks under an empty name."""
    row = root.find("tbody")[job]
    texts = {"Job": row.find("th")[0].text}
    texts |= {str(cell.attributes.get("data-label", "")): cell.text for cell in row.find("td")}
    return texts


def every_state() -> Snapshot:
    """Jobs in each state, with each kind of trouble, and troubles beside the jobs."""
    states = (
        seen(
            ref(number, expected_entries=number * 2_500, labels=(("team", "search"), ("p", ""))),
            JobState(status, progress=6_000, created=NOW - 5_000, updated=NOW - 60),
            progress_per_second=12.5,
            planned_end=NOW + 5_000 - number * 1_000,
        )
        for number, status in enumerate(JobStatus, 1)
    )
    troubles = (
        seen(ref(20), running(error_text="x", completed=True, invalid_fields=("Progress",))),
        seen(ref(21), running(progress=None, created=None), progress_changed_at=NOW - 1_000),
        seen(ref(22, collection="<&\"'>"), up=False, reason="dns", answered_at=None),
        seen(ref(23), running(), up=False, reason="timeout", answered_at=NOW - 130),
        seen(
            ref(24),
            JobState(
                JobStatus.FAILED,
                error_text="No space left",
                error_class=ErrorClass.DISK_FULL,
            ),
        ),
        unasked(25),
        seen(ref(26), JobState(JobStatus.START), waits=True, behind=ref(21)),
        seen(ref(27), JobState(JobStatus.START), waits=None, behind=ref(25)),
    )
    health = {
        "east": TargetHealth(time_zone_suspect=True),
        "west": TargetHealth(clock_skew=-1300),
        "south": TargetHealth(clock_skew=59),
    }
    files = {"/a.yaml": True, "/b.yaml": False}
    return Snapshot(NOW, 0.1, (*states, *troubles), health, files)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("every-state", every_state()),
        ("no-jobs", Snapshot(NOW, 0.1, (), {}, {})),
        ("nothing-asked", Snapshot(NOW, 0.1, (unasked(),), {}, {})),
    ],
)
def test_the_page_is_as_it_was_read(name: str, taken: Snapshot) -> None:
    """The whole page, but for its style, is the text in ``tests/data/page`` that people review.

    ``GOLDEN=write`` in the environment writes it again.
    """
    html = page.render(
        taken, version="1.2.3", telemetry_path="/metrics", view=View(), asides=Asides()
    )
    text = re.sub(r"<style>.*?</style>", "<style>…</style>", html.decode(), flags=re.DOTALL)
    file = DATA / f"{name}.html"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, "utf-8")

    assert text == file.read_text("utf-8")


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


def test_a_late_first_answer_is_no_first_run() -> None:
    """Once anything was asked, the hint for the first time is gone."""
    assert "Nothing has been asked" not in rendered([unasked(1), seen(ref(2), running())]).text


def test_a_long_list_is_cut_and_says_so() -> None:
    """At most so many rows are sent; what is left out is counted, and can be found."""
    failed = JobState(JobStatus.FAILED, updated=NOW)
    observations = [seen(ref(number), failed) for number in range(9_999)]

    root = rendered([*observations, seen(ref(10_000), running())])

    assert len(root.find("tbody")) == page.MOST_ROWS
    assert "9,499 more are not listed here. Find them by id or collection" in root.text


def test_of_ended_jobs_the_last_are_listed() -> None:
    """They bury nothing: twenty are in sight, and a link lists the others."""
    done = [
        seen(ref(number), JobState(JobStatus.SUCCESS, updated=NOW - number)) for number in range(99)
    ]

    root = rendered(done)
    listed = read(Snapshot(NOW, 0.1, tuple(done), {}, {}), view=View(state="ended"))

    assert [it.text for it in root.find("bdi") if it.attributes.get("class") == "id"] == [
        f"job-{number}" for number in range(20)
    ]
    (link,) = (it for it in root.find("a") if it.text == "List them")
    assert link.attributes["href"] == View(state="ended").url()
    assert len(listed.find("tbody")) == 99


def test_a_filter_shows_what_it_finds_and_is_kept() -> None:
    """Only the jobs that are so; the form, and the links that pause and go on, keep it."""
    taken = Snapshot(NOW, 0.1, (seen(ref(1), running()), seen(ref(12), running())), {}, {})
    view = View(search="JOB-12", state="running")

    root = read(taken, view=view)

    assert "1 of 2 jobs: running, with JOB-12." in root.text
    assert len(root.find("tbody")) == 1
    assert root.find("input")[0].attributes["value"] == "JOB-12"
    (chosen,) = (it for it in root.find("option") if "selected" in it.attributes)
    assert chosen.attributes["value"] == "running"
    links = {it.text: it.attributes["href"] for it in root.find("a")}
    assert links["Pause"] == View("JOB-12", "running", paused=True).url()
    assert links["Show all"] == "./"
    assert "No job matches." in read(taken, view=View(search="nothing")).text


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
        kind=UPSERT_COLLECTION_DATA,
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
    bold = {it.text for it in root.find("bdi")}
    assert shown.strip() in bold
    assert root.find("progress")[0].attributes["aria-label"] == f"Progress of {shown}"
    tags = {tag for tag in ("script", "img", "title", "style") if root.find(tag)}
    assert tags == {tag for tag in ("script", "img", "title", "style") if clean.find(tag)}


def failed(text: str) -> Snapshot:
    """A job that failed with an error text."""
    state = JobState(JobStatus.FAILED, error_text=text, error_class=ErrorClass.TIMEOUT)
    return Snapshot(NOW, 0.1, (seen(ref(1), state),), {}, {})


def test_the_apis_error_text_is_on_the_page() -> None:
    """Whoever is on call reads why a job failed where they look first, cut and on one line."""
    short = read(failed("a\nb\x1b[31m <b>"))
    (long,) = read(failed("x" * 301)).find("q")

    assert short.find("q")[0].text == "a b [31m <b>"
    assert "The API says why (timeout):" in short.text
    assert long.text == "x" * 299 + "…"


def test_an_error_text_can_be_left_out() -> None:
    """Where the texts may quote what not everybody may read, the page does without them."""
    root = read(failed("secret stuff"), asides=Asides(error_text=lambda _: ""))

    assert not root.find("q")
    assert "secret stuff" not in root.text
    assert "page.error_text is off" in root.text


def test_an_error_text_is_redacted_before_it_is_cut() -> None:
    """No part of a secret is left at the end of what is shown."""
    asides = Asides(error_text=lambda text: text.replace("testpassword", "<secret>"))

    (shown,) = read(failed("x" * 290 + " testpassword"), asides=asides).find("q")

    assert "testp" not in shown.text


@pytest.mark.parametrize(
    ("job_id", "end"),
    [("job-1", "job-1"), ("it's", "'it'\"'\"'s'"), ("-x", "-- -x")],
)
def test_the_command_can_be_pasted(job_id: str, end: str) -> None:
    """Whatever an id is, a shell and the command take it as that id."""
    job = ref(job_id=job_id, collection="-c d", target="t")
    words = ("docker", "exec", "c0ffee", "python3", "query", "--config.file=/a b")

    assert command(job, words) == (
        "docker exec c0ffee python3 query '--config.file=/a b' --target=t "
        f"'--collection=-c d' {end}"
    )


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
    progress_per_second=st.floats(-1e18, 1e18) | st.none(),
    planned_end=st.floats(-1e18, 1e18) | st.none(),
)


@given(st.lists(observations, max_size=4))
def test_any_snapshot_gives_a_page(jobs: list[Observation]) -> None:
    """No combination of facts breaks the page or its markup."""
    root = rendered(jobs)

    assert len(root.find("tbody")) == len(jobs)


@pytest.mark.parametrize(
    ("shard", "told"),
    [
        (Shard(), "1 job is watched. The API was last queried"),
        (Shard(2, 3), "1 job is watched, those of shard 2 of 3. The API was last queried"),
    ],
)
def test_the_shard_is_told(shard: Shard, told: str) -> None:
    """A page that shows a share of the jobs says which; one that shows all says nothing of it."""
    root = read(Snapshot(NOW, 0.1, (seen(),), {}, {}), shard=shard)
    empty = read(Snapshot(NOW, 0.1, (), {}, {}), shard=shard)

    assert told in root.text
    assert ("in other shards" in empty.text) == (shard.of > 1)
