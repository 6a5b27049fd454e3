"""Panels as all three dashboards make them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.dashboard_code import queries, theme

DATASOURCE = dashboard.DataSourceRef("prometheus", "${datasource}")

Panel = stat.Panel | table.Panel | timeseries.Panel | statetimeline.Panel
P = TypeVar("P", stat.Panel, table.Panel, timeseries.Panel, statetimeline.Panel)
Steps = Sequence[tuple[float, str]]

_METRIC = re.compile(r"\badbpg_\w+?(?=(?:_bucket|_sum|_count)?\{)")


def _thresholds(base: str, steps: Steps) -> dashboard_builders.ThresholdsConfig:
    every = [dashboard.Threshold(None, base)]
    every += [dashboard.Threshold(value, colour) for value, colour in steps]
    mode = dashboard.ThresholdsMode.ABSOLUTE
    return dashboard_builders.ThresholdsConfig().mode(mode).steps(every)


def mapping(texts: Mapping[str, tuple[str, str]]) -> dashboard.ValueMapping:
    """Return what values are called, and in which colour."""
    options = {
        value: dashboard.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return dashboard.ValueMap(options)


def states(known: Sequence[theme.State]) -> dashboard.ValueMapping:
    """Return what the numbers of states are called."""
    return mapping({str(state.number): (state.text, state.colour) for state in known})


def about(text: str, expressions: Sequence[str]) -> str:
    """Return a description: what to do, then the metrics that it comes from."""
    names = sorted({name for each in expressions for name in _METRIC.findall(each)})
    return text + "\n\n" + "\n".join(f"- `{name}`: {queries.HELP[name]}" for name in names)


def instant(expression: str) -> prometheus.Dataquery:
    """Return a query for the newest values."""
    query = prometheus.Dataquery().expr(expression).instant()
    return query.format(PromQueryFormat.TIME_SERIES).datasource(DATASOURCE)


def rows(expression: str) -> prometheus.Dataquery:
    """Return a query whose series become the rows of a table."""
    query = prometheus.Dataquery().expr(expression).instant()
    return query.format(PromQueryFormat.TABLE).datasource(DATASOURCE)


def ranged(expression: str, legend: str) -> prometheus.Dataquery:
    """Return a query over the dashboard's time."""
    query = prometheus.Dataquery().expr(expression).range().legend_format(legend)
    return query.format(PromQueryFormat.TIME_SERIES).datasource(DATASOURCE)


def dress(panel: P, title: str, text: str, unit: str, nothing: str) -> P:
    """Give a panel what every one has."""
    return panel.title(title).description(text).unit(unit).no_value(nothing).datasource(DATASOURCE)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a value is coloured and said.

    Attributes:
        unit: as Grafana names it.
        base: the colour below the first step.
        steps: from which value on it has which colour.
        texts: what values are called.
        decimals: how many; None to leave it to Grafana.
        size: of a tile's letters, in pixels. Else each tile picks its own, and a row is uneven.
    """

    unit: str
    base: str = theme.PLAIN
    steps: Steps = ()
    texts: Sequence[dashboard.ValueMapping] = ()
    decimals: int | None = None
    size: int = 36


def wrong_from(value: float, colour: str = theme.ACT) -> Scale:
    """Return the scale of a count that should be 0."""
    return Scale("short", theme.FINE, ((value, colour),))


def tile(
    title: str, text: str, query: prometheus.Dataquery, scale: Scale, *, nothing: str
) -> stat.Panel:
    """Return one large value.

    Args:
        title: of the panel.
        text: what to do about it.
        query: gives the value.
        scale: of the value.
        nothing: what is said when there is none.
    """
    reduce = common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)
    described = about(text, [query.build().expr])
    panel = dress(stat.Panel(), title, described, scale.unit, nothing).with_target(query)
    panel.reduce_options(reduce.fields("")).thresholds(_thresholds(scale.base, scale.steps))
    panel.graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.VALUE)
    panel.justify_mode(common.BigValueJustifyMode.CENTER)
    panel.text_mode(common.BigValueTextMode.VALUE)
    panel.text(common_builders.VizTextDisplayOptions().value_size(scale.size))
    panel.mappings([*scale.texts, _nothing(nothing)])
    return panel if scale.decimals is None else panel.decimals(scale.decimals)


def _nothing(text: str) -> dashboard.ValueMapping:
    """Return what is said when there is no value: grey, or it would have the colour of a 0."""
    said = dashboard.ValueMappingResult(text=text, color=theme.ENDED, index=99)
    options = dashboard.DashboardSpecialValueMapOptions(
        match=dashboard.SpecialValueMatch.NULL_AND_NAN, result=said
    )
    return dashboard.SpecialValueMap(options=options)


def graph(
    title: str, text: str, *lines: prometheus.Dataquery, unit: str, nothing: str, axis: str = ""
) -> timeseries.Panel:
    """Return lines over time.

    Args:
        title: of the panel.
        text: what to do about it.
        lines: their queries.
        unit: of the values.
        nothing: what is said when there is none.
        axis: what the axis counts, where the unit does not say it.
    """
    described = about(text, [line.build().expr for line in lines])
    panel = dress(timeseries.Panel(), title, described, unit, nothing).axis_soft_min(0)
    panel.targets(list(lines)).line_width(2).fill_opacity(0).span_nulls(span_nulls=False)
    panel.show_points(common.VisibilityMode.NEVER).axis_label(axis)
    many = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    panel.tooltip(many.sort(common.SortOrder.DESCENDING)).legend(_legend())
    scheme = dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.SHADES)
    return panel.color_scheme(scheme.fixed_color(theme.BUSY))


def stacked(panel: timeseries.Panel, colours: Mapping[str, str]) -> timeseries.Panel:
    """Lay the lines on each other.

    Args:
        panel: a graph.
        colours: of lines, by their names.
    """
    together = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    panel.stacking(together).fill_opacity(70).decimals(0)
    panel.line_width(0)  # an edge would show where a line has nothing, and look like an alarm
    for name, colour in colours.items():
        panel.override_by_name(name, [_fixed(colour)])
    return panel


def guided(panel: timeseries.Panel, value: float, colour: str = theme.ENDED) -> timeseries.Panel:
    """Draw a dashed line to compare with, which need not be in sight."""
    style = common_builders.GraphThresholdsStyleConfig().mode(
        common.GraphThresholdsStyleMode.DASHED
    )
    return panel.thresholds(_thresholds("transparent", [(value, colour)])).thresholds_style(style)


def compared(
    panel: timeseries.Panel, value: float, top: float, colour: str = theme.ENDED
) -> timeseries.Panel:
    """Draw a dashed line to compare with, always in sight: the axis goes to ``top`` at least."""
    return guided(panel.axis_soft_max(top), value, colour)


def drawn(panel: timeseries.Panel, name: str, colour: str, *, dashed: bool) -> timeseries.Panel:
    """Give one line a colour, and dashes when it is no measurement."""
    properties = [_fixed(colour)]
    if dashed:
        style = {"fill": "dash", "dash": [10, 10]}
        properties.append(dashboard.DynamicConfigValue("custom.lineStyle", style))
    return panel.override_by_name(name, properties)


def timeline(
    title: str,
    text: str,
    *lines: prometheus.Dataquery,
    texts: dashboard.ValueMapping,
    nothing: str,
) -> statetimeline.Panel:
    """Return what was the case when, a row for each line."""
    described = about(text, [line.build().expr for line in lines])
    panel = dress(statetimeline.Panel(), title, described, "none", nothing)
    panel.targets(list(lines)).mappings([texts]).merge_values(merge_values=True)
    panel.thresholds(_thresholds(theme.ENDED, ())).line_width(0).fill_opacity(70)
    panel.show_value(common.VisibilityMode.NEVER).row_height(0.8).per_page(30)
    panel.max_data_points(300)  # enough to see, and kind to a Prometheus with thousands of jobs
    scheme = dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS)
    return panel.color_scheme(scheme).legend(_legend())


def said(
    panel: statetimeline.Panel, name: str, texts: Mapping[str, tuple[str, str]]
) -> statetimeline.Panel:
    """Give one row of a timeline names and colours of its own."""
    return panel.override_by_name(
        name, [dashboard.DynamicConfigValue("mappings", [mapping(texts)])]
    )


def told_apart(panel: timeseries.Panel) -> timeseries.Panel:
    """Give each line a colour of its own, without a meaning: for graphs that people search."""
    scheme = dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC)
    return panel.color_scheme(scheme)


def _fixed(colour: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _legend() -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().show_legend(show_legend=True)
    legend.display_mode(common.LegendDisplayMode.LIST)
    return legend.placement(common.LegendPlacement.BOTTOM).calcs([])
