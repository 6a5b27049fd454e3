"""The jobs of a metrics page, as a person in a terminal reads them: what is wrong first. Pure."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from exporter.polling.pace import Pace

STALLED_AFTER = 900.0
"""Seconds without progress; as the alert AdbpgJobStalled has it."""

_IDENTITY = ("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id")
_ENDS = ("Success", "Failed", "Cancelled")


class Rank(enum.IntEnum):
    """What comes first."""

    FAILED = 0
    STALLED = 1
    OVERDUE = 2
    DOUBTFUL = 3  # its queries fail, or the API contradicts itself
    ACTIVE = 4
    WAITING = 5
    UNKNOWN = 6
    ENDED = 7


@dataclass(frozen=True, slots=True)
class Line:
    """One job.

    Attributes:
        job_id: of the job.
        collection: of the job.
        status: as the exporter has it; empty where it is not known.
        rank: where it stands.
        trouble: what is wrong, in a few words; empty for nothing.
        entries: uploaded so far; None where its progress is a percentage, or not known.
        ratio: how much is done, 0 to 1; None where no total is known.
        per_second: how fast the progress grows, in entries, or in shares of the whole.
        seconds_left: until it ends at that rate; None where that is not known.
        age: seconds since it began, or that it took; None where that is not known.
    """

    job_id: str
    collection: str
    status: str
    rank: Rank
    trouble: str
    entries: float | None
    ratio: float | None
    per_second: float | None
    seconds_left: float | None
    age: float | None


@dataclass(slots=True)
class _Facts:
    """The samples of one job."""

    values: dict[str, float] = field(default_factory=dict)
    status: str = ""
    reason: str = ""
    error: str = ""


class Overview:
    """Reads one page after the other, and so knows how fast the jobs are."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, ...], Pace] = {}

    def read(self, page: str, now: float) -> tuple[Line, ...]:
        """Return the jobs of a page, what is wrong first.

        Args:
            page: in Prometheus' text format.
            now: Unix seconds.

        Raises:
            ValueError: that is no such page.
        """
        jobs: dict[tuple[str, ...], _Facts] = {}
        for family in text_string_to_metric_families(page):
            if not family.name.startswith("adbpg_job_"):
                continue
            for sample in family.samples:
                identity = tuple(sample.labels.get(name, "") for name in _IDENTITY)
                if identity[0]:
                    _note(
                        jobs.setdefault(identity, _Facts()),
                        sample.name,
                        sample.labels,
                        sample.value,
                    )
        self._paces = {
            identity: self._pace(identity, facts, now) for identity, facts in jobs.items()
        }
        lines = [_line(i, facts, self._paces[i].per_second, now) for i, facts in jobs.items()]
        return tuple(sorted(lines, key=lambda line: (line.rank, line.age or 0.0, line.job_id)))

    def _pace(self, identity: tuple[str, ...], facts: _Facts, now: float) -> Pace:
        pace = self._paces.get(identity) or Pace()
        done = _done(facts.values)
        if done is not None and facts.status not in _ENDS:
            # A ratio is observed in millionths: a pace counts whole things.
            pace.observe(round(done[0] * done[1]), now)
        return pace


_MILLION = 1_000_000


def _done(values: Mapping[str, float]) -> tuple[float, int] | None:
    """Return the progress, and in how many parts it is counted."""
    if "progress_entries" in values:
        return values["progress_entries"], 1
    if "progress_ratio" in values:
        return values["progress_ratio"], _MILLION
    return None


def _note(facts: _Facts, name: str, labels: Mapping[str, str], value: float) -> None:
    match name.removeprefix("adbpg_job_"):
        case "status" if value:
            facts.status = labels["status"]
        case "query_failed" if value:
            facts.reason = labels["reason"]
        case "error_info":
            facts.error = labels["class"]
        case other:
            facts.values[other] = value


def _line(identity: tuple[str, ...], facts: _Facts, per_second: float | None, now: float) -> Line:
    values = facts.values
    ratio = values.get("progress_ratio")
    is_active = facts.status not in ("", *_ENDS)
    rank, trouble = _trouble(facts, now)
    done = _done(values)
    speed = left = None
    if is_active and per_second and done is not None:
        speed = per_second / done[1]
        total = 1.0 if done[1] == _MILLION else values.get("expected_entries")
        left = max(total - done[0], 0.0) / speed if total is not None and speed > 0 else None
    return Line(
        job_id=identity[0],
        collection=identity[1],
        status=facts.status,
        rank=rank,
        trouble=trouble,
        entries=values.get("progress_entries"),
        ratio=ratio,
        per_second=speed,
        seconds_left=left,
        age=values.get("age_seconds"),
    )


def _trouble(facts: _Facts, now: float) -> tuple[Rank, str]:
    """Return where a job stands, and what is wrong."""
    values, rank, trouble = facts.values, Rank.ACTIVE, ""
    about = f": {facts.error}" if facts.error and facts.error != "other" else ""
    changed = values.get("progress_changed_timestamp_seconds", now)
    if facts.status == "Failed":
        rank, trouble = Rank.FAILED, f"failed{about}"
    elif values.get("up") == 0:
        rank, trouble = Rank.DOUBTFUL, f"query failing: {facts.reason}"
    elif values.get("inconsistent"):
        rank, trouble = Rank.DOUBTFUL, "the API contradicts itself"
    elif facts.status in _ENDS:
        rank = Rank.ENDED
    elif facts.status in ("", "Unknown"):
        rank = Rank.UNKNOWN
    elif now - changed >= STALLED_AFTER:
        rank, trouble = Rank.STALLED, f"stalled{about}"
    elif values.get("deadline_timestamp_seconds", now) < now:
        rank, trouble = Rank.OVERDUE, f"overdue{about}"
    elif values.get("waiting"):
        rank = Rank.WAITING
    return rank, trouble
