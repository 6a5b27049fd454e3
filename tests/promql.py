"""What an expression of PromQL names, held against the metric table.

Dashboards and alerts hang on names of metrics and labels; a test that goes through here fails when
one of them is renamed in ``exporter.metrics``, or misspelt where it is used.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import promql_parser as promql

from exporter.instruments import Instruments
from exporter.metrics import (
    COLLECTION_LABELS,
    COUNTED_FAMILIES,
    FAMILIES,
    HISTORY_FAMILIES,
    JOB_LABELS,
    SCRAPE_FAMILIES,
)

PROMETHEUS_LABELS = frozenset({"job", "instance"})
"""Those that Prometheus gives to each series that it scrapes."""

PROMETHEUS_METRICS: Mapping[str, frozenset[str]] = {"up": frozenset()}
"""Those that Prometheus makes itself, with their further labels."""

_GRAFANA_DURATION = re.compile(r"\$(?:__rate_interval|__interval|__range)\b")


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of an expression.

    Attributes:
        name: of the metric; empty where it has none.
        matchers: such as ``job=~"$job"``.
        labels: the names of the labels in its matchers.
    """

    name: str
    matchers: frozenset[str]
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Labels that an operator names, as in ``by (…)`` or ``on (…)``.

    Attributes:
        labels: their names.
        operands: for each operand: the selectors inside it.
        text: the expression, for messages.
    """

    labels: frozenset[str]
    operands: tuple[tuple[Selector, ...], ...]
    text: str


def parse(expression: str) -> promql.Expr:
    """Parse an expression; Grafana's durations stand for five minutes.

    Raises:
        ValueError: it is none.
    """
    parsed: promql.Expr = promql.parse(_GRAFANA_DURATION.sub("5m", expression))
    return parsed


def nodes(expression: promql.Expr) -> Iterator[promql.Expr]:
    """Yield every part of an expression, the whole first."""
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    yield from found


def selectors(expression: str | promql.Expr) -> list[Selector]:
    """Return the selectors of an expression, in its order."""
    tree = parse(expression) if isinstance(expression, str) else expression
    return [_selector(node) for node in nodes(tree) if isinstance(node, promql.VectorSelector)]


def groupings(expression: str) -> list[Grouping]:
    """Return all that is named in ``by``, ``without``, ``on``, ``ignoring`` and ``group_…``."""
    found = []
    for node in nodes(parse(expression)):
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            labels = frozenset(node.modifier.labels)
            found.append(Grouping(labels, (tuple(selectors(node.expr)),), str(node)))
        elif isinstance(node, promql.BinaryExpr) and node.modifier:
            sides = (tuple(selectors(node.lhs)), tuple(selectors(node.rhs)))
            if node.modifier.matching:
                labels = frozenset(node.modifier.matching.labels)
                found.append(Grouping(labels, sides, str(node)))
            brought = frozenset(node.modifier.group_labels or ())
            if brought:
                found.append(Grouping(brought, (sides[0] + sides[1],), str(node)))
    return found


@cache
def known_metrics() -> Mapping[str, frozenset[str]]:
    """Return every sample name that the exporter serves, with its labels, and Prometheus' own."""
    known = dict(PROMETHEUS_METRICS)
    for job_family in FAMILIES:
        known[job_family.name] = frozenset((*JOB_LABELS, *job_family.labels))
    for scrape_family in SCRAPE_FAMILIES:
        known[scrape_family.name] = frozenset(scrape_family.labels)
    for family in COUNTED_FAMILIES:
        labels = frozenset(family.labels)
        if family.type == "histogram":
            known[f"{family.name}_bucket"] = labels | {"le"}
            known |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
        else:
            known[family.name] = labels
    for history in HISTORY_FAMILIES:
        labels = frozenset((*COLLECTION_LABELS, *history.labels))
        added = {"le"} if history.type == "histogram" else set()
        for name in history.sample_names:
            known[name] = labels | (added if name.endswith("_bucket") else set())
    for metric in Instruments("1.2.3").registry.collect():  # those of the process and of Python
        for sample in metric.samples:
            known.setdefault(sample.name, frozenset(sample.labels))
    return known


def problems(expression: str, further: Mapping[str, frozenset[str]] | None = None) -> list[str]:
    """Return what an expression names that is in no table; nothing when all is well.

    Args:
        expression: in PromQL.
        further: metrics that may be used too, with their labels: those of recording rules, and
            ``adbpg_job_info`` with the job labels of a configuration.
    """
    known = {**known_metrics(), **(further or {})}
    found = []
    for selector in selectors(expression):
        if selector.name not in known:
            found.append(f"no metric is called {selector.name!r}")
            continue
        strange = sorted(selector.labels - known[selector.name] - PROMETHEUS_LABELS)
        found += [f"{selector.name} has no label {label!r}" for label in strange]
    made = _made_labels(expression) | PROMETHEUS_LABELS
    for grouping in groupings(expression):
        for operand in grouping.operands:
            there = {label for each in operand for label in known.get(each.name, ())}
            strange = sorted(grouping.labels - there - made) if operand else []
            found += [f"nothing has the label {label!r} in {grouping.text}" for label in strange]
    return found


def _selector(node: promql.VectorSelector) -> Selector:
    matchers = node.matchers.matchers
    texts = frozenset(map(str, matchers))
    return Selector(node.name or "", texts, frozenset(m.name for m in matchers) - {"__name__"})


def _made_labels(expression: str) -> frozenset[str]:
    """Return the labels that ``label_replace`` and ``label_join`` give."""
    calls = [node for node in nodes(parse(expression)) if isinstance(node, promql.Call)]
    return frozenset(
        str(call.args[1].val) for call in calls if call.func.name in {"label_replace", "label_join"}
    )
