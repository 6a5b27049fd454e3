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
    State(15, "Failed", ACT, queries.FAILED),
    State(14, "Stalled", ACT, queries.STALLED),
    State(13, "Past deadline", ACT, queries.PAST_DEADLINE),
    State(12, "Stuck", WARN, queries.STUCK),
    State(11, "Query fails", WARN, queries.QUERY_FAILS),
    State(10, "Contradictory", WARN, queries.CONTRADICTS),
    State(9, "Unknown", WARN, queries.status("Unknown")),
    State(8, "Waiting", QUIET, queries.WAITS),
    State(7, "Cancelling", QUIET, queries.status("Cancelling")),
    State(6, "Starting", QUIET, queries.status("Start")),
    State(5, "Running", BUSY, queries.status("Running")),
    State(4, "Success", FINE, queries.status("Success")),
    State(3, "Cancelled", ENDED, queries.status("Cancelled")),
    State(2, "Failed earlier", ENDED, queries.status("Failed")),
    State(1, "No answer yet", ENDED, queries.fact("adbpg_job_info")),
)
"""The worst that can be said of a job comes first."""

TIMELINE = (
    State(9, "Stalled", ACT, queries.STALLED),
    State(8, "Running", BUSY, f"({queries.status('Running')} unless {queries.WAITS} == 1)"),
    State(7, "Waiting", QUIET, queries.WAITS),
    State(6, "Cancelling", QUIET, queries.status("Cancelling")),
    State(5, "Starting", QUIET, queries.status("Start")),
    State(4, "Unknown", WARN, queries.status("Unknown")),
    State(3, "Failed", ACT, queries.status("Failed")),
    State(2, "Cancelled", ENDED, queries.status("Cancelled")),
    State(1, "Success", FINE, queries.status("Success")),
)
"""What is under way comes first: it says more of a collection than an upload that ended."""

STATUS_COLOURS = {
    "Start": QUIET,
    "Running": BUSY,
    "Cancelling": QUIET,
    "Cancelled": ENDED,
    "Success": FINE,
    "Failed": ACT,
    "Unknown": WARN,
}


def number_of(states: tuple[State, ...]) -> str:
    """Return the expression that gives each job the number of its state."""
    return queries.first_of(*((state.expression, state.number) for state in states))
