"""Which jobs need a person, and why. Pure."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.advice import ADVICE
from exporter.gpdb.kinds import KINDS
from exporter.model import ErrorClass, JobState, JobStatus, Observation
from exporter.web.wording import duration

STALLED_AFTER = 900.0  # seconds without progress; as the alert AdbpgJobStalled has it


class Level(enum.IntEnum):
    """How much a remark matters; the lower, the more."""

    BAD = 0
    WARNING = 1
    NOTE = 2


class Concern(enum.Enum):
    """What a remark is about; of one level, the first is the worst."""

    FAILED = enum.auto()
    STALLED = enum.auto()
    OVERDUE = enum.auto()
    QUERY = enum.auto()
    ERROR = enum.auto()
    STATUS = enum.auto()
    CONTRADICTION = enum.auto()
    UNREADABLE = enum.auto()


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing worth saying about a job.

    Attributes:
        level: how much it matters.
        concern: what it is about.
        title: in a few words.
        text: in a sentence or two, with what to do.
        quote: what the API says, as it came: anything can be in it; empty for nothing.
        query_helps: whether the command that queries the job helps.
    """

    level: Level
    concern: Concern
    title: str
    text: str
    quote: str = ""
    query_helps: bool = False


class Group(enum.Enum):
    """Under which heading a job stands, in the page's order."""

    TROUBLED = "troubled"
    ACTIVE = "active"
    WAITING = "waiting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Case:
    """A job as a person sees it.

    Attributes:
        seen: what the last scrape says of it.
        remarks: what is worth saying, the worst first.
        group: where it stands.
        age: seconds since an active job was created, or that a final one took; None if unknown.
    """

    seen: Observation
    remarks: tuple[Remark, ...]
    group: Group
    age: float | None

    @property
    def status(self) -> JobStatus:
        """The job's status; UNKNOWN also before the first answer, and when the last is too old."""
        return self.seen.state.status if self.seen.state else JobStatus.UNKNOWN

    @property
    def waits(self) -> bool:
        """Whether it is known to wait, for another job of its collection or in the API's queue."""
        return self.seen.waits is True and self.status.is_active


def examine(seen: Observation, now: float) -> Case:
    """Return a job with all that is worth saying about it.

    Args:
        seen: what the last scrape says of it.
        now: Unix seconds.
    """
    remarks = tuple(sorted(_remarks(seen, now), key=lambda it: (it.level, it.concern.value)))
    age = None if seen.state is None else seen.state.age(now)
    return Case(seen, remarks, _group(seen.state, remarks), age)


def urgency(case: Case) -> tuple[int, float]:
    """Return what cases are sorted by: the worst first, then the one that changed last."""
    level = case.remarks[0].level if case.remarks else Level.NOTE
    state = case.seen.state
    changed = (state.updated or state.created or 0.0) if state else 0.0
    return level, -changed


def is_overdue(seen: Observation, now: float) -> bool:
    """Return whether a job that is under way has passed its deadline."""
    return (
        seen.planned_end is not None
        and seen.planned_end < now
        and seen.state is not None
        and seen.state.status.is_active
    )


def _group(state: JobState | None, remarks: tuple[Remark, ...]) -> Group:
    if any(remark.level is not Level.NOTE for remark in remarks):
        return Group.TROUBLED
    if state is None:
        return Group.WAITING
    return Group.ENDED if state.status.is_final else Group.ACTIVE


def _remarks(seen: Observation, now: float) -> Iterator[Remark]:
    if seen.up is False:
        advice = ADVICE.get(seen.reason)
        title = f"Query failing: {seen.reason}" if seen.reason else "Query failing"
        text = " ".join(advice.in_general(KINDS[seen.ref.kind])) if advice else "The log says why."
        yield Remark(Level.BAD, Concern.QUERY, title, text)
    if seen.state is not None:
        yield from _remarks_on_state(seen.state)
        yield from _remarks_on_pace(seen, seen.state, now)


def _remarks_on_state(state: JobState) -> Iterator[Remark]:
    quote = ": ".join(filter(None, (state.error_code, state.error_text)))
    about = "" if state.error_class in (None, ErrorClass.OTHER) else f" ({state.error_class})"
    if state.status is JobStatus.FAILED:
        text = f"The API says why{about}:" if quote else "The API does not say why."
        yield Remark(Level.BAD, Concern.FAILED, "Job failed", text, quote, query_helps=True)
    elif quote:
        text = f"The API gives an error text{about}:"
        # Beside a status that is not final the vendor's own samples have one: no sign of trouble.
        level = Level.NOTE if state.status.is_active else Level.WARNING
        yield Remark(level, Concern.ERROR, "Error reported", text, quote, query_helps=True)
    if state.status is JobStatus.UNKNOWN:
        yield Remark(
            Level.WARNING,
            Concern.STATUS,
            "Status unknown",
            "The API gives no status, or one that its documentation does not have. The log has it.",
        )
    if state.inconsistent:
        yield Remark(Level.WARNING, Concern.CONTRADICTION, "Contradictory", _contradiction(state))
    if state.invalid_fields:
        names = ", ".join(state.invalid_fields)
        yield Remark(
            Level.NOTE,
            Concern.UNREADABLE,
            "Not readable",
            f"The API's answer has no usable {names}.",
        )


def _remarks_on_pace(seen: Observation, state: JobState, now: float) -> Iterator[Remark]:
    if not state.status.is_active:
        return
    if seen.planned_end is not None and is_overdue(seen, now):
        late = duration(now - seen.planned_end)
        yield Remark(
            Level.WARNING,
            Concern.OVERDUE,
            "Overdue",
            f"It should have ended {late} ago.",
        )
    changed = seen.progress_changed_at
    if changed is not None and now - changed >= STALLED_AFTER:
        others = (
            " Uploads to one collection run one after the other, so others may wait for this one."
        )
        yield Remark(
            Level.WARNING,
            Concern.STALLED,
            "Stalled",
            f"Progress has not changed for {duration(now - changed)}."
            + (others if KINDS[seen.ref.kind].takes_turns else ""),
        )


def _contradiction(state: JobState) -> str:
    facts = [f"Status is {state.status}"]
    if state.completed is not None:
        facts.append(f"Completed is {str(state.completed).lower()}")
    if state.error_text:
        facts.append("Error has a text")
    listed = f"{', '.join(facts[:-1])} and {facts[-1]}" if len(facts) > 1 else facts[0]
    return f"The API contradicts itself: {listed}. Each is shown as it came."
