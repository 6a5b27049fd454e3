"""Which jobs a view of the page shows: the query of its URL, and what can be chosen there. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from exporter.model import JobStatus
from exporter.web.triage import Case, Concern, Group

LONGEST_SEARCH = 200  # characters


@dataclass(frozen=True, slots=True)
class Choice:
    """Some of the jobs.

    Attributes:
        key: its value in the URL.
        label: for people.
        holds: whether a job is one of them.
        colour: its name in the style sheet; empty for none.
    """

    key: str
    label: str
    holds: Callable[[Case], bool]
    colour: str = ""


def _has(*statuses: JobStatus) -> Callable[[Case], bool]:
    return lambda case: case.status in statuses


def _about(*concerns: Concern) -> Callable[[Case], bool]:
    return lambda case: any(remark.concern in concerns for remark in case.remarks)


STATES = (
    Choice("under-way", "Under way", lambda c: c.status.is_active and not c.waits, "running"),
    Choice("waiting", "Waiting", lambda c: c.waits, "waiting"),
    Choice("failed", "Failed", _has(JobStatus.FAILED), "failed"),
    Choice("unknown", "Not known", _has(JobStatus.UNKNOWN), "doubt"),
    Choice("success", "Succeeded", _has(JobStatus.SUCCESS), "success"),
    Choice("cancelled", "Cancelled", _has(JobStatus.CANCELLED), "cancelled"),
)
"""Each job is in exactly one."""

PARTS = (
    Choice("pending", "Pending", _has(JobStatus.PENDING)),
    Choice("start", "Start", _has(JobStatus.START)),
    Choice("running", "Running", _has(JobStatus.RUNNING)),
    Choice("cancelling", "Cancelling", _has(JobStatus.CANCELLING)),
    Choice("ended", "Ended without trouble", lambda case: case.group is Group.ENDED),
)

CONCERNS = (
    Choice("attention", "Needs attention", lambda case: case.group is Group.TROUBLED),
    Choice("stalled", "Stalled", _about(Concern.STALLED), "stalled"),
    Choice("overdue", "Overdue", _about(Concern.OVERDUE), "late"),
    Choice("query-failing", "Query failing", _about(Concern.QUERY), "doubt"),
    Choice("error", "Error reported", _about(Concern.ERROR), "doubt"),
    Choice("contradictory", "Contradictory", _about(Concern.CONTRADICTION), "doubt"),
)
"""A job can be in several, or in none."""

_BY_KEY = {choice.key: choice for choice in (*STATES, *PARTS, *CONCERNS)}


@dataclass(frozen=True, slots=True)
class View:
    """What a reader wants to see.

    Attributes:
        search: what the id, the collection or another text beside them must have in it.
        state: the key of a choice; empty for all jobs.
        paused: whether the page stands still.
    """

    search: str = ""
    state: str = ""
    paused: bool = False

    @classmethod
    def parse(cls, query: str) -> "View":
        """Return the view of a URL's query; what makes no sense there is left out."""
        fields = parse_qs(query, keep_blank_values=True)
        state = fields.get("state", [""])[0]
        return cls(
            fields.get("q", [""])[0][:LONGEST_SEARCH].strip(),
            state if state in _BY_KEY else "",
            "paused" in fields,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves jobs out."""
        return bool(self.search or self.state)

    @property
    def label(self) -> str:
        """The chosen state, for people; empty for none."""
        return _BY_KEY[self.state].label if self.state else ""

    def url(
        self, *, search: str | None = None, state: str | None = None, paused: bool | None = None
    ) -> str:
        """Return a relative reference to this view, with what is given in place of its own."""
        fields = {
            "q": self.search if search is None else search,
            "state": self.state if state is None else state,
            "paused": "1" if (self.paused if paused is None else paused) else "",
        }
        query = urlencode({key: value for key, value in fields.items() if value}, errors="replace")
        return f"./?{query}" if query else "./"

    def of(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Return the jobs of this view, in their order."""
        wanted = self.search.casefold()
        holds = _BY_KEY[self.state].holds if self.state else lambda _: True
        return [case for case in cases if holds(case) and (not wanted or _has_text(case, wanted))]


def _has_text(case: Case, wanted: str) -> bool:
    ref = case.seen.ref
    texts = (*ref.identity, ref.kind, ref.target, *(value for _, value in ref.labels))
    return any(wanted in text.casefold() for text in texts)
