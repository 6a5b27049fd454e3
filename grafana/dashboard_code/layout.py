"""Dashboards as files: where panels stand, what all three share, and the bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from grafana.dashboard_code import panels

UIDS = {
    "adbpg-overview": "AnalyticDB jobs: overview",
    "adbpg-collections": "AnalyticDB jobs: collections",
    "adbpg-job": "AnalyticDB jobs: one job",
    "adbpg-exporter": "AnalyticDB jobs: the exporter",
}
COLUMNS = 24
_DEFAULTS = {"transparent", "repeatDirection"}  # of no use to whoever reads the file


@dataclass(frozen=True, slots=True)
class Shelf:
    """Panels side by side.

    Attributes:
        height: of all of them, in steps of the grid.
        panels: with their widths; 24 in all.
        title: of a row above them; empty for none.
    """

    height: int
    panels: Sequence[tuple[int, panels.Panel]]
    title: str = ""


def render(
    uid: str, about: str, variables: Sequence[dashboard.VariableModel], shelves: Sequence[Shelf]
) -> str:
    """Return a dashboard's file.

    Args:
        uid: of the dashboard.
        about: what it is for.
        variables: at its top, from left to right.
        shelves: from top to bottom.
    """
    made = builders.Dashboard(UIDS[uid]).uid(uid).description(about).tags(["adbpg"]).readonly()
    made.timezone("browser").refresh("30s").time("now-6h", "now").version(1)
    made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    for other in UIDS:
        if other != uid:
            made.link(_link(other))
    document = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    document["templating"] = {"list": [_variable(each) for each in variables]}
    document["panels"] = _placed(shelves)
    document["annotations"] = {"list": []}
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _link(uid: str) -> builders.DashboardLink:
    link = builders.DashboardLink(UIDS[uid]).url(f"/d/{uid}").icon("dashboard")
    link.type(dashboard.DashboardLinkType.LINK).tooltip(UIDS[uid])
    return link.include_vars(include_vars=True).keep_time(keep_time=True)


def _variable(variable: dashboard.VariableModel) -> Any:
    """Return a variable as a file has it: the SDK gives each the settings of intervals."""
    written = json.loads(json.dumps(variable, cls=JSONEncoder))
    return {name: value for name, value in written.items() if not name.startswith("auto")}


def _placed(shelves: Sequence[Shelf]) -> list[Any]:
    """Return the panels with their places, ids and the names of their queries."""
    found: list[Any] = []
    y = 0
    for shelf in shelves:
        if shelf.title:
            found.append(_row(shelf.title, y))
            y += 1
        x = 0
        for width, panel in shelf.panels:
            written = _plain(panel)
            written["gridPos"] = {"x": x, "y": y, "w": width, "h": shelf.height}
            for index, target in enumerate(written["targets"]):
                target["refId"] = chr(ord("A") + index)
            found.append(written)
            x += width
        y += shelf.height
    return [{**panel, "id": number} for number, panel in enumerate(found, 1)]


def _plain(panel: panels.Panel) -> Any:
    """Return a panel as a file has it, without what Grafana has dropped since the SDK was made."""
    written = json.loads(json.dumps(panel.build(), cls=JSONEncoder))
    written["options"].pop("footer", None)
    return {name: value for name, value in written.items() if name not in _DEFAULTS}


def _row(title: str, y: int) -> dict[str, object]:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place}
