"""The status page: what the last scrapes saw, for people. Pure; needs no script and no network.

Imported at the first view: Jinja2 and the compiled templates cost a start nothing.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.model import EVERYTHING, Shard, Snapshot
from exporter.web import wording
from exporter.web.rows import COLUMNS, Asides, Row, ago, moment, row
from exporter.web.triage import Case, Group, examine, urgency
from exporter.web.views import CONCERNS, LONGEST_SEARCH, PARTS, STATES, Choice, View

REFRESH_SECONDS = 30  # as often as Prometheus usually scrapes: nothing changes sooner
MOST_ROWS = 500
MOST_ENDED = 20  # that ended without trouble, unless a view asks for them
_MOST_FILES = 5  # with a notice of their own
_SKEW_WORTH_SHOWING = 60.0  # seconds; the API refuses calls from 15 minutes on

_STYLE = Path(__file__).with_name("page.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
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
    """How many jobs a choice has."""

    choice: Choice
    number: int


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
        all_at: where all of them are listed; empty where that is here.
    """

    group: str
    title: str
    caption: str
    total: int
    rows: tuple[Row, ...]
    all_at: str = ""

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
    view: View,
    asides: Asides,
    shard: Shard = EVERYTHING,
    external_url: str = "",
) -> bytes:
    """Return the page as UTF-8.

    Args:
        snapshot: what scrapes have seen; its taken_at is the now of the page.
        version: of the exporter.
        telemetry_path: where the metrics are, from where the page is.
        view: which jobs to show, and whether the page stands still.
        asides: how to query a job, and which error texts to show.
        shard: which of the jobs are watched.
        external_url: of this page, without a slash at its end; empty if it is not known.
    """
    now, observations = snapshot.taken_at, snapshot.observations
    cases = [examine(seen, now) for seen in observations]
    shown = view.of(cases) if view.is_filtered else cases
    troubled = sum(case.group is Group.TROUBLED for case in cases)
    unreadable = [report for report in snapshot.patterns if report.error]
    patterns = {report.pattern for report in unreadable}
    broken = sorted(p for p, failed in snapshot.file_errors.items() if failed and p not in patterns)
    queried = max((seen.queried_at for seen in observations if seen.queried_at), default=None)
    html = _PAGE.render(
        style=_STYLE,
        version=version,
        telemetry_path=telemetry_path,
        external_url=external_url,
        shard=shard,
        view=view,
        refresh_seconds=0 if view.paused else REFRESH_SECONDS,
        now=moment(now, ""),
        jobs=len(cases),
        found=len(shown),
        troubled=troubled,
        calm=not view.is_filtered and not troubled and any(seen.state for seen in observations),
        last_queried=None if queried is None else ago(queried, now),
        nothing_queried=all(seen.up is None and seen.state is None for seen in observations),
        tiles=_tiles(STATES, cases),
        concerns=[tile for tile in _tiles(CONCERNS, cases) if tile.number],
        choices=(*STATES, *PARTS, *CONCERNS),
        longest_search=LONGEST_SEARCH,
        dropped=snapshot.dropped,
        dropped_unfinished=snapshot.dropped_unfinished,
        unreadable=unreadable[:_MOST_FILES],
        broken_files=broken[:_MOST_FILES],
        more_broken_files=sum(report.broken for report in snapshot.patterns) - _MOST_FILES,
        targets=list(_targets(snapshot)),
        columns=COLUMNS,
        sections=list(_sections(shown, view, now, asides)),
    )
    return html.encode("utf-8", "replace")


def _tiles(choices: Sequence[Choice], cases: Sequence[Case]) -> list[_Tile]:
    return [_Tile(choice, sum(map(choice.holds, cases))) for choice in choices]


def _targets(snapshot: Snapshot) -> Iterator[_Target]:
    for name, health in sorted(snapshot.targets.items()):
        skew = health.clock_skew or 0.0
        shown = skew if abs(skew) >= _SKEW_WORTH_SHOWING else 0.0
        yield _Target(name, health.time_zone_suspect, shown)


def _sections(cases: Sequence[Case], view: View, now: float, asides: Asides) -> Iterator[_Section]:
    left = MOST_ROWS
    for group in Group:
        members = [case for case in cases if case.group is group]
        if not members:
            continue
        if group in (Group.TROUBLED, Group.ENDED):
            members.sort(key=urgency)
        few = group is Group.ENDED and not view.is_filtered
        most = min(left, MOST_ENDED) if few else left
        rows = tuple(row(case, now, asides) for case in members[:most])
        left -= len(rows)
        all_at = view.url(state="ended") if few else ""
        yield _Section(group.value, *_HEADINGS[group], len(members), rows, all_at)
