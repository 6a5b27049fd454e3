"""Colours, and what the states of jobs are called. Each colour has one meaning everywhere."""

from dataclasses import dataclass

from grafana.dashboard_code import queries

ACT = "red"  # somebody must act
WARN = "orange"
FINE = "green"
BUSY = "blue"  # under way
QUIET = "light-blue"  # begins, or is not known yet
ENDED = "#8e8e8e"
LONG_ENDED = "#5e5e5e"
PLAIN = "text"

# Of jobs: one for each state, the same as on the page for people (exporter/web/page.css). They
# can be told apart with each kind of colour blindness, on light and on dark.
START = "#43abf4"
RUNNING = "#125ee9"
WAITING = "#c5cce7"
CANCELLING = "#8644ac"
CANCELLED = "#868778"
SUCCESS = "#11df9a"
FAILED = "#bc3229"
STALLED = "#e77732"  # stuck, too
LATE = "#eed641"
DOUBT = "#bf67a4"  # what is said of it cannot be relied on


@dataclass(frozen=True, slots=True)
class State:
    """How a job is doing, as the dashboards say it.

    Attributes:
        number: what stands for it in a series; the worst have the largest.
        text: for people.
        colour: by its meaning.
        expression: 1 for a job that is so.
    """

    number: int
    text: str
    colour: str
    expression: str


FINDINGS = (
    State(15, "Failed", FAILED, queries.FAILED),
    State(14, "Stalled", STALLED, queries.STALLED),
    State(13, "Past deadline", LATE, queries.PAST_DEADLINE),
    State(12, "Stuck", STALLED, queries.STUCK),
    State(11, "Query fails", DOUBT, queries.QUERY_FAILS),
    State(10, "Contradictory", DOUBT, queries.CONTRADICTS),
    State(9, "Unknown", DOUBT, queries.status("Unknown")),
    State(8, "Waiting", WAITING, queries.WAITS),
    State(7, "Cancelling", CANCELLING, queries.status("Cancelling")),
    State(6, "Starting", START, queries.status("Pending|Start")),
    State(5, "Running", RUNNING, queries.status("Running")),
    State(4, "Success", SUCCESS, queries.status("Success")),
    State(3, "Cancelled", CANCELLED, queries.status("Cancelled")),
    State(2, "Failed earlier", LONG_ENDED, queries.status("Failed")),
    State(1, "No answer yet", ENDED, queries.fact("adbpg_job_info")),
)
"""The worst that can be said of a job comes first."""

TIMELINE = (
    State(9, "Stalled", STALLED, queries.STALLED),
    State(8, "Running", RUNNING, f"({queries.status('Running')} unless {queries.WAITS} == 1)"),
    State(7, "Waiting", WAITING, queries.WAITS),
    State(6, "Cancelling", CANCELLING, queries.status("Cancelling")),
    State(5, "Starting", START, queries.status("Pending|Start")),
    State(4, "Unknown", DOUBT, queries.status("Unknown")),
    State(3, "Failed", FAILED, queries.status("Failed")),
    State(2, "Cancelled", CANCELLED, queries.status("Cancelled")),
    State(1, "Success", SUCCESS, queries.status("Success")),
)
"""What is under way comes first: it says more of a collection than an upload that ended."""

STATUS_COLOURS = {
    "Pending": WAITING,
    "Start": START,
    "Running": RUNNING,
    "Cancelling": CANCELLING,
    "Cancelled": CANCELLED,
    "Success": SUCCESS,
    "Failed": FAILED,
    "Unknown": DOUBT,
}


def number_of(states: tuple[State, ...]) -> str:
    """Return the expression that gives each job the number of its state."""
    return queries.first_of(*((state.expression, state.number) for state in states))
