"""The rules file: what each alert has, and that all it names exists."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest
import yaml

from exporter.errors import REASONS
from exporter.metrics import JOB_LABELS
from tests import promql
from tests.alerts.scenario import RULES
from tests.alerts.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROSE = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}

# The contract. Routes and silences hang on these names: change them on purpose only.
SEVERITIES = {
    "AdbpgJobFailed": "warning",
    "AdbpgJobCancelled": "info",
    "AdbpgJobStalled": "warning",
    "AdbpgJobStuckInState": "warning",
    "AdbpgJobPastDeadline": "warning",
    "AdbpgCollectionBlocked": "warning",
    "AdbpgIndexBuildBlocksUploads": "warning",
    "AdbpgDocumentQueueFull": "warning",
    "AdbpgCollectionStale": "warning",
    "AdbpgCollectionFailing": "warning",
    "AdbpgJobLost": "warning",
    "AdbpgJobQueryFailing": "warning",
    "AdbpgJobAnswerInconsistent": "info",
    "AdbpgExporterDown": "critical",
    "AdbpgExporterShardMissing": "critical",
    "AdbpgApiAuthFailing": "critical",
    "AdbpgApiErrors": "warning",
    "AdbpgApiThrottled": "info",
    "AdbpgExporterConfigReloadFailed": "warning",
    "AdbpgExporterJobFileBroken": "warning",
    "AdbpgExporterJobFilesUnreadable": "warning",
    "AdbpgRegistryDown": "warning",
    "AdbpgJobsDropped": "warning",
    "AdbpgExporterTimeZoneSuspect": "info",
    "AdbpgExporterScrapeLate": "warning",
}
EXPORTER = frozenset(("job", "namespace", "cluster"))
"""The labels that say from which exporter an alert comes, as far as its targets have them."""

RECORDED_LABELS: Mapping[str, frozenset[str]] = {
    "adbpg:threshold": frozenset(),
    "adbpg:job": frozenset((*JOB_LABELS, "kind", "target", "status")) | EXPORTER,
    "adbpg:collection": frozenset((*JOB_LABELS[1:], "target")) | EXPORTER,
    "adbpg:documents_active": EXPORTER,
    "adbpg:index_build_blocks": frozenset((*JOB_LABELS, "target", "kind")) | EXPORTER,
    "adbpg:exporter": EXPORTER | {"instance"},
    "adbpg:api": EXPORTER | {"target", "reason"},
}
SCRAPED = {name: labels | EXPORTER | {"shard"} for name, labels in promql.known_metrics().items()}
"""All that is scraped, with labels that scrape jobs give; one is of those that share the work."""


@dataclass(frozen=True)
class Expression:
    """An expression and what it may use.

    Attributes:
        text: of a rule, or of a query in a description.
        recorded: the names that the rules above it have recorded.
        group: all names that are recorded in its group.
    """

    text: str
    recorded: frozenset[str]
    group: frozenset[str]


def expressions() -> Iterator[tuple[str, Expression]]:
    """Yield each with the name of its rule."""
    for group in GROUPS:
        names = frozenset(rule["record"] for rule in group["rules"] if "record" in rule)
        above: frozenset[str] = frozenset()
        for rule in group["rules"]:
            name = rule.get("record", rule.get("alert"))
            asked = re.findall(r"printf `([^`]*adbpg[^`]*)`", str(rule.get("annotations", "")))
            for text in (rule["expr"], *(query.replace("%q", '"x"') for query in asked)):
                yield name, Expression(text, above, names)
            above |= {name}


EXPRESSIONS = list(expressions())


def labels_of(recorded: str) -> frozenset[str]:
    """Return the labels of a recorded series."""
    return next(labels for name, labels in RECORDED_LABELS.items() if recorded.startswith(name))


def used_at_once(text: str) -> set[str]:
    """Return the names that are looked up at the moment itself, not over the time before it."""
    tree = promql.parse(text)
    before = Counter(
        selector.name
        for node in promql.nodes(tree)
        if isinstance(node, promql_parser.MatrixSelector)
        for selector in promql.selectors(node)
    )
    return set(Counter(selector.name for selector in promql.selectors(tree)) - before)


def test_alerts_and_their_severities() -> None:
    """The alerts are those that are promised, with a severity that routes can use."""
    assert {name: rule["labels"] for name, rule in ALERTS.items()} == {
        name: {"severity": severity} for name, severity in SEVERITIES.items()
    }


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_annotations(rule: dict[str, Any]) -> None:
    """An alert has a fixed sentence for its head, and a description with what it is about."""
    annotations = rule["annotations"]

    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert re.fullmatch(r"[A-Z][^{}]+\.", annotations["summary"])
    assert (
        "{{ $labels." in annotations["description"]
        or "{{ with $labels." in annotations["description"]
    )


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_texts_need_no_label_that_may_be_absent(rule: dict[str, Any]) -> None:
    """A label that only some scrape jobs give is in a text only where it is there."""
    text = rule["annotations"]["description"]
    for optional in ("namespace", "cluster", "shard"):
        text = re.sub(
            rf"{{{{-? ?with \$labels\.{optional} }}}}.*?{{{{ ?end }}}}", "", text, flags=re.DOTALL
        )
    shown = set(re.findall(r"{{ \$labels\.(\w+) }}", text))

    assert shown <= {*JOB_LABELS, "kind", "target", "status", "reason", "file", "pattern", "job"}


@pytest.mark.parametrize("name", ALERTS)
def test_runbook(name: str) -> None:
    """Each alert leads to its own section of the runbook."""
    url = urlsplit(ALERTS[name]["annotations"]["runbook_url"])
    page = (ROOT / "docs" / Path(url.path).name).read_text("utf-8")

    assert url.fragment == name.lower()
    assert re.search(rf"^## {name}$", page, re.MULTILINE)


def test_runbook_has_the_alerts_and_no_others() -> None:
    """Its table has each with its severity, and no section is called like an alert that is none."""
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(Adbpg\w+)\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE)

    assert sorted(rows) == sorted(SEVERITIES.items())
    assert set(re.findall(r"^## (Adbpg\w+)$", page, re.MULTILINE)) == set(ALERTS)


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_dashboard(rule: dict[str, Any]) -> None:
    """Each alert leads to a dashboard, and sets variables that this one has."""
    url = urlsplit(rule["annotations"]["dashboard_url"])
    uid = Path(url.path).name
    path = ROOT / "grafana" / "dashboards" / f"{uid}.json"
    dashboard = json.loads(path.read_text("utf-8"))
    variables = {f"var-{variable['name']}" for variable in dashboard["templating"]["list"]}

    assert dashboard["uid"] == uid
    assert set(parse_qs(url.query)) <= variables


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_names_exist(name: str, expression: Expression) -> None:
    """Metrics and labels are those of the metric table, or of a rule in the same group."""
    recorded = {each: labels_of(each) for each in expression.group}

    assert promql.problems(expression.text, {**SCRAPED, **recorded}) == [], name


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_order(name: str, expression: Expression) -> None:
    """What a rule uses at once is recorded above it; only what was before may be from below."""
    used = {each for each in used_at_once(expression.text) if each.startswith("adbpg:")}

    assert used <= expression.recorded, name


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["name"])
def test_thresholds(group: dict[str, Any]) -> None:
    """The first rules of a group are its thresholds, constants all, and used below."""
    rules = group["rules"]
    is_threshold = [rule.get("record", "").startswith("adbpg:threshold_") for rule in rules]
    thresholds = rules[: sum(is_threshold)]

    assert is_threshold == sorted(is_threshold, reverse=True)
    assert thresholds
    for rule in thresholds:
        assert re.fullmatch(r"vector\([\d.]+\)", rule["expr"])
        assert any(f"scalar({rule['record']})" in each["expr"] for each in rules)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_its_tests(name: str) -> None:
    """It fires in a scenario, word for word, not from its first moment on, and it ends there."""
    tested = [
        (scenario, firing)
        for scenario in SCENARIOS
        for firing in scenario.fires or ()
        if firing.alert == name and not scenario.changes
    ]

    assert any(firing.read for _, firing in tested)
    assert any(firing.first > 1 and firing.last < each.until for each, firing in tested)
    assert any(all(firing.alert != name for firing in each.fires or ()) for each in SCENARIOS)


def test_readme_tells_how_to_load_them() -> None:
    """The README's count and file name are right."""
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    settings = {
        key: value for block in blocks if isinstance(block, dict) for key, value in block.items()
    }

    assert f"has {len(ALERTS)}\nalerts" in README
    assert settings["rule_files"] == [RULES.name]


@pytest.mark.parametrize("page", ["README.md", "grafana/README.md"])
def test_the_links_are_changed_by_one_command(tmp_path: Path, page: str) -> None:
    """What both pages show for it, as it stands there, leaves no link to an example's host."""
    text = (ROOT / page).read_text("utf-8")
    commands = re.findall(r"^    (sed -i '.*?\n.*?' adbpg\S+)$", text, re.MULTILINE)
    shutil.copy(RULES, tmp_path)

    subprocess.run(["sh", "-euc", *commands], cwd=tmp_path, check=True)

    changed = yaml.safe_load((tmp_path / RULES.name).read_text("utf-8"))["groups"]
    notes = [rule["annotations"] for group in changed for rule in group["rules"] if "alert" in rule]
    assert len(notes) == len(ALERTS)
    for note in notes:
        assert note["runbook_url"].startswith("https://wiki.corp.example/adbpg/runbook.md#")
        assert note["dashboard_url"].startswith("https://grafana.corp.example/d/adbpg-")


MAY_BE_MISSING = {
    "adbpg_exporter_web_config_last_reload_successful": "without --web.config.file",
    "adbpg_exporter_job_file_error": "without job files",
    "adbpg_job_query_failed": "while all queries work",
    "adbpg_job_expected_entries": "where no job has expected_entries",
    "adbpg_job_deadline_timestamp_seconds": "likewise",
    "adbpg_job_progress_ratio": "where no job has a percentage",
}


@pytest.mark.parametrize("metric", MAY_BE_MISSING)
def test_pint_is_told_of_series_that_may_be_missing(metric: str) -> None:
    """A linter that asks Prometheus for the series of each rule has no complaint."""
    text = RULES.read_text("utf-8")
    rules = re.split(r"^      - (?=record|alert)", text, flags=re.MULTILINE)[1:]
    asking = [rule for rule in rules if metric in rule.split("annotations:")[0]]

    assert asking
    for rule in asking:
        assert f"# pint disable promql/series({metric})" in rule


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_no_page_names_a_rule_that_does_not_exist(page: Path) -> None:
    """A renamed rule is renamed in the prose too."""
    recorded = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
    named = set(re.findall(r"\badbpg:[a-z_:0-9]*[a-z0-9]", page.read_text("utf-8")))

    assert named <= recorded


def test_claims_differ() -> None:
    """No scenario hides another."""
    claims = [scenario.claim for scenario in SCENARIOS]

    assert len(set(claims)) == len(claims)


def test_each_reason_has_its_alert() -> None:
    """A refused key wakes somebody, an unknown job is its own alert, all else is AdbpgApiErrors."""
    woken = re.search(r'reason=~"([^"]+)"', ALERTS["AdbpgApiAuthFailing"]["expr"])
    left_out = re.search(r'reason!~"([^"]+)"', ALERTS["AdbpgApiErrors"]["expr"])
    assert woken
    assert left_out

    refusals = set(woken[1].split("|"))
    assert refusals == {"auth", "permission", "credentials", "clock_skew"}
    assert set(left_out[1].split("|")) == refusals | {"not_found"}
    assert refusals | {"not_found", "namespace_password", "instance_state", "account"} < set(
        REASONS
    )
