"""How the answers about jobs are read. Pure.

The operations of all kinds answer with one shape; ``kinds`` has what differs. Facts come from the
vendor's page of the first operation there, and from a real answer of a sibling operation, which has
no ``Error`` on success and drops trailing zeros of a time's fraction. Each fact is read by itself:
the page's own sample contradicts itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TypeVar

from exporter.errors import BadAnswer
from exporter.gpdb.job_errors import classify
from exporter.model import JobRef, JobState, JobStatus, Usage

T = TypeVar("T")

MOST_ENTRIES = 10**15  # past this a number is no count of entries
_LONGEST_TEXT = 2_000  # characters of the API's own words that we keep; the log cuts them further


Statuses = Mapping[str, JobStatus]
"""What each status of the API, in lower case, is to us."""

OnTop = Callable[[Mapping[str, object], JobState], JobState]
"""An answer and the state made of it, to that state with what only some kinds answer."""


def nothing_on_top(_document: Mapping[str, object], state: JobState) -> JobState:
    """Return the state as it is, for a kind that answers nothing on top."""
    return state


def error_code_on_top(document: Mapping[str, object], state: JobState) -> JobState:
    """Return the state with ``Job.ErrorCode``; the class of the error goes by code and text."""
    job = document.get("Job")
    code = _text(job.get("ErrorCode")) if isinstance(job, dict) else ""
    return replace(state, error_code=code, error_class=classify(state.error_text, code))


def usage_on_top(document: Mapping[str, object], state: JobState) -> JobState:
    """Return the state with ``Usage``. A number that cannot be read is named as invalid."""
    usage = document.get("Usage")
    if not isinstance(usage, dict):
        return state
    read = {name: _count(usage[key]) for name, key in _USAGE if usage.get(key) is not None}
    invalid = [key for name, key in _USAGE if name in read and read[name] is None]
    return replace(
        state,
        usage=Usage(**read),
        invalid_fields=(*state.invalid_fields, *(f"Usage.{key}" for key in invalid)),
    )


_USAGE = (
    ("embedding_tokens", "EmbeddingTokens"),
    ("embedding_entries", "EmbeddingEntries"),
    ("llm_input_tokens", "LLMInputTokens"),
    ("llm_output_tokens", "LLMOutputTokens"),
)


def is_about_job(document: Mapping[str, object], ref: JobRef) -> bool | None:
    """Return whether an answer names this job; None where it names none."""
    job = document.get("Job")
    answered_id = job.get("Id") if isinstance(job, dict) else None
    return None if answered_id is None else answered_id == ref.job_id


def decode_job(
    document: Mapping[str, object],
    ref: JobRef,
    zone: tzinfo,
    *,
    statuses: Statuses,
    most_progress: int,
    may_lack_progress: bool,
    on_top: OnTop,
) -> JobState:
    """Return the job's state.

    Args:
        document: the answer's JSON object.
        ref: the job that was queried.
        zone: in which times without a zone are read.
        statuses: that the kind of job can have.
        most_progress: a larger Progress cannot be read.
        may_lack_progress: an answer without Progress is a good one.
        on_top: reads what only this kind answers.

    Raises:
        BadAnswer: there is no job in it, or another one.
    """
    job = document.get("Job")
    if not isinstance(job, dict):
        raise BadAnswer("the answer holds no job", is_of_api=True)
    if is_about_job(document, ref) is False:
        raise BadAnswer("the answer is about another job", is_of_api=True)
    state = _Fields(job, zone, statuses, most_progress).state()
    if may_lack_progress and job.get("Progress") is None:
        invalid = tuple(name for name in state.invalid_fields if name != "Progress")
        state = replace(state, invalid_fields=invalid)
    return on_top(document, state)


class _Fields:
    """Reads the fields of one job, and keeps the names of those that cannot be read."""

    def __init__(
        self, job: Mapping[str, object], zone: tzinfo, statuses: Statuses, most_progress: int
    ) -> None:
        self._job = job
        self._zone = zone
        self._statuses = statuses
        self._most_progress = most_progress
        self._invalid: list[str] = []

    def state(self) -> JobState:
        created = self._read("CreateTime", self._time)
        updated = self._read("UpdateTime", self._time)
        if created is not None and updated is not None and updated < created:
            self._invalid.append("UpdateTime")
            updated = None
        error_text = _text(self._job.get("Error"))
        return JobState(
            status=self._read("Status", self._status) or JobStatus.UNKNOWN,
            status_text=_text(self._job.get("Status")),
            completed=self._read("Completed", _boolean),
            progress=self._read("Progress", self._progress),
            created=created,
            updated=updated,
            error_text=error_text,
            error_class=classify(error_text),
            invalid_fields=tuple(self._invalid),
        )

    def _read(self, name: str, parse: Callable[[object], T | None]) -> T | None:
        value = parse(self._job.get(name))
        if value is None:
            self._invalid.append(name)
        return value

    def _time(self, value: object) -> float | None:
        return _unix_time(value, self._zone)

    def _status(self, value: object) -> JobStatus | None:
        if not isinstance(value, str):
            return None
        return self._statuses.get(value.strip().lower())

    def _progress(self, value: object) -> int | None:
        count = _count(value)
        return None if count is None or count > self._most_progress else count


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):  # a non-empty "false" must not become true
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


_COUNT = re.compile(r"\s*(\d{1,15})(?:\.0{1,15})?\s*", re.ASCII)


def _count(value: object) -> int | None:
    match value:
        case bool():  # an int to Python, but no count
            return None
        case int() if 0 <= value <= MOST_ENTRIES:
            return value
        case float() if 0 <= value <= MOST_ENTRIES and value.is_integer():
            return int(value)
        case str() if found := _COUNT.fullmatch(value):
            return int(found[1])
        case _:
            return None


def _text(value: object) -> str:
    if value is None or value is False:
        return ""
    return str(value if isinstance(value, str) else type(value).__name__).strip()[:_LONGEST_TEXT]


# CreateTime is "2024-01-08 16:52:04.864664" with 0 to 6 digits; a zone was never seen, but where
# one is given it is right.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-]\d\d):?(\d\d))?",
    re.ASCII,
)
_FIRST_YEAR = 2000  # year 0001 is how some libraries write "no time"


def _unix_time(value: object, zone: tzinfo) -> float | None:
    """Return Unix seconds of a time that is zoneless or brings its own zone."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[1]) < _FIRST_YEAR:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    microsecond = int((found[7] or "0").ljust(6, "0")[:6])
    try:
        own = _own_zone(found) or zone
        moment = datetime(year, month, day, hour, minute, second, microsecond, own)
        return moment.timestamp()
    except (ValueError, OverflowError):  # February 30th, or an offset of a day
        return None


def _own_zone(found: re.Match[str]) -> tzinfo | None:
    if found[8]:
        return UTC
    if found[9]:
        hours = int(found[9])
        minutes = int(found[10]) * (-1 if found[9].startswith("-") else 1)
        return timezone(timedelta(hours=hours, minutes=minutes))
    return None
