"""The status page: what the last scrapes saw, for people. Pure; needs no script and no network."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from exporter.model import EVERYTHING, JobStatus, Observation, Shard, Snapshot
from exporter.web.rows import COLUMNS, ago, row
from exporter.web.triage import Case, Group, examine, urgency
from exporter.web.wording import count, duration, utc

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


@dataclass(frozen=True, slots=True)
class _Heading:
    """What stands over the jobs of one group."""

    title: str
    caption: str


_HEADINGS = {
    Group.TROUBLED: _Heading("Needs attention", "Jobs that need attention"),
    Group.ACTIVE: _Heading("Under way", "Jobs under way"),
    Group.WAITING: _Heading("No state yet", "Jobs whose state is not known yet"),
    Group.ENDED: _Heading("Ended", "Jobs that ended well or were cancelled"),
}


def render(
    snapshot: Snapshot,
    *,
    version: str,
    telemetry_path: str,
    shard: Shard = EVERYTHING,
    host: str = "",
    refreshing: bool = True,
) -> bytes:
    """Return the page as UTF-8.

    Args:
        snapshot: what scrapes have seen; its taken_at is the now of the page.
        version: of the exporter.
        telemetry_path: where the metrics are.
        shard: which of the jobs are watched.
        host: as the reader's browser names this server, with its port; empty if unknown.
        refreshing: whether the page loads itself again by and by.
    """
    now = snapshot.taken_at
    cases = [examine(seen, now) for seen in snapshot.observations]
    troubled = sum(case.group is Group.TROUBLED for case in cases)
    metrics = escape(telemetry_path)
    body = (
        _header(metrics),
        "<main>",
        _summary(snapshot.observations, shard, now),
        *_notices(snapshot, shard, f"{escape(host or 'localhost:10077')}{metrics}"),
        *_sections(cases, now),
        "</main>",
        _footer(version, now, refreshing=refreshing),
    )
    html = _head(troubled, refreshing=refreshing) + "".join(body) + "</body></html>\n"
    return html.encode("utf-8", "replace")


def _head(troubled: int, *, refreshing: bool) -> str:
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refreshing else ""
    title = f"({troubled:,}) Upload jobs" if troubled else "Upload jobs"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{refresh}'
        f'<title>{title} &middot; adbpg-job-exporter</title><link rel="icon" href="{_ICON}">'
        f"<style>{_STYLE}</style></head><body>"
    )


def _header(metrics: str) -> str:
    links = ((metrics, "Metrics"), ("/-/healthy", "Health"), ("/-/ready", "Readiness"))
    items = "".join(f'<li><a href="{path}">{word}</a></li>' for path, word in links)
    return (
        "<header><div><h1>Upload jobs</h1><p>AnalyticDB for PostgreSQL, vector collections</p>"
        f'</div><nav aria-label="Exporter"><ul>{items}</ul></nav></header>'
    )


def _summary(observations: Sequence[Observation], shard: Shard, now: float) -> str:
    statuses = [seen.state.status for seen in observations if seen.state is not None]
    unknown = len(observations) - len(statuses) + statuses.count(JobStatus.UNKNOWN)
    failed = statuses.count(JobStatus.FAILED)
    failing = sum(seen.up is False for seen in observations)
    tiles = (
        ("Under way", sum(status.is_active for status in statuses), "active"),
        ("Failed", failed, "bad"),
        ("Query failing", failing, "bad"),
        ("State not known", unknown, "quiet"),
        ("Succeeded", statuses.count(JobStatus.SUCCESS), "good"),
        ("Cancelled", statuses.count(JobStatus.CANCELLED), "quiet"),
    )
    listed = "".join(
        f'<div class="{kind if number else "zero"}"><dt>{label}</dt><dd>{number:,}</dd></div>'
        for label, number, kind in tiles
    )
    asked = max((seen.queried_at for seen in observations if seen.queried_at), default=None)
    last = f"The API was last asked {ago(asked, now)}." if asked else "The API was not asked yet."
    jobs = "1 job is" if len(observations) == 1 else f"{len(observations):,} jobs are"
    share = f", those of shard {shard.number} of {shard.of}" if shard.of > 1 else ""
    return (
        f'<section aria-label="Summary"><dl class="tiles">{listed}</dl>'
        f'<p class="lead">{jobs} watched{share}. {last}</p></section>'
    )


def _notices(snapshot: Snapshot, shard: Shard, metrics_url: str) -> Iterator[str]:
    observations = snapshot.observations
    if not observations:
        others = "All jobs are in other shards, or there is none. " if shard.of > 1 else ""
        yield _notice(
            "No job is watched.",
            f"{others}Name jobs in the configuration, under <code>targets[].jobs</code> or in a "
            "file of <code>job_files</code>, and reload it.",
        )
    elif all(seen.up is None and seen.state is None for seen in observations):
        yield _notice(
            "Nothing has been asked yet: Prometheus drives the queries.",
            f"Each scrape asks the API. To make one: <code>curl http://{metrics_url}</code>",
        )
    for path in sorted(path for path, failed in snapshot.file_errors.items() if failed):
        yield _notice(
            f"The job file <bdi>{escape(path)}</bdi> cannot be read.",
            "Its last good list stays in use. The log says what is wrong.",
            kind="warning",
        )
    yield from _target_notices(snapshot)


def _target_notices(snapshot: Snapshot) -> Iterator[str]:
    for name, health in sorted(snapshot.targets.items()):
        target = f"<bdi>{escape(name)}</bdi>"
        if health.time_zone_suspect:
            yield _notice(
                f"The times of target {target} seem to be of another time zone.",
                "A job's update lies in the future. Set the target's <code>time_zone</code>.",
                kind="warning",
            )
        skew = health.clock_skew
        if skew is not None and abs(skew) >= _SKEW_WORTH_TELLING:
            side = "ahead of" if skew > 0 else "behind"
            yield _notice(
                f"The clock of target {target} is {duration(skew)} {side} this machine's.",
                "The API refuses calls from 15 minutes on. Set this machine's clock.",
                kind="warning",
            )


def _notice(title: str, text: str, kind: str = "plain") -> str:
    """Return a notice; title and text are HTML."""
    return f'<div class="notice {kind}"><p><b>{title}</b></p><p>{text}</p></div>'


def _sections(cases: Sequence[Case], now: float) -> Iterator[str]:
    left = MOST_ROWS
    for group in Group:
        members = [case for case in cases if case.group is group]
        if group in (Group.TROUBLED, Group.ENDED):
            members.sort(key=urgency)
        if members:
            shown = members[:left]
            left -= len(shown)
            yield _section(group, shown, len(members), now)
        elif group is Group.TROUBLED and any(case.seen.state for case in cases):
            yield '<p class="calm">Nothing needs attention.</p>'


def _section(group: Group, shown: Sequence[Case], total: int, now: float) -> str:
    heading = _HEADINGS[group]
    title = f'<h2>{heading.title} <span class="number">{total:,}</span></h2>'
    content = _table(heading.caption, shown, now) if shown else ""
    if len(shown) < total:
        content += (
            f'<p class="more">{count(total - len(shown))} more are not listed here. '
            "The metrics have them all.</p>"
        )
    if group is Group.ENDED and total > _FOLD_OVER:
        return f'<details class="group"><summary>{title}</summary>{content}</details>'
    return f'<section class="group {group.value}">{title}{content}</section>'


def _table(caption: str, shown: Sequence[Case], now: float) -> str:
    columns = "".join(f'<th role="columnheader" scope="col">{label}</th>' for label in COLUMNS)
    rows = "".join(row(case, now) for case in shown)
    return (
        f'<table role="table"><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{columns}</tr></thead>{rows}</table>'
    )


def _footer(version: str, now: float, *, refreshing: bool) -> str:
    texts = utc(now)
    taken = f'<time datetime="{texts[0]}">{texts[1]}</time>' if texts else ""
    follow = (
        f'Loaded again every {REFRESH_SECONDS} s. <a href="/?paused">Pause</a>'
        if refreshing
        else 'Paused. <a href="/">Go on</a>'
    )
    return (
        f"<footer><p>As of {taken}. {follow}</p>"
        f"<p>adbpg-job-exporter {escape(version)}. This page asks nothing of the API.</p></footer>"
    )
