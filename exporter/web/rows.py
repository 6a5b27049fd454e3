"""What the page says of one job, in words. Pure; the templates lay it out and escape it."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.model import JobRef, JobState, JobStatus, Observation, Unit, Usage
from exporter.web import wording
from exporter.web.triage import Case, Concern, Group, Remark, is_overdue

LONGEST_QUOTE = 300  # characters
COLUMNS = ("Job", "State", "Progress", "Age", "Deadline", "Last query")


@dataclass(frozen=True, slots=True)
class Words:
    """Words about a moment.

    Attributes:
        words: for people.
        machine: the moment in ISO 8601; empty where no calendar has it, or there is none.
        exact: the moment for a closer look; empty likewise.
        kind: its class in the style sheet; empty for none.
        more: a second line.
    """

    words: str
    machine: str = ""
    exact: str = ""
    kind: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Pill:
    """A state: the word says it, so that neither sign nor colour is needed.

    Attributes:
        sign: a character of a shape of its own.
        colour: its name in the style sheet.
        word: for people.
    """

    sign: str
    colour: str
    word: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark as the templates show it.

    Attributes:
        sign: of what it is about; goes with the colour.
        colour: its name in the style sheet.
        title: in a few words.
        text: in a sentence or two.
        quote: of the API's error text; empty for none.
        command: that queries the job; empty for none.
    """

    sign: str
    colour: str
    title: str
    text: str
    quote: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Asides:
    """What stands beside the facts of a job.

    Attributes:
        query_command: the words of the command ``query`` with its flags, that work for this
            process; the job's own follow.
        error_text: makes of an error text what may be shown of it; empty for nothing.
    """

    query_command: tuple[str, ...] = ("adbpg-job-exporter", "query")
    error_text: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        done: in numbers; None where the API does not say.
        of: what follows the number: the unit, or the total with it and the percentage, which is
            never rounded up to a whole that is not reached.
        maximum: of the bar; 0 for no bar, where no total is known.
        value: of the bar.
        rate: how fast it goes; empty where it is not known.
        usage: what the job has consumed; empty where the API does not say.
    """

    done: str | None
    of: str = ""
    maximum: int = 0
    value: int = 0
    rate: str = ""
    usage: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One job as the templates show it. What is None or empty has no words.

    Attributes:
        id: of the job.
        where: the collection and where it is, as names and values.
        labels: the configured job labels that are not empty.
        colour: of the worst remark, where it needs a person; else empty.
        pill: its state.
        behind: the id of the job that it waits behind; empty for none.
        waits: whether that is certain.
        progress: how far it is.
        age: since when it runs, or how long it took.
        deadline: when it should end, or should have ended.
        queried: when the last query ended.
        answered: when the API last answered for it.
        failing: whether the last query failed.
        findings: what is worth saying, the worst first.
    """

    id: str
    where: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    colour: str
    pill: Pill
    behind: str
    waits: bool
    progress: Progress | None
    age: Words | None
    deadline: Words | None
    queried: Words | None
    answered: Words | None
    failing: bool
    findings: tuple[Finding, ...]


_PILLS = {
    JobStatus.PENDING: Pill("◌", "waiting", "Pending"),
    JobStatus.START: Pill("▷", "start", "Start"),
    JobStatus.RUNNING: Pill("▶", "running", "Running"),
    JobStatus.CANCELLING: Pill("◧", "cancelling", "Cancelling"),
    JobStatus.CANCELLED: Pill("◼", "cancelled", "Cancelled"),
    JobStatus.SUCCESS: Pill("✓", "success", "Success"),
    JobStatus.FAILED: Pill("✕", "failed", "Failed"),
    JobStatus.UNKNOWN: Pill("?", "doubt", "Unknown"),
}
_NOT_QUERIED = Pill("○", "quiet", "Not queried yet")
_NOT_KNOWN = Pill("?", "doubt", "Not known")
_SIGNS = {
    Concern.FAILED: ("✕", "failed"),
    Concern.STALLED: ("‖", "stalled"),
    Concern.OVERDUE: ("◷", "late"),
    Concern.UNREADABLE: ("·", "quiet"),
}
_DOUBTFUL = ("?", "doubt")  # what cannot be relied on


def row(case: Case, now: float, asides: Asides) -> Row:
    """Return what is said of a job.

    Args:
        case: the job.
        now: Unix seconds, which times are relative to.
        asides: how to query it, and which error texts to show.
    """
    seen, ref = case.seen, case.seen.ref
    where = (
        ("kind", ref.kind),
        ("collection", ref.collection),
        ("namespace", ref.collection_namespace),
        ("instance", ref.db_instance_id),
        ("workspace", ref.workspace_id),
        ("target", ref.target),
    )
    findings = tuple(_finding(remark, ref, asides) for remark in case.remarks)
    return Row(
        id=ref.job_id,
        where=tuple(pair for pair in where if pair[1]),
        labels=tuple(pair for pair in ref.labels if pair[1]),
        colour=findings[0].colour if case.group is Group.TROUBLED else "",
        pill=_pill(seen),
        behind=seen.behind.job_id if seen.behind else "",
        waits=case.waits,
        progress=None if seen.state is None else _progress(seen, seen.state),
        age=None if seen.state is None else _age(case, seen.state),
        deadline=_deadline(case, now),
        queried=None if seen.queried_at is None else ago(seen.queried_at, now),
        answered=None if seen.answered_at is None else ago(seen.answered_at, now),
        failing=seen.up is False,
        findings=findings,
    )


def _finding(remark: Remark, ref: JobRef, asides: Asides) -> Finding:
    quote = cut(asides.error_text(remark.quote)) if remark.quote else ""
    text = remark.text
    if remark.quote and not quote:
        text = text.removesuffix(":") + "; page.error_text is off."
    return Finding(
        *_SIGNS.get(remark.concern, _DOUBTFUL),
        remark.title,
        text,
        quote,
        command(ref, asides.query_command) if remark.query_helps else "",
    )


def cut(text: str) -> str:
    """Return what the page shows of an error text: printable, and not too long."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return plain if len(plain) <= LONGEST_QUOTE else f"{plain[: LONGEST_QUOTE - 1]}…"


def command(ref: JobRef, words: tuple[str, ...]) -> str:
    """Return the command that queries a job, to be pasted into a shell."""
    end = ("--", ref.job_id) if ref.job_id.startswith("-") else (ref.job_id,)
    flags = [f"--target={ref.target}", f"--collection={ref.collection}"]
    if ref.kind != DEFAULT_KIND:
        flags.append(f"--kind={ref.kind}")
    return shlex.join((*words, *flags, *end))


def moment(timestamp: float, words: str, kind: str = "", more: str = "") -> Words:
    """Return words about a moment."""
    machine, exact = wording.utc(timestamp) or ("", "")
    return Words(words, machine, exact, kind, more)


def ago(timestamp: float, now: float) -> Words:
    """Return how long ago a moment was."""
    return moment(timestamp, f"{wording.duration(max(0.0, now - timestamp))} ago")


def _pill(seen: Observation) -> Pill:
    if seen.state is not None:
        return _PILLS[seen.state.status]
    return _NOT_QUERIED if seen.up is None else _NOT_KNOWN


def _progress(seen: Observation, state: JobState) -> Progress:
    done, expected = state.progress, seen.ref.expected_entries
    if done is None:
        return Progress(None)
    if KINDS[seen.ref.kind].unit is Unit.PERCENT:
        shown = f"{done}\N{NO-BREAK SPACE}%"
        return Progress(shown, maximum=100, value=done, usage=_usage(state.usage))
    known = state.status.is_active and seen.progress_per_second is not None
    rate = f"{wording.rate(seen.progress_per_second or 0.0)} entries/s" if known else ""
    if not expected:
        return Progress(wording.count(done), " entries", rate=rate)
    percent = done * 100 // expected
    share = f"{percent}" if percent <= 1_000 else "over 1,000"
    return Progress(
        done=wording.count(done),
        of=f" of {wording.count(expected)} entries, {share}\N{NO-BREAK SPACE}%",
        maximum=expected,
        value=min(max(done, 0), expected),
        rate=rate,
    )


def _usage(usage: Usage) -> str:
    llm = (usage.llm_input_tokens or 0) + (usage.llm_output_tokens or 0)
    parts = ((usage.embedding_tokens or 0, "embedding"), (llm, "LLM"))
    return ", ".join(f"{wording.count(tokens)} {name} tokens" for tokens, name in parts if tokens)


def _age(case: Case, state: JobState) -> Words:
    if case.age is None or state.created is None:
        return Words("not known", kind="none")
    words = wording.duration(case.age)
    if case.group is not Group.ENDED and not state.status.is_final:
        return moment(state.created, words)
    return moment(state.updated or state.created, f"took {words}")


def _deadline(case: Case, now: float) -> Words | None:
    seen, state, at = case.seen, case.seen.state, case.seen.planned_end
    if at is None or state is None:
        waiting = Words("not begun", kind="none", more="its time begins with its turn")
        return waiting if case.waits else None
    when = wording.clock(at, now)
    if is_overdue(seen, now):
        return moment(at, f"overdue by {wording.duration(now - at)}", "late", f"due {when}")
    distance = wording.duration(at - now)
    if state.status.is_active:
        return moment(at, f"in {distance}", more=when)
    if state.status is not JobStatus.SUCCESS or state.updated is None:
        # A job that failed did not meet it, however early.
        return moment(at, when, more=f"in {distance}" if at > now else f"{distance} ago")
    late = state.updated - at
    return moment(
        at, f"missed by {wording.duration(late)}" if late > 0 else "met", more=f"due {when}"
    )
