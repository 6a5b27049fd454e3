"""What our rules and dashboards cost a real Prometheus."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks import processes
from benchmarks.processes import Child
from tests import dashboards

RULES = Path(__file__).parent.parent / "grafana" / "alerts" / "adbpg-job-exporter.rules.yaml"
RUNNING, ENDED = 2_000, 8_000
FILLING = 360  # seconds before the measure: the rules look back over five minutes
MEASURED = 120  # seconds
RANGE, STEP = 3600, 30  # seconds of a dashboard, and between two points of a panel
LONGEST = 60  # seconds of a query
CONFIGURATION = """\
global: {scrape_interval: 30s, scrape_timeout: 25s, evaluation_interval: 30s}
rule_files: [RULES]
scrape_configs:
  - job_name: adbpg
    static_configs: [{targets: [TARGET]}]
"""


def measure(folder: Path, note: Callable[[str, float], None]) -> None:
    """Run Prometheus with the rules beside an exporter, and note what each part takes.

    Args:
        folder: of certificates and configurations.
        note: takes the name of a figure and its value.
    """
    jobs = [f"job-{number:06d}" for number in range(RUNNING)]
    jobs += [f"ended-{number:06d}" for number in range(ENDED)]
    total = len(jobs)
    with (
        processes.upstream(folder, latency=0.01, tls=False) as api,
        processes.exporter(folder, api.url, jobs, "min_interval: 0s, concurrency: 64") as child,
    ):
        text = CONFIGURATION.replace("RULES", str(RULES))
        text = text.replace("TARGET", child.url.removeprefix("http://"))
        (folder / "prometheus.yml").write_text(text, "utf-8")
        with processes.prometheus(folder) as server:
            time.sleep(FILLING)
            before = server.cpu()
            time.sleep(MEASURED)
            cpu = (server.cpu() - before) * 60 / MEASURED
            note(f"Prometheus, {total} jobs: CPU seconds a minute, scrapes and rules", cpu)
            note(f"Prometheus, {total} jobs: MB with scrapes and rules", server.memory())
            for group, seconds in _rule_groups(server):
                note(f"Prometheus, {total} jobs: rule group {group}, seconds", seconds)
            for path in dashboards.FILES:
                name = path.stem.removeprefix("adbpg-")
                figures = _dashboard(server, dashboards.load(path), jobs[0])
                for what, value in figures.items():
                    note(f"Prometheus, {total} jobs: dashboard {name}: {what}", value)
            note(f"Prometheus, {total} jobs: MB with all dashboards", server.memory())


def _rule_groups(server: Child) -> list[tuple[str, float]]:
    """Return the name of each group and the seconds of its last evaluation."""
    _, answer = server.get("/api/v1/rules", gzip=False)
    groups = json.loads(answer)["data"]["groups"]
    return [(group["name"], float(group["evaluationTime"])) for group in groups]


def _dashboard(server: Child, dashboard: dashboards.Dashboard, job: str) -> dict[str, float]:
    """Make each query of a dashboard once, with every choice open, and return what they took."""
    values = dict.fromkeys(dashboards.variables(dashboard), ".*")
    if "job_id" in values:
        values["job_id"] = job
    seconds, refused = [], 0
    for _, target in dashboards.targets(dashboard):
        expression = dashboards.filled_in(target["expr"], values)
        began = time.perf_counter()
        refused += not _query(server, expression, instant=bool(target.get("instant")))
        seconds.append(time.perf_counter() - began)
    return {
        "queries": len(seconds),
        "queries that Prometheus refused": refused,
        "seconds, one query after another": sum(seconds),
        "seconds, the slowest query": max(seconds),
    }


def _query(server: Child, expression: str, *, instant: bool) -> bool:
    """Make a query as Grafana does; return whether Prometheus answered it.

    It refuses those of more than fifty million samples, and those that take longer than they may.
    """
    now = time.time()
    fields: dict[str, object] = {"query": expression, "timeout": f"{LONGEST}s"}
    if not instant:
        fields |= {"start": now - RANGE, "end": now, "step": STEP}
    path = "query" if instant else "query_range"
    body = urllib.parse.urlencode(fields).encode()
    try:
        with urllib.request.urlopen(f"{server.url}/api/v1/{path}", body, timeout=300) as answer:
            return bool(json.loads(answer.read())["status"] == "success")
    except urllib.error.HTTPError as error:
        if error.code not in (422, 503):
            raise
        return False
