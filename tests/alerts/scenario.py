"""Scenarios for the alert rules, and what promtool makes of them.

A scenario tells all that fires in it, from the first evaluation to the last: what it does not name
must fire at none.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import yaml

from exporter.metrics import JOB_LABELS
from exporter.model import JobRef
from tests.alerts.exporters import Exporter
from tests.processes import tool

RULES = Path(__file__).parents[2] / "grafana" / "alerts" / "adbpg-job-exporter.rules.yaml"
EVERY = 1  # minutes between evaluations, as Prometheus' default has it
GRID = 10  # seconds between two values of a series

RUNBOOK = "https://runbooks.example.com/adbpg-job-exporter/runbook.md#"
GRAFANA = "https://grafana.example.com/d/"


_SAMPLE = re.compile(r"\{[^}]*\} \S+(?=,|$)")


@dataclass(frozen=True, slots=True)
class Read:
    """What the reader of an alert sees, word for word.

    Attributes:
        summary: the annotation.
        description: the annotation.
        dashboard: the dashboard_url's end, from the uid on.
    """

    summary: str
    description: str
    dashboard: str


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires without a gap.

    Attributes:
        alert: its name.
        severity: its label.
        first: minutes, the first evaluation at which it fires.
        last: minutes, the last one.
        labels: all others.
        read: what it says at the first; None where that is not the point.
    """

    alert: str
    severity: str
    first: int
    last: int
    labels: Mapping[str, str] = field(default_factory=dict)
    read: Read | None = None

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels of the alert, without its name."""
        return {"severity": self.severity, **self.labels}

    @property
    def times(self) -> int:
        """At how many evaluations it fires."""
        return (self.last - self.first) // EVERY + 1

    @property
    def series(self) -> str:
        """Those of its series in ALERTS, as PromQL has it."""
        labels = {"alertname": self.alert, "alertstate": "firing", **self.all_labels}
        parts = (
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()
        )
        return "{" + ",".join(sorted(parts)) + "}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and all that fires.

    Attributes:
        claim: what it shows.
        until: minutes, the last evaluation.
        exporters: that are scraped.
        series: further ones, as (name with labels, values every half minute in promtool's words).
        fires: every alert that fires at any evaluation; None where that is not the point.
        answered: queries that have an answer at the end.
        changes: texts of the rules that a user has replaced in a copy, with what by.
        enforced: labels that whoever loads the rules adds to all that they record, as the
            Prometheus Operator does with ``enforcedNamespaceLabel``.
    """

    claim: str
    until: int
    fires: tuple[Firing, ...] | None = ()
    exporters: tuple[Exporter, ...] = ()
    series: tuple[tuple[str, str], ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    enforced: Mapping[str, str] = field(default_factory=dict)
    answered: tuple[str, ...] = ()


def of_job(ref: JobRef, **further: str) -> dict[str, str]:
    """Return the labels that an alert of a job has; an empty one is none."""
    identity = zip(JOB_LABELS, ref.identity, strict=True)
    labels = {name: value for name, value in identity if value}
    return labels | {"kind": ref.kind, "target": ref.target, "job": "adbpg", **further}


def outcome(scenario: Scenario, folder: Path) -> str:
    """Run promtool; return what is wrong, empty where all holds.

    Only its exit code says whether all holds: each version prints in its own words. The variable
    PROMTOOL names another one than that on PATH.
    """
    promtool = os.environ.get("PROMTOOL") or tool("promtool")
    rules = folder / "rules.yaml"
    rules.write_text(_changed(scenario), "utf-8")
    test = folder / "test.yaml"
    test.write_text(json.dumps(_test_file(scenario, rules), ensure_ascii=False), "utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", test],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return _only_differences(done.stdout) if done.returncode else ""


def _only_differences(said: str) -> str:
    """Return what promtool said, without what was both expected and got."""
    lines: list[str] = []
    for line in said.splitlines():
        if line.strip().startswith("got: ") and lines and lines[-1].strip().startswith("exp: "):
            expected, got = ({*_SAMPLE.findall(each)} for each in (lines.pop(), line))
            lines += [f"  expected {each}" for each in sorted(expected - got)]
            lines += [f"       got {each}" for each in sorted(got - expected)]
        else:
            lines.append(line)
    return "\n".join(lines) or "promtool failed"


def _changed(scenario: Scenario) -> str:
    rules = RULES.read_text("utf-8")
    for old, new in scenario.changes:
        assert rules.count(old) == 1, old
        rules = rules.replace(old, new)
    if not scenario.enforced:
        return rules
    loaded = yaml.safe_load(rules)
    for rule in (rule for group in loaded["groups"] for rule in group["rules"]):
        rule.setdefault("labels", {}).update(scenario.enforced)
    return yaml.safe_dump(loaded, allow_unicode=True)


def _test_file(scenario: Scenario, rules: Path) -> dict[str, object]:
    fires = scenario.fires or ()
    test = {
        "interval": f"{GRID}s",
        "input_series": list(_input_series(scenario)),
        "alert_rule_test": list(_as_read(fires)),
        "promql_expr_test": [
            *([] if scenario.fires is None else _windows(scenario.until, fires)),
            *(_expect(f"absent({query})", scenario.until, {}) for query in scenario.answered),
        ],
    }
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{EVERY}m",
        "tests": [test],
    }


def _input_series(scenario: Scenario) -> Iterator[dict[str, str]]:
    for exporter in scenario.exporters:
        for series, values in _stored(exporter, scenario.until).items():
            yield {"series": series, "values": " ".join(values)}
    for name, text in scenario.series:
        yield {"series": name, "values": text}


def _stored(exporter: Exporter, until: int) -> dict[str, list[str]]:
    """Return the values of each series on the grid; stale where a scrape no longer has it."""
    stored: dict[str, list[str]] = {}
    before: set[str] = set()
    now = 0
    for second, page in exporter.scrapes(until):
        if second < 0:  # before this Prometheus was there
            continue
        now = second
        for series in before | set(page):
            value = f"{page[series]:.15g}" if series in page else "stale"
            _put(stored.setdefault(series, []), now, value)
        before = set(page)
    for series in before:
        _put(stored[series], now + GRID, "stale")
    return stored


def _put(values: list[str], second: int, value: str) -> None:
    values += ["_"] * (second // GRID - len(values))
    values.append(value)


def _as_read(fires: Sequence[Firing]) -> Iterator[dict[str, object]]:
    """Yield a test of the texts of each alert, at each time when one that is read begins."""
    times = {(each.alert, each.first) for each in fires if each.read}
    for alert, minute in sorted(times):
        then = [e for e in fires if e.alert == alert and e.first <= minute <= e.last]
        yield {
            "eval_time": f"{minute}m",
            "alertname": alert,
            "exp_alerts": [_expected(each) for each in then],
        }


def _expected(firing: Firing) -> dict[str, object]:
    assert firing.read, f"{firing} fires beside one that is read"
    annotations = {
        "summary": firing.read.summary,
        "description": firing.read.description,
        "runbook_url": RUNBOOK + firing.alert.lower(),
        "dashboard_url": GRAFANA + firing.read.dashboard,
    }
    return {"exp_labels": firing.all_labels, "exp_annotations": annotations}


def _windows(until: int, fires: Sequence[Firing]) -> Iterator[dict[str, object]]:
    """Yield tests of when each alert fired first, when last and how often: so, without a gap."""
    firing = 'ALERTS{alertstate="firing"}'
    whole = f"[{until}m:{EVERY}m]"
    windows: dict[str, list[Firing]] = {}
    for each in fires:
        windows.setdefault(each.series, []).append(each)
    first = {name: min(each.first for each in of_one) for name, of_one in windows.items()}
    last = {name: max(each.last for each in of_one) for name, of_one in windows.items()}
    times = {name: sum(each.times for each in of_one) for name, of_one in windows.items()}
    for expression, values in (
        (f"min_over_time(timestamp({firing}){whole}) / 60", first),
        (f"max_over_time(timestamp({firing}){whole}) / 60", last),
        (f"count_over_time({firing}{whole})", times),
    ):
        yield _expect(expression, until, values)
    for name, of_one in windows.items():
        for before, after in pairwise(of_one):
            pause = f"last_over_time(ALERTS{name}[1s]) + 0"
            yield _expect(pause, before.last, {name: 1})
            yield _expect(pause, before.last + EVERY, {})
            yield _expect(pause, after.first, {name: 1})


def _expect(expression: str, minute: int, values: Mapping[str, int]) -> dict[str, object]:
    samples = [{"labels": series, "value": value} for series, value in values.items()]
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": samples}
