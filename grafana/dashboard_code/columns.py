"""Tables: each query gives a column, and rows of the same labels are one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common, dashboard

from grafana.dashboard_code import panels


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its head.
        source: the label that it shows; empty for the value of ``expression``.
        expression: what gives the values.
        unit: as Grafana names it.
        width: in pixels; 0 to share what is left.
        settings: further settings of Grafana, by their names.
        shown: False where only the labels of ``expression`` are wanted.
    """

    name: str
    source: str = ""
    expression: str = ""
    unit: str = "string"
    width: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    shown: bool = True


def sheet(
    title: str,
    text: str,
    columns: Sequence[Column],
    *,
    nothing: str,
    hidden: Sequence[str] = (),
    labels_of: str = "",
) -> table.Panel:
    """Return a table; its first column sorts it, the largest value first.

    Args:
        title: of the panel.
        text: what to do about it.
        columns: from left to right.
        nothing: what is said when it has no row.
        hidden: labels that come with the queries and are not shown.
        labels_of: the query of a table that shows labels only; its value is not shown.
    """
    measured = [column for column in columns if column.expression]
    expressions = [column.expression for column in measured] or [labels_of]
    described = panels.about(text, expressions)
    panel = panels.dress(table.Panel(), title, described, "short", nothing)
    panel.targets([panels.rows(expression) for expression in expressions])
    fields = {_field(each, measured): each.name for each in columns if each.shown}
    unseen = [_field(each, measured) for each in columns if not each.shown]
    panel.transformations(
        [
            dashboard.DataTransformerConfig("merge", options={}),
            dashboard.DataTransformerConfig("organize", options=_order(fields, (*hidden, *unseen))),
        ]
    )
    for column in filter(lambda each: each.shown, columns):
        panel.override_by_name(column.name, _settings(column))
    first = common_builders.TableSortByFieldState().display_name(columns[0].name).desc(desc=True)
    panel.sort_by([first]).cell_height(common.TableCellHeight.SM).show_header(show_header=True)
    return panel


def _field(column: Column, measured: Sequence[Column]) -> str:
    """Return what Grafana calls a column before it is renamed."""
    if column.source:
        return column.source
    return f"Value #{chr(ord('A') + measured.index(column))}" if len(measured) > 1 else "Value"


def _order(fields: Mapping[str, str], hidden: Sequence[str]) -> dict[str, object]:
    return {
        "renameByName": dict(fields),
        "indexByName": {name: index for index, name in enumerate(fields)},
        "excludeByName": dict.fromkeys(("Time", *hidden), True),
    }


def _settings(column: Column) -> list[dashboard.DynamicConfigValue]:
    settings: dict[str, object] = {"unit": column.unit, "noValue": "-"}
    if column.width:
        settings["custom.width"] = column.width
    settings |= column.settings
    return [dashboard.DynamicConfigValue(name, value) for name, value in settings.items()]


def coloured(texts: dashboard.ValueMapping) -> dict[str, object]:
    """Return the settings of a column whose values are states."""
    options = {"type": "color-background", "mode": "basic"}
    return {"mappings": [texts], "custom.cellOptions": options, "custom.align": "left"}


def bar() -> dict[str, object]:
    """Return the settings of a column whose values are shares of a whole."""
    options = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    colour = {"mode": "fixed", "fixedColor": "blue"}
    return {"min": 0, "max": 1, "decimals": 0, "custom.cellOptions": options, "color": colour}


def linked(title: str, url: str) -> dict[str, object]:
    """Return the settings of a column whose cells lead somewhere."""
    return {"links": [{"title": title, "url": url, "targetBlank": False}]}
