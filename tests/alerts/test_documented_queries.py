"""The queries that the documents give to copy, run by promtool."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.model import Shard
from tests import promql
from tests.alerts.exporters import Exporter
from tests.alerts.job_lives import QUEUE
from tests.alerts.jobs import TROUBLED
from tests.alerts.kinds import BUILD, TAKES_LONG
from tests.alerts.scenario import Scenario, outcome
from tests.alerts.series import counter, gauge

pytestmark = pytest.mark.prometheus

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / "docs").glob("*.md"),
    *(
        ROOT / name
        for name in ("README.md", "grafana/README.md", "helm/adbpg-job-exporter/README.md")
    ),
]
OURS = re.compile(r"\badbpg[_:]")


def queries(page: Path) -> Iterator[str]:
    """Yield what is PromQL in a page's code and asks for more than one metric's name."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,6}(\S.*)$", text, re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", prose)
    for code in (*(line for block in blocks for line in block.splitlines()), *indented, *inline):
        if OURS.search(code) and re.search(r"[({]| [=*/+-]", code):
            try:
                promql.parse(code)
            except ValueError:
                continue
            yield code


FOUND = [(page, query) for page in PAGES for query in queries(page)]


def test_queries_are_found() -> None:
    """Both pages that give queries are read: the join of the metrics, and those of the runbook."""
    found = {page.name for page, _ in FOUND}

    assert {"metrics.md", "runbook.md"} <= found
    assert any("group_left (team)" in query for _, query in FOUND)


FURTHER = (
    gauge("adbpg_exporter_web_config_last_reload_successful", (0, 1)),
    gauge("adbpg_exporter_scrape_jobs", (0, 9), labels='result="fresh"'),
    gauge("adbpg_exporter_jobs", (0, 9), labels='source="file",state="active"'),
    gauge("adbpg_exporter_scrape_duration_seconds", (0, 1)),
    counter("adbpg_exporter_registry_errors_total", (0, 5), labels='operation="write"'),
    counter(
        "adbpg_collection_jobs_finished_total",
        (0, 5),
        labels='collection="faq",kind="graph_rag",status="Failed"',
    ),
    gauge("adbpg_exporter_clock_skew_seconds", (0, 0), labels='target="rag-prod"'),
    counter(
        "adbpg_exporter_api_request_duration_seconds_bucket",
        (0, 5),
        labels='action="GetUpsertCollectionDataJob",le="0.5"',
    ),
)
"""What else an exporter has."""


def filled_in(query: str) -> str:
    """Return a query about a job that runs: of the queue, or one that has a percentage."""
    running = (BUILD if "ratio" in query else QUEUE[1]).ref
    names = {"JOB_ID": running.job_id, "COLLECTION": running.collection, "NAMESPACE": "rag"}
    return re.sub(r'"(JOB_ID|COLLECTION|NAMESPACE)"', lambda found: f'"{names[found[1]]}"', query)


@pytest.mark.parametrize("shards", [1, 2])
def test_each_has_an_answer(shards: int, tmp_path: Path) -> None:
    """With two replicas of each shard, no query fails, and none is empty."""
    team = (("team", "search"),)
    jobs = tuple(
        replace(each, ref=replace(each.ref, labels=team))
        for each in (*TROUBLED, *QUEUE, BUILD, TAKES_LONG)
    )
    scenario = Scenario(
        "documented queries",
        until=40,
        fires=None,
        exporters=tuple(
            Exporter(f"{number}-{offset}", jobs, shard=Shard(number, shards), offset=offset)
            for number in range(1, shards + 1)
            for offset in (0, 10)
        ),
        series=FURTHER,
        answered=tuple(filled_in(query) for _, query in FOUND),
    )

    wrong = outcome(scenario, tmp_path)

    assert not wrong, wrong
