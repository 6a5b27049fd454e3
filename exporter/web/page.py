"""The status page: what the last scrapes saw, for people. Pure; needs no script and no network.

Imported at the first view: Jinja2 and the compiled templates cost a start nothing.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.model import EVERYTHING, JobStatus, Observation, Shard, Snapshot
from exporter.web import wording
from exporter.web.rows import COLUMNS, Row, ago, moment, row
from exporter.web.triage import Case, Group, examine, urgency

REFRESH_SECONDS = 10
MOST_ROWS = 1_000
_FOLD_OVER = 20  # ended jobs
_SKEW_WORTH_TELLING = 60.0  # seconds; the API refuses calls from 15 minutes on

_STYLE = Path(__file__).with_name("page.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%231d5fbf'/%3E"
    "%3Cpath d='M3 5h10M3 8h7M3 11h4' stroke='white' stroke-width='2' stroke-linecap='round'/%3E"
    "%3C/svg%3E"
)

_templates = Environment(
    loader=PackageLoader("exporter.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_templates.filters |= {"count": wording.count, "duration": wording.duration}
_PAGE = _templates.get_template("page.html")


@dataclass(frozen=True, slots=True)
class _Tile:
    """A number of the summary."""

    label: str
    number: int
    kind: str


@dataclass(frozen=True, slots=True)
class _Target:
    """What is wrong with the clocks of a target: a clock_skew of 0 is not worth a word."""

    name: str
    time_zone_suspect: bool
    clock_skew: float


@dataclass(frozen=True, slots=True)
class _Section:
    """The jobs of one group.

    Attributes:
        group: which.
        title: over its table.
        caption: of its table.
        total: how many jobs it has.
        rows: those that are shown.
        folded: whether they wait behind one line.
    """

    group: str
    title: str
    caption: str
    total: int
    rows: tuple[Row, ...]
    folded: bool

    @property
    def left_out(self) -> int:
        """How many jobs are not shown."""
        return self.total - len(self.rows)


_HEADINGS = {
    Group.TROUBLED: ("Needs attention", "Jobs that need attention"),
    Group.ACTIVE: ("Under way", "Jobs under way"),
    Group.WAITING: ("No state yet", "Jobs whose state is not known yet"),
    Group.ENDED: ("Ended", "Jobs that ended well or were cancelled"),
}


def render(
    snapshot: Snapshot,
    *,
    version: str,
    telemetry_path: str,
    shard: Shard = EVERYTHING,
    external_url: str = "",
    refreshing: bool = True,
) -> bytes:
    """Return the page as UTF-8.

    Args:
        snapshot: what scrapes have seen; its taken_at is the now of the page.
        version: of the exporter.
        telemetry_path: where the metrics are, from where the page is.
        shard: which of the jobs are watched.
        external_url: of this page, without a slash at its end; empty if it is not known.
        refreshing: whether the page loads itself again by and by.
    """
    now, observations = snapshot.taken_at, snapshot.observations
    cases = [examine(seen, now) for seen in observations]
    asked = max((seen.queried_at for seen in observations if seen.queried_at), default=None)
    html = _PAGE.render(
        style=_STYLE,
        icon=_ICON,
        version=version,
        telemetry_path=telemetry_path,
        external_url=external_url,
        shard=shard,
        refresh_seconds=REFRESH_SECONDS if refreshing else 0,
        now=moment(now, ""),
        jobs=len(observations),
        troubled=sum(case.group is Group.TROUBLED for case in cases),
        last_asked=None if asked is None else ago(asked, now),
        nothing_asked=all(seen.up is None and seen.state is None for seen in observations),
        tiles=_tiles(observations),
        broken_files=sorted(path for path, failed in snapshot.file_errors.items() if failed),
        targets=list(_targets(snapshot)),
        columns=COLUMNS,
        sections=list(_sections(cases, now)),
    )
    return html.encode("utf-8", "replace")


def _tiles(observations: Sequence[Observation]) -> tuple[_Tile, ...]:
    statuses = [seen.state.status for seen in observations if seen.state is not None]
    unknown = len(observations) - len(statuses) + statuses.count(JobStatus.UNKNOWN)
    return (
        _Tile("Under way", sum(status.is_active for status in statuses), "active"),
        _Tile("Failed", statuses.count(JobStatus.FAILED), "bad"),
        _Tile("Query failing", sum(seen.up is False for seen in observations), "bad"),
        _Tile("State not known", unknown, "quiet"),
        _Tile("Succeeded", statuses.count(JobStatus.SUCCESS), "good"),
        _Tile("Cancelled", statuses.count(JobStatus.CANCELLED), "quiet"),
    )


def _targets(snapshot: Snapshot) -> Iterator[_Target]:
    for name, health in sorted(snapshot.targets.items()):
        skew = health.clock_skew or 0.0
        told = skew if abs(skew) >= _SKEW_WORTH_TELLING else 0.0
        yield _Target(name, health.time_zone_suspect, told)


def _sections(cases: Sequence[Case], now: float) -> Iterator[_Section]:
    left = MOST_ROWS
    for group in Group:
        members = [case for case in cases if case.group is group]
        if group in (Group.TROUBLED, Group.ENDED):
            members.sort(key=urgency)
        calm = group is Group.TROUBLED and any(case.seen.state for case in cases)
        if members or calm:
            rows = tuple(row(case, now) for case in members[:left])
            left -= len(rows)
            folded = group is Group.ENDED and len(members) > _FOLD_OVER
            yield _Section(group.value, *_HEADINGS[group], len(members), rows, folded)
