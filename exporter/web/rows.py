"""The rows of the status page: one job each. Pure; every value is escaped."""

from html import escape

from exporter.model import JobState, JobStatus, Observation
from exporter.web import wording
from exporter.web.triage import Case, Group, Level, Remark, is_overdue

COLUMNS = ("Job", "State", "Progress", "Age", "Deadline", "Last query")

# Sign and class; the word stands beside it, so that neither sign nor colour is needed.
_SIGNS = {
    JobStatus.START: ("▷", "active"),
    JobStatus.RUNNING: ("▶", "active"),
    JobStatus.CANCELLING: ("◼", "active"),
    JobStatus.CANCELLED: ("◼", "quiet"),
    JobStatus.SUCCESS: ("✓", "good"),
    JobStatus.FAILED: ("✕", "bad"),
    JobStatus.UNKNOWN: ("?", "warning"),
}
_LEVELS = {Level.BAD: "bad", Level.WARNING: "warning", Level.NOTE: "note"}
_NONE = '<span class="none">not known</span>'


def row(case: Case, now: float) -> str:
    """Return a job as a table body of one row, or of two where there is more to say.

    Args:
        case: the job.
        now: Unix seconds, that times are told against.
    """
    seen = case.seen
    level = f' class="{_LEVELS[case.remarks[0].level]}"' if case.remarks else ""
    cells = (_state(seen), _progress(seen), _age(case), _deadline(seen, now), _query(seen, now))
    data = "".join(
        f'<td role="cell" data-label="{label}"><div>{cell}</div></td>'
        for label, cell in zip(COLUMNS[1:], cells, strict=True)
    )
    remarks = "".join(map(_remark, case.remarks))
    more = (
        f'<tr role="row" class="remarks"><td role="cell" colspan="{len(COLUMNS)}"><ul>{remarks}'
        "</ul></td></tr>"
        if remarks
        else ""
    )
    return (
        f'<tbody role="rowgroup"{level}><tr role="row">'
        f'<th role="rowheader" scope="row">{_name(seen)}</th>{data}</tr>{more}</tbody>'
    )


def moment(timestamp: float, words: str) -> str:
    """Return words about a moment, with the moment itself for machines and for a closer look."""
    texts = wording.utc(timestamp)
    if texts is None:
        return escape(words)
    return f'<time datetime="{texts[0]}" title="{texts[1]}">{escape(words)}</time>'


def ago(timestamp: float, now: float) -> str:
    """Return how long ago a moment was."""
    return moment(timestamp, f"{wording.duration(max(0.0, now - timestamp))} ago")


def _name(seen: Observation) -> str:
    ref = seen.ref
    places = (
        ("collection", ref.collection),
        ("namespace", ref.collection_namespace),
        ("instance", ref.db_instance_id),
        ("workspace", ref.workspace_id),
        ("target", ref.target),
    )
    where = "".join(_pair(key, value) for key, value in places if value)
    labels = "".join(_pair(key, value) for key, value in ref.labels if value)
    tags = f'<span class="labels">{labels}</span>' if labels else ""
    return f'<bdi class="id">{escape(ref.job_id)}</bdi><span class="where">{where}</span>{tags}'


def _pair(key: str, value: str) -> str:
    return f"<span><i>{escape(key)}</i> <bdi>{escape(value)}</bdi></span> "


def _state(seen: Observation) -> str:
    if seen.state is not None:
        sign, kind = _SIGNS[seen.state.status]
        return _pill(sign, kind, seen.state.status)
    if seen.up is None:
        return _pill("○", "quiet", "Not asked yet")
    return _pill("?", "quiet", "Not known")


def _pill(sign: str, kind: str, word: str) -> str:
    return f'<span class="pill {kind}"><span aria-hidden="true">{sign}</span> {word}</span>'


def _progress(seen: Observation) -> str:
    state, expected = seen.state, seen.ref.expected_entries
    if state is None:
        return ""
    if state.progress is None:
        return _NONE
    done = f"<b>{wording.count(state.progress)}</b>"
    if not expected:
        return f'<span class="count">{done} entries</span>{_rate(seen, state)}'
    value = min(max(state.progress, 0), expected)
    percent = _percent(state.progress, expected)
    return (
        f'<progress class="{_SIGNS[state.status][1]}" '
        f'aria-label="Progress of {escape(seen.ref.job_id)}" '
        f'max="{expected}" value="{value}"></progress>'
        f'<span class="count">{done} of {wording.count(expected)} entries, {percent}'
        f"</span>{_rate(seen, state)}"
    )


def _percent(progress: int, expected: int) -> str:
    """Return a share, never rounded up to a whole that is not reached."""
    percent = progress * 100 // expected
    return f"{percent}&nbsp;%" if percent <= 1_000 else "over 1,000&nbsp;%"


def _rate(seen: Observation, state: JobState) -> str:
    if seen.entries_per_second is None or not state.status.is_active:
        return ""
    return f'<span class="rate">{wording.rate(seen.entries_per_second)} entries/s</span>'


def _age(case: Case) -> str:
    state = case.seen.state
    if case.age is None or state is None or state.created is None:
        return _NONE if state is not None else ""
    words = wording.duration(case.age)
    if case.group is not Group.ENDED and not state.status.is_final:
        return moment(state.created, words)
    return moment(state.updated or state.created, f"took {words}")


def _deadline(seen: Observation, now: float) -> str:
    at, state = seen.deadline_at, seen.state
    if at is None or state is None:
        return ""
    if is_overdue(seen, now):
        words = f"overdue by {wording.duration(now - at)}"
        return f'<strong class="late">{moment(at, words)}</strong>'
    if state.status.is_active:
        return moment(at, f"in {wording.duration(at - now)}")
    if state.status is not JobStatus.SUCCESS or state.updated is None:
        return moment(at, "set")  # a job that failed did not meet it, however early
    if state.updated > at:
        return moment(at, f"missed by {wording.duration(state.updated - at)}")
    return moment(at, "met")


def _query(seen: Observation, now: float) -> str:
    if seen.queried_at is None:
        return '<span class="none">never</span>'
    asked = ago(seen.queried_at, now)
    if seen.up is not False:
        return asked
    answered = (
        "never answered" if seen.answered_at is None else f"answered {ago(seen.answered_at, now)}"
    )
    return f'<strong class="failed">failed {asked}</strong><span class="sub">{answered}</span>'


def _remark(remark: Remark) -> str:
    command = f"<code>{escape(remark.command)}</code>" if remark.command else ""
    return (
        f'<li class="{_LEVELS[remark.level]}"><b>{escape(remark.title)}.</b> '
        f"{escape(remark.text)}{command}</li>"
    )
