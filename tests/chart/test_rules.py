"""The rendered alerts are those of grafana/alerts, but for what the values say."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts import CHART, ROOT, Manifest, minimal, read, render
from tests.processes import PATIENCE, tool

pytestmark = pytest.mark.prometheus

SOURCE: Manifest = yaml.safe_load(
    (ROOT / "grafana" / "alerts" / "adbpg-job-exporter.rules.yaml").read_text("utf-8")
)
LINKS = {
    "grafanaUrl": "https://grafana.example.com/",
    "runbookUrl": "https://runbooks.example.com/adbpg-job-exporter",
}


@functools.cache
def by_default() -> dict[str, Manifest]:
    """Return every rule that the default values make."""
    return rules(groups())


def groups(**values: Any) -> list[Manifest]:
    """Return the rule groups that values make."""
    rule = render(minimal(prometheusRule={"enabled": True, **values})).one("PrometheusRule")
    made: list[Manifest] = rule["spec"]["groups"]
    return made


def rules(of: list[Manifest]) -> dict[str, Manifest]:
    """Return every rule by its name."""
    return {rule.get("alert") or rule["record"]: rule for group in of for rule in group["rules"]}


def test_defaults_are_the_file() -> None:
    """With the file's own links, every rule is as it stands there, Prometheus' templates too."""
    assert groups(**LINKS) == SOURCE["groups"]


def test_chinese_texts() -> None:
    """With alertLanguage zh, every rule is as it stands in the Chinese file."""
    chinese = ROOT / "grafana" / "alerts" / "adbpg-job-exporter.zh.rules.yaml"

    made = groups(alertLanguage="zh", **LINKS)

    assert made == yaml.safe_load(chinese.read_text("utf-8"))["groups"]


def test_values_have_each_alert() -> None:
    """values.yaml has each alert and each threshold of the file, with what it says there."""
    told = read(CHART / "values.yaml")["prometheusRule"]
    alerts = {name: rule for name, rule in rules(SOURCE["groups"]).items() if "alert" in rule}
    constants = [name for name in rules(SOURCE["groups"]) if name.startswith("adbpg:threshold_")]

    assert told["alerts"] == {
        name: {
            "enabled": True,
            "severity": rule["labels"]["severity"],
            "for": rule.get("for", "0s"),
        }
        for name, rule in alerts.items()
    }
    assert len(told["thresholds"]) == len(constants)


def test_links_without_an_address_are_left_out() -> None:
    """Nobody is sent to example.com; runbook and dashboard come with your own addresses."""
    bare, linked = groups(), groups(grafanaUrl="https://g.corp/x", runbookUrl="http://wiki/")

    assert "example.com" not in str(bare) + str(linked)
    assert not any("_url" in str(rule.get("annotations")) for rule in rules(bare).values())
    notes = rules(linked)["AdbpgJobStalled"]["annotations"]
    assert notes["dashboard_url"].startswith("https://g.corp/x/d/")
    assert notes["runbook_url"] == "http://wiki/runbook.md#adbpgjobstalled"


@pytest.mark.parametrize(
    "name", [name for name, rule in rules(SOURCE["groups"]).items() if "alert" in rule]
)
def test_each_alert_can_be_changed(name: str) -> None:
    """An alert can be switched off, or have another severity, duration and labels, alone."""
    before = by_default()
    changed = {"severity": "page", "for": "7m"}

    off = rules(groups(alerts={name: {"enabled": False}}))
    other = rules(groups(alerts={name: changed}, alertLabels={"team": "x", "severity": "no"}))

    assert before.keys() - off.keys() == {name}
    assert {key: off[key] for key in off} == {key: before[key] for key in off}
    assert other[name]["for"] == "7m"
    assert other[name]["labels"] == {"severity": "page", "team": "x"}
    assert {key for key in other if other[key].get("for") != before[key].get("for")} == {name}


def test_thresholds() -> None:
    """Each threshold is a constant of the rules, large and small numbers written out."""
    made = rules(
        groups(
            thresholds={"stalledSeconds": 90_000_000, "apiErrorsRatio": 0.005, "endedSeconds": 0}
        )
    )

    assert made["adbpg:threshold_stalled:seconds"]["expr"] == "vector(9e+07)"
    assert made["adbpg:threshold_api_errors:ratio"]["expr"] == "vector(0.005)"
    assert made["adbpg:threshold_ended:seconds"]["expr"] == "vector(0)"
    assert made["adbpg:threshold_overdue:seconds"]["expr"] == "vector(300)"


def test_job_labels() -> None:
    """Labels of jobs are added to what the alerts of jobs carry."""
    made = rules(groups(jobLabels=["team", "pipeline"]))

    assert "cluster, target, team, pipeline)" in made["adbpg:job_info"]["expr"]
    assert made["adbpg:job_info"] != rules(groups())["adbpg:job_info"]


@pytest.mark.parametrize("values", ["monitoring", "shards"])
def test_promtool_takes_them(values: str, tmp_path: Path) -> None:
    """Promtool has nothing to say about the rendered rules, linting all."""
    made = render(read(CHART / "ci" / f"{values}-values.yaml")).one("PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(made["spec"]), "utf-8")

    done = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yaml"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
