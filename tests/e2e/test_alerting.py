"""The alerts live: exporter, Prometheus with the rules, Alertmanager with the example, a pager."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import Pager, Server, alertmanager, ask, pager, prometheus
from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    PATIENCE,
    Process,
    eventually,
    exporter,
    get,
    simulator,
    tool,
)

pytestmark = pytest.mark.prometheus

ALERTS = Path(__file__).parents[2] / "grafana" / "alerts"
EXAMPLE = ALERTS / "alertmanager.example.yaml"
SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + """\
  - {name: shut, region_id: cn-hangzhou, workspace_id: gp-ws-1, namespace: shut, password: right}
jobs:
  - {id: healthy, collection: c1, namespace: main, entries: 9000000, expected_entries: 9000000}
  - {id: failed, collection: c2, namespace: main, shape: failed, entries: 9000, after: 2s, expected_entries: 9000}
  - {id: pausing, collection: c3, namespace: main, entries: 900, rate: 0.05, expected_entries: 900}
  - {id: stalled, collection: c4, namespace: main, shape: stalled, after: 1m, created: -9m, entries: 90000}
  - {id: refused, collection: c5, namespace: shut, entries: 9000000, fault: {kind: error, http_status: 403, code: Forbidden.RAM}}
"""  # noqa: E501  a flow mapping is one line
)
# In seconds. `pausing` moves every 20: in between it stalls.
THRESHOLDS = {
    "adbpg:threshold_stalled:seconds": 10,
    "adbpg:threshold_ended:seconds": 10,
    "adbpg:threshold_api_errors:requests": 2,
}


def quick_rules() -> str:
    """Return the rules with short times, seconds where they have minutes, and else as they are."""
    rules = yaml.safe_load((ALERTS / "adbpg-job-exporter.rules.yaml").read_text("utf-8"))
    left = dict(THRESHOLDS)
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        if rule.get("record") in left:
            assert re.fullmatch(r"vector\(\d+\)", rule["expr"])
            rule["expr"] = f"vector({left.pop(rule['record'])})"
        if "for" in rule:
            assert re.fullmatch(r"\d+m", rule["for"])
            rule["for"] = rule["for"].replace("m", "s")
    assert not left, "these thresholds are gone"
    return yaml.safe_dump(rules)


def quick_routes(url: str) -> str:
    """Return the example for Alertmanager with short times, telling who listens at ``url``."""
    configuration = yaml.safe_load(EXAMPLE.read_text("utf-8").replace("http://receiver:9095", url))

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
        for child in route.get("routes", ()):
            hurry(child)

    hurry(configuration["route"])
    return yaml.safe_dump(configuration)


@dataclass(frozen=True)
class Chain:
    """All that stands between a job and who is told.

    Attributes:
        exporter: asks about the jobs.
        configuration: of the exporter.
        prometheus: evaluates the rules.
        alertmanager: decides who is told.
        pager: who is told.
    """

    exporter: Process
    configuration: str
    prometheus: Server
    alertmanager: Server
    pager: Pager

    def muted(self) -> set[tuple[str, str]]:
        """Return alert and job, or target, of what Alertmanager does not tell."""
        _, text = get(self.alertmanager.url + "/api/v2/alerts")
        return {
            (it["labels"]["alertname"], it["labels"].get("job_id", it["labels"].get("target", "")))
            for it in json.loads(text)
            if it["status"]["inhibitedBy"]
        }


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Every part runs, for all tests here."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "rules.yaml").write_text(quick_rules(), "utf-8")
    with simulator(SCENARIO, folder) as api, pager() as told:
        configuration = api.configuration("scrape: {min_interval: 1s}\n")
        with (
            exporter(configuration, folder) as it,
            alertmanager(quick_routes(told.url), folder) as decides,
            prometheus(it.url, folder, _further(decides)) as evaluates,
        ):
            yield Chain(it, configuration, evaluates, decides, told)


def _further(decides: Server) -> str:
    address = decides.url.removeprefix("http://")
    return f"""\
rule_files: [rules.yaml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}
"""


def test_a_failed_job_is_told_and_ends_by_itself(chain: Chain) -> None:
    """Who gets warnings is told which job failed, when and how far it got; later it resolves."""
    alert = chain.pager.wait_for("firing", alertname="AdbpgJobFailed")

    assert alert["labels"] == {
        "alertname": "AdbpgJobFailed",
        "severity": "warning",
        "status": "Failed",
        "kind": "upsert_collection_data",
        "target": "main",
        "job": "adbpg",
        "job_id": "failed",
        "collection": "c2",
        "collection_namespace": "rag",
        "db_instance_id": "gp-bp1test",
    }
    assert (alert["receiver"], alert["path"]) == ("adbpg-warning", "/warning")
    _says_all(
        alert,
        r"failed; this was noticed on \d+ \w+ \d\d:\d\d UTC\. It has uploaded 2k entries of 9k\.",
    )
    chain.pager.wait_for("resolved", alertname="AdbpgJobFailed")


def test_a_stalled_job_is_told_until_it_moves(chain: Chain) -> None:
    """Who gets warnings is told which job stands still, since when, and that it moves again."""
    alert = chain.pager.wait_for("firing", alertname="AdbpgJobStalled", job_id="pausing")

    assert alert["labels"] == {
        "alertname": "AdbpgJobStalled",
        "severity": "warning",
        "status": "Running",
        "kind": "upsert_collection_data",
        "target": "main",
        "job": "adbpg",
        "job_id": "pausing",
        "collection": "c3",
        "collection_namespace": "rag",
        "db_instance_id": "gp-bp1test",
    }
    _says_all(alert, r"has not moved since \d.* UTC\. It has uploaded \d+ entries of 900\.")
    uploaded = re.search(r"uploaded (\d+) entries", alert["annotations"]["description"])
    chain.pager.wait_for("resolved", alertname="AdbpgJobStalled", job_id="pausing")
    now = ask(chain.prometheus, 'adbpg_job_progress_entries{job_id="pausing"}')
    assert uploaded
    assert float(now[0]["value"][1]) > float(uploaded[1])


def _says_all(alert: dict[str, Any], how: str) -> None:
    """The annotations tell the job, its place, the time and the entries, and where to look."""
    labels, annotations = alert["labels"], alert["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    text = annotations["description"]
    for name in ("job_id", "collection", "collection_namespace", "db_instance_id", "target"):
        assert labels[name] in text, name
    assert re.search(how, text), text
    assert annotations["runbook_url"].endswith("#" + labels["alertname"].lower())
    assert f"var-job_id={labels['job_id']}" in annotations["dashboard_url"]


def test_a_blocked_collection_is_not_told_beside_its_job(chain: Chain) -> None:
    """Who was told of the stalled job is not told that its collection is blocked."""
    chain.pager.wait_for("firing", alertname="AdbpgJobStalled", job_id="stalled")

    blocked = ("AdbpgCollectionBlocked", "main")
    eventually(lambda: blocked in chain.muted(), "the collection's alert is muted")

    assert chain.pager.told(alertname="AdbpgCollectionBlocked", collection="c4") == []


def test_a_refused_target_is_told_once(chain: Chain) -> None:
    """Refused calls wake somebody, who is not told too that the target's jobs cannot be queried."""
    alert = chain.pager.wait_for("firing", alertname="AdbpgApiAuthFailing")

    assert (alert["labels"]["target"], alert["path"]) == ("shut", "/critical")
    follow = {("AdbpgJobQueryFailing", "refused")}
    eventually(lambda: follow <= chain.muted(), "what follows from it is muted")
    assert chain.pager.told(alertname="AdbpgJobQueryFailing") == []


def test_a_dead_exporter_is_told_and_nothing_else(chain: Chain, tmp_path: Path) -> None:
    """AdbpgExporterDown wakes somebody and mutes all other alerts, until the exporter is back."""
    chain.pager.wait_for("firing", alertname="AdbpgJobStalled", job_id="stalled")
    assert chain.pager.told(job_id="healthy") == []

    chain.exporter.stop(signal.SIGKILL)

    # With its job: before the first scrape, `absent` may be true for longer than these short times.
    alert = chain.pager.wait_for("firing", alertname="AdbpgExporterDown", job="adbpg")
    before = len(chain.pager.told("firing"))
    assert alert["path"] == "/critical"
    # With these short times, a job that nobody can see soon looks as if it stood still.
    follow = {("AdbpgJobStalled", "healthy"), ("AdbpgJobStalled", "stalled")}
    eventually(lambda: follow <= chain.muted(), "what Prometheus believes of the jobs is muted")
    assert chain.pager.told("firing")[before:] == []
    again = "--web.listen-address=" + chain.exporter.url.removeprefix("http://")
    with exporter(chain.configuration, tmp_path, again):
        chain.pager.wait_for("resolved", alertname="AdbpgExporterDown", job="adbpg")


def test_only_what_follows_is_muted(tmp_path: Path) -> None:
    """An exporter that is down mutes its own alerts and no others; a lost shard mutes nothing."""
    job = {"alertname": "AdbpgJobFailed", "job_id": "1", "target": "main"}
    refused = {"alertname": "AdbpgApiAuthFailing", "target": "main"}
    unseen = {"alertname": "AdbpgJobQueryFailing", "job_id": "2", "target": "main"}
    down, lost = {"alertname": "AdbpgExporterDown"}, {"alertname": "AdbpgExporterShardMissing"}
    alerts = [
        *(each | {"job": "down"} for each in (down, job, refused, unseen)),
        *(each | {"job": "down", "cluster": "us-1"} for each in (job, unseen)),
        *(each | {"job": "lost"} for each in (lost | {"shard": "2"}, job, unseen)),
        *(each | {"job": "refused"} for each in (refused, unseen, unseen | {"target": "other"})),
        {"alertname": "SomebodyElses", "job": "down"},
    ]
    with alertmanager(EXAMPLE.read_text("utf-8"), tmp_path) as decides:
        url = f"--alertmanager.url={decides.url}"
        for labels in alerts:
            _amtool("alert", "add", url, *(f"{name}={value}" for name, value in labels.items()))

        shown = json.loads(get(decides.url + "/api/v2/alerts")[1])

    muted = [each["labels"] for each in shown if each["status"]["inhibitedBy"]]
    assert len(shown) == len(alerts)
    assert sorted(muted, key=str) == sorted(
        [
            *(each | {"job": "down"} for each in (job, refused, unseen)),
            unseen | {"job": "refused"},
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=AdbpgExporterDown severity=critical job=adbpg", "adbpg-critical"),
        ("alertname=AdbpgExporterShardMissing severity=critical shard=2", "adbpg-critical"),
        ("alertname=AdbpgJobStalled severity=warning target=main", "adbpg-warning"),
        ("alertname=AdbpgJobCancelled severity=info target=main", "adbpg-info"),
        ("alertname=SomebodyElses severity=critical", "others"),
    ],
)
def test_each_severity_has_its_receiver(labels: str, receiver: str) -> None:
    """By amtool, the example's routes lead each severity, and what is not ours, to one receiver."""
    done = _amtool("config", "routes", "test", f"--config.file={EXAMPLE}", *labels.split())

    assert done.stdout.split() == [receiver]


def test_amtool_accepts_the_example() -> None:
    """`amtool check-config` has nothing against the example."""
    assert "SUCCESS" in _amtool("check-config", str(EXAMPLE)).stdout


def _amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("amtool"), *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
