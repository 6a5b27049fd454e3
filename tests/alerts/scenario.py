"""Scenarios for the alert rules, and what promtool makes of them.

A scenario tells all that fires in it, from the first evaluation to the last: what it does not name
must fire at none.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from exporter.metrics import JOB_LABELS
from exporter.model import JobRef
from tests.alerts.exporters import Exporter

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
        fires: every alert that fires at any evaluation.
        changes: texts of the rules that a user has replaced in a copy, with what by.
    """

    claim: str
    until: int
    fires: tuple[Firing, ...] = ()
    exporters: tuple[Exporter, ...] = ()
    series: tuple[tuple[str, str], ...] = ()
    changes: tuple[tuple[str, str], ...] = ()


def of_job(ref: JobRef, **further: str) -> dict[str, str]:
    """Return the labels that an alert of a job has; an empty one is none."""
    identity = zip(JOB_LABELS, ref.identity, strict=True)
    return {name: value for name, value in identity if value} | {"target": ref.target, **further}


def outcomes(scenarios: Sequence[Scenario], folder: Path) -> dict[str, str]:
    """Run promtool once; return for each claim what is wrong, empty where it holds."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: run the tests with `make test`, which installs it"
    files = []
    for number, scenario in enumerate(scenarios):
        files.append(folder / f"{number:03}.yaml")
        rules = folder / f"{number:03}.rules.yaml"
        rules.write_text(_changed(scenario), "utf-8")
        test = _test_file(scenario, rules)
        files[-1].write_text(json.dumps(test, ensure_ascii=False), "utf-8")
    said = subprocess.run(
        [promtool, "test", "rules", *map(str, files)],
        env={"GOGC": "400"},  # a quarter less time
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # where the failures are, and the file's name is not
        text=True,
        check=False,
    ).stdout.split("Unit Testing:  ")[1:]
    told = {Path(part.splitlines()[0]).name: part for part in said}
    return {
        scenario.claim: "" if "SUCCESS" in told[file.name] else _only_differences(told[file.name])
        for scenario, file in zip(scenarios, files, strict=True)
    }


def _only_differences(said: str) -> str:
    """Return what promtool said, without what was both expected and got."""
    lines: list[str] = []
    for line in said.splitlines():
        if line.strip().startswith("got: ") and lines[-1].strip().startswith("exp: "):
            expected, got = ({*_SAMPLE.findall(each)} for each in (lines.pop(), line))
            lines += [f"  expected {each}" for each in sorted(expected - got)]
            lines += [f"       got {each}" for each in sorted(got - expected)]
        else:
            lines.append(line)
    return "\n".join(lines)


def _changed(scenario: Scenario) -> str:
    rules = RULES.read_text("utf-8")
    for old, new in scenario.changes:
        assert rules.count(old) == 1, old
        rules = rules.replace(old, new)
    return rules


def _test_file(scenario: Scenario, rules: Path) -> dict[str, object]:
    test = {
        "interval": f"{GRID}s",
        "input_series": list(_input_series(scenario)),
        "alert_rule_test": [_as_read(each) for each in scenario.fires if each.read],
        "promql_expr_test": list(_windows(scenario)),
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


def _as_read(firing: Firing) -> dict[str, object]:
    assert firing.read
    annotations = {
        "summary": firing.read.summary,
        "description": firing.read.description,
        "runbook_url": RUNBOOK + firing.alert.lower(),
        "dashboard_url": GRAFANA + firing.read.dashboard,
    }
    expected = {"exp_labels": firing.all_labels, "exp_annotations": annotations}
    return {
        "eval_time": f"{firing.first}m",
        "alertname": firing.alert,
        "exp_alerts": [expected],
    }


def _windows(scenario: Scenario) -> Iterator[dict[str, object]]:
    """Yield tests of when each alert fired first, when last and how often: so, without a gap."""
    firing = 'ALERTS{alertstate="firing"}'
    whole = f"[{scenario.until}m:{EVERY}m]"
    windows: dict[str, list[Firing]] = {}
    for each in scenario.fires:
        windows.setdefault(each.series, []).append(each)
    first = {name: min(each.first for each in fires) for name, fires in windows.items()}
    last = {name: max(each.last for each in fires) for name, fires in windows.items()}
    times = {name: sum(each.times for each in fires) for name, fires in windows.items()}
    for expression, values in (
        (f"min_over_time(timestamp({firing}){whole}) / 60", first),
        (f"max_over_time(timestamp({firing}){whole}) / 60", last),
        (f"count_over_time({firing}{whole})", times),
    ):
        yield _expect(expression, scenario.until, values)
    for name, fires in windows.items():
        for before, after in pairwise(fires):
            pause = f"last_over_time(ALERTS{name}[1s]) + 0"
            yield _expect(pause, before.last, {name: 1})
            yield _expect(pause, before.last + EVERY, {})
            yield _expect(pause, after.first, {name: 1})


def _expect(expression: str, minute: int, values: Mapping[str, int]) -> dict[str, object]:
    samples = [{"labels": series, "value": value} for series, value in values.items()]
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": samples}
