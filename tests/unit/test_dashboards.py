import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from grafana.dashboard_code import queries
from grafana.generate import dashboards
from tests.dashboards import FILES, lint, load, targets
from tests.promql import known_metrics, selectors

Plant = Callable[[dict[str, Any]], object]
NAMES = [path.name for path in FILES]
OVERVIEW = load(next(path for path in FILES if path.name == "adbpg-overview.json"))


def tile(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return the first panel."""
    found: dict[str, Any] = dashboard["panels"][0]
    return found


def query(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return the query of the first panel."""
    found: dict[str, Any] = tile(dashboard)["targets"][0]
    return found


def variable(dashboard: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a variable."""
    every = dashboard["templating"]["list"]
    found: dict[str, Any] = next(each for each in every if each["name"] == name)
    return found


PLANTED: dict[str, tuple[Plant, str]] = {
    "editable": (lambda d: d.update(editable=True), "editable is not"),
    "refresh": (lambda d: d.update(refresh="5s"), "refresh is not"),
    "uid": (lambda d: d.pop("uid") and d.update(uid="x"), "no fixed uid"),
    "inputs": (lambda d: d.update(__inputs=[]), "__inputs belongs"),
    "link": (lambda d: d["links"].pop(), "no link to each"),
    "link-time": (lambda d: d["links"][0].update(keepTime=False), "loses variables or the time"),
    "datasource": (lambda d: variable(d, "datasource").update(query="loki"), "no variable dat"),
    "job": (lambda d: variable(d, "job").update(label="Scrape"), "no variable job"),
    "job-single": (lambda d: variable(d, "job").update(multi=False), "does not take several"),
    "job-all": (lambda d: variable(d, "job").update(allValue=".+"), "more than the exporters"),
    "auto": (lambda d: variable(d, "job").update(auto=False), "settings of intervals"),
    "stale": (lambda d: variable(d, "job").update(refresh=1), "not asked again"),
    "all": (lambda d: variable(d, "db_instance_id").update(allValue=".+"), "leaves out those"),
    "unused": (lambda d: variable(d, "job_id").update(name="other"), "other is not used"),
    "undeclared": (lambda d: variable(d, "job_id").update(name="other"), "is no variable job_id"),
    "variable-metric": (
        lambda d: variable(d, "job")["query"].update(query="label_values(adbpg_build, job)"),
        "no metric is called 'adbpg_build'",
    ),
    "title": (lambda d: tile(d).update(title=""), "has no title"),
    "description": (lambda d: tile(d).update(description="Failed"), "does not say what to do"),
    "unit": (lambda d: tile(d)["fieldConfig"]["defaults"].update(unit="sec"), "no unit that"),
    "nothing": (lambda d: tile(d)["fieldConfig"]["defaults"].pop("noValue"), "nothing is said"),
    "fixed": (lambda d: tile(d).update(datasource={"uid": "abc"}), "another data source"),
    "no-query": (lambda d: tile(d).update(targets=[]), "no query"),
    "id": (lambda d: tile(d).update(id=2), "2 panels have the id 2"),
    "refid": (lambda d: query(d).pop("refId"), "refIds"),
    "wide": (lambda d: tile(d)["gridPos"].update(x=22), "outside of the grid"),
    "overlap": (lambda d: tile(d)["gridPos"].update(h=5), "panels overlap"),
    "gap": (lambda d: tile(d)["gridPos"].update(h=2), "gaps between panels"),
    "syntax": (lambda d: query(d).update(expr="sum(("), "Failed in 24 h: "),
    "metric": (lambda d: query(d).update(expr='up2{job=~"$job"}'), "no metric is called 'up2'"),
    "label": (lambda d: query(d).update(expr='up{job=~"$job", a="b"}'), "has no label 'a'"),
    "matcher": (lambda d: query(d).update(expr="adbpg_job_up"), "not of the chosen job"),
    "instance": (
        lambda d: variable(d, "job_id").update(name="instance"),
        "not of the chosen exporter",
    ),
    "counter": (
        lambda d: query(d).update(expr='process_cpu_seconds_total{job=~"$job"}'),
        "counter without a rate",
    ),
    "gauge": (
        lambda d: query(d).update(expr='rate(adbpg_job_up{job=~"$job"}[$__rate_interval])'),
        "gauge with a rate",
    ),
    "window": (
        lambda d: query(d).update(expr='rate(process_cpu_seconds_total{job=~"$job"}[5m])'),
        "a rate over 5m",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_current(name: str) -> None:
    """The committed files are what the generator writes, byte for byte: run `make dashboards`."""
    committed = next(path for path in FILES if path.name == name).read_text("utf-8")

    assert dashboards()[name] == committed


def test_every_dashboard_has_a_file() -> None:
    """No dashboard is without its file, and no file without its dashboard."""
    assert sorted(dashboards()) == NAMES


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_rules_hold(path: Path) -> None:
    """No dashboard breaks a rule of tests/dashboards.py."""
    found = lint(load(path))

    assert not found


@pytest.mark.parametrize(("plant", "problem"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(plant: Plant, problem: str) -> None:
    """Each rule finds the fault that it is for."""
    faulty = deepcopy(OVERVIEW)
    plant(faulty)

    found = lint(faulty)

    assert problem in "\n".join(found)


def test_every_metric_of_ours_is_on_a_dashboard() -> None:
    """What the exporter tells can be seen: each metric of the table is in some panel."""
    shown = {
        selector.name
        for path in FILES
        for _, target in targets(load(path))
        for selector in selectors(target["expr"])
    }

    missing = {name for name in known_metrics() if name.startswith("adbpg_")} - shown

    assert not missing


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_facts_about_jobs_are_never_summed_over_exporters(path: Path) -> None:
    """Two replicas tell each job twice, so facts about jobs are under a `max` that unites them."""
    for title, target in targets(load(path)):
        united = _outside_of_max(target["expr"])

        assert "adbpg_job_" not in united.replace("adbpg_job_file", ""), title


def _outside_of_max(expression: str) -> str:
    """Return an expression without its aggregations by `max`."""
    kept, depth, position = [], 0, 0
    while position < len(expression):
        if not depth and expression.startswith(("max by (", "max without ("), position):
            position = expression.index(") (", position) + 3
            depth = 1
            continue
        if depth:
            depth += {"(": 1, ")": -1}.get(expression[position], 0)
        else:
            kept.append(expression[position])
        position += 1
    return "".join(kept)


@pytest.mark.parametrize(
    ("name", "matchers", "error"),
    [("adbpg_job_gone", (), KeyError), ("adbpg_job_up", ('status="Failed"',), ValueError)],
)
def test_a_renamed_metric_stops_the_generator(
    name: str, matchers: tuple[str, ...], error: type[Exception]
) -> None:
    """A metric or label that the table does not have, or no longer has, is not generated."""
    with pytest.raises(error):
        queries.series(name, *matchers)


def test_dashboards_name_nothing_of_one_site() -> None:
    """A dashboard has no address, and no data source, of whoever made it."""
    for path in FILES:
        text = json.dumps(load(path))

        assert "http" not in text
        assert text.count('"uid"') == text.count('"uid": "${datasource}"') + 1
