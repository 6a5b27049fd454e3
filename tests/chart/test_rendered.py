"""What the chart renders, read as a whole: golden texts, dashboards, names and notes."""

import shutil
from pathlib import Path

import helm_python as helm
import pytest
import yaml

from tests.charts import CHART, CI, GOLDEN, NAMESPACE, ROOT, golden, minimal, read, render

EVERY = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem.removesuffix("-values"))
CONFIG = str(minimal()["config"])
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


@pytest.mark.parametrize("way", ["ack", "minimal", "role", "shards"])
def test_golden(way: str) -> None:
    """What is installed is what was read and found right."""
    values = CHART / "ci" / f"{way}-values.yaml"

    assert golden(values) == (GOLDEN / f"{way}.txt").read_text("utf-8")


def test_dashboards_are_the_files() -> None:
    """Each dashboard is a ConfigMap, byte by byte, with the label of Grafana's sidecar."""
    made = render(minimal(dashboards={"enabled": True, "annotations": {"grafana_folder": "A"}}))

    maps = [each for each in made.all("ConfigMap") if "config.yaml" not in each["data"]]

    assert [each["data"] for each in maps] == [
        {path.name: path.read_text("utf-8")} for path in DASHBOARDS
    ]
    for each in maps:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "A"}
    assert len({each["metadata"]["name"] for each in maps}) == len(maps)


def test_any_dashboard_is_taken_as_it_is(tmp_path: Path) -> None:
    """Whatever is in the folder is installed, and Grafana's own braces are left alone."""
    copy = shutil.copytree(CHART, tmp_path / "chart")
    text = '{"title": "{{ job_id }} \\\\ $__rate_interval",\n "b": "é"}\n'
    (copy / "files" / "dashboards").mkdir(exist_ok=True)
    (copy / "files" / "dashboards" / "adbpg-one-more.json").write_text(text, "utf-8")

    with helm.Chart.load(copy) as chart:
        made = chart.render(minimal(dashboards={"enabled": True}), name="a", namespace=NAMESPACE)

    maps = list(yaml.safe_load_all(made["adbpg-job-exporter/templates/dashboards.yaml"]))
    assert {"adbpg-one-more.json": text} in [each["data"] for each in maps if each]


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("adbpg-job-exporter", {}, "adbpg-job-exporter"),
        ("prod", {}, "prod-adbpg-job-exporter"),
        ("my-adbpg-job-exporter", {}, "my-adbpg-job-exporter"),
        ("prod", {"nameOverride": "uploads"}, "prod-uploads"),
        ("prod", {"fullnameOverride": "uploads"}, "uploads"),
    ],
)
def test_names(release: str, values: dict[str, str], name: str) -> None:
    """What is installed, and its scrape job, are called after the release and its namespace."""
    made = render(minimal(serviceMonitor={"enabled": True}, **values), name=release)

    assert made.one("Deployment")["metadata"]["name"] == name
    (endpoint,) = made.one("ServiceMonitor")["spec"]["endpoints"]
    (job,) = [rule for rule in endpoint["relabelings"] if rule["targetLabel"] == "job"]
    assert job["replacement"] == f"{NAMESPACE}/{name}"


def test_a_change_of_the_configuration_restarts() -> None:
    """Another configuration is another pod: the exporter reads its own at start."""
    before, after = (
        render(minimal(config=CONFIG.replace("rag-prod", name))).pod()["metadata"]["annotations"]
        for name in ("a", "b")
    )

    assert before["checksum/config"] != after["checksum/config"]


def test_large_numbers_stay_whole() -> None:
    """The configuration is text, so 90000000 entries are not 9e+07."""
    made = render(read(CHART / "ci" / "monitoring-values.yaml"))

    (config,) = (each["data"] for each in made.all("ConfigMap") if "config.yaml" in each["data"])
    assert "expected_entries: 90000000" in config["config.yaml"]


@EVERY
def test_notes_say_what_to_do(path: Path) -> None:
    """The notes lead on: to the log, to the page, to Prometheus."""
    notes = render(read(path)).texts["templates/NOTES.txt"]

    assert "logs" in notes
    assert "port-forward" in notes
    assert "Prometheus" in notes
    assert "<no value>" not in notes
    assert all(len(line) <= 120 for line in notes.splitlines())


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"credentials": {}}, "there is no access key"),
        ({"credentials": {"ram": True}}, "kubectl label namespace"),
        ({"image": {}}, "no registry has"),
        ({}, "set prometheusRule.enabled"),
        ({"updateStrategy": {"type": "Recreate"}}, "not with updateStrategy.type Recreate"),
        ({"config": "", "existingConfigMap": "mine"}, "rollout restart"),
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.labels"),
    ],
)
def test_notes_say_what_is_missing(values: dict[str, object], part: str) -> None:
    """What was not set, and will be missed, is told, and only then."""
    complete = read(CHART / "ci" / "monitoring-values.yaml") | {"serviceMonitor": {}}

    assert part in render(minimal(**values)).texts["templates/NOTES.txt"]
    assert part not in render(complete).texts["templates/NOTES.txt"]
