"""What our rules and dashboards cost a real Prometheus, at 10,000 jobs with their history."""

import json
import re
import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks import processes
from tests import dashboards
from tests.monitoring import ask, running

RULES = Path(__file__).parent.parent / "grafana" / "alerts" / "adbpg-job-exporter.rules.yaml"
RUNNING, ENDED = 2_000, 8_000
MINUTES = 6  # that Prometheus scrapes and evaluates; the rules look back over five
CONFIGURATION = """\
global: {scrape_interval: 15s, scrape_timeout: 14s, evaluation_interval: 15s}
rule_files: [RULES]
scrape_configs:
  - job_name: adbpg
    static_configs: [{targets: [TARGET]}]
"""


def measure(folder: Path, note: Callable[[str, float], None]) -> None:
    """Run Prometheus with the rules beside an exporter, and note what each group and panel takes.

    Args:
        folder: of certificates and configurations.
        note: takes the name of a figure and its value.
    """
    ids = [f"job-{number:06d}" for number in range(RUNNING)]
    ids += [f"ended-{number:06d}" for number in range(ENDED)]
    settings = "min_interval: 0s, concurrency: 64"
    with (
        processes.upstream(folder, latency=0.01, tls=False) as api,
        processes.exporter(folder, api.url, ids, settings) as child,
    ):
        text = CONFIGURATION.replace("RULES", str(RULES))
        text = text.replace("TARGET", child.url.removeprefix("http://"))
        (folder / "prometheus.yml").write_text(text, "utf-8")
        flags = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
        )
        with running("prometheus", *flags) as server:
            time.sleep(MINUTES * 60)
            for row in ask(server, "prometheus_rule_group_last_duration_seconds"):
                group = row["metric"]["rule_group"].rpartition(";")[2]
                note(f"rules, 10000 jobs: group {group}, seconds", float(row["value"][1]))
            for path in dashboards.FILES:
                slowest, total = _dashboard(server.url, dashboards.load(path), ids[0])
                name = path.stem.removeprefix("adbpg-")
                note(f"dashboard {name}, 10000 jobs: all queries, seconds", total)
                note(f"dashboard {name}, 10000 jobs: the slowest query, seconds", slowest)


def _dashboard(url: str, dashboard: dashboards.Dashboard, job: str) -> tuple[float, float]:
    """Return the seconds of a dashboard's slowest query, and of all one after another."""
    values = dict.fromkeys(dashboards.variables(dashboard), ".*")
    if dashboard["title"].endswith("Job"):
        values["job_id"] = job
    seconds = []
    for _, target in dashboards.targets(dashboard):
        expression = dashboards.filled_in(target["expr"], values)
        seconds.append(
            statistics.median(
                _query(url, expression, instant=bool(target.get("instant"))) for _ in range(3)
            )
        )
    return max(seconds), sum(seconds)


def _query(url: str, expression: str, *, instant: bool) -> float:
    now = time.time()
    fields: dict[str, object] = {"query": expression}
    if instant:
        path = "query"
    else:
        path, fields = "query_range", {**fields, "start": now - 3600, "end": now, "step": 15}
    body = urllib.parse.urlencode(fields).encode()
    began = time.perf_counter()
    with urllib.request.urlopen(f"{url}/api/v1/{path}", body, timeout=120) as answer:
        document = json.loads(answer.read())
    assert document["status"] == "success", re.sub(r"\s+", " ", expression)
    return time.perf_counter() - began
