"""The page against parts that no one here wrote: promtool and a real Prometheus."""

import json
import subprocess
from pathlib import Path

import bcrypt
import pytest

from exporter.simulator.demo import demo_scenario
from exporter.simulator.scenario import Source
from tests.certificates import Authority
from tests.monitoring import ask, once, prometheus
from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    PATIENCE,
    eventually,
    exporter,
    get,
    simulator,
    started,
    tool,
)

pytestmark = pytest.mark.prometheus

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + """
jobs:
  - {id: steady, collection: c1, namespace: main, entries: 9000000, expected_entries: 9000000}
  - {id: stalled, collection: c2, namespace: main, shape: stalled, after: 1s, created: -1h}
  - {id: failed, collection: c3, namespace: main, shape: failed, after: 1m, created: -1h}
  - {id: gone, collection: c5, namespace: main, shape: unknown}
  - {id: 'quote" back\\slash', collection: "größe-向量", namespace: main, entries: 9000000}
"""
)


def test_promtool_finds_nothing_to_say(tmp_path: Path) -> None:
    """`promtool check metrics` accepts the whole page, and lints nothing of ours."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        _, page = get(it.url + "/metrics")

    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert [line for line in done.stderr.splitlines() if "adbpg" in line] == []
    assert done.returncode == 0, done.stderr


def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    """Prometheus 2.42 takes every sample: up is 1, with no scrape error and no warning."""
    with (
        simulator(SCENARIO, tmp_path) as api,
        exporter(api.configuration(), tmp_path) as it,
        prometheus(it.url, tmp_path) as server,
    ):
        statuses = {
            ("steady", "Running"),
            ("stalled", "Running"),
            ("failed", "Failed"),
            ('quote" back\\slash', "Running"),
        }

        def has_all() -> bool:
            rows = [row["metric"] for row in ask(server, "adbpg_job_status == 1")]
            return {(row["job_id"], row["status"]) for row in rows} == statuses

        eventually(has_all, "jobs are in Prometheus")
        assert [row["value"][1] for row in ask(server, 'up{job="adbpg"}')] == ["1"]
        _, targets = get(server.url + "/api/v1/targets")
        assert json.loads(targets)["data"]["activeTargets"][0]["lastError"] == ""
        assert [line for line in server.log if "level=warn" in line or "level=error" in line] == []
        assert not any("out of order" in line or "Duplicate" in line for line in server.log)


def test_prometheus_is_offered_openmetrics(tmp_path: Path) -> None:
    """Asked for OpenMetrics, as Prometheus asks, the exporter answers with it."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        _, page = get(it.url + "/metrics", Accept=accept)

    assert page.endswith("# EOF\n")


def test_the_demo_in_prometheus(tmp_path: Path) -> None:
    """The demo's jobs reach Prometheus, several at once, and move."""
    listen = "--web.listen-address=127.0.0.1:0"
    pattern = r"http://(\S+)/metrics "
    with (
        started("demo", listen, address=pattern, environ={}, cwd=tmp_path) as it,
        prometheus(it.url, tmp_path) as server,
    ):
        moving = "changes(adbpg_job_progress_entries[5m]) > 0"
        eventually(lambda: len(ask(server, moving)) >= 3, "at least three jobs move")

        assert len(ask(server, "count by (status) (adbpg_job_status == 1)")) >= 5


def test_two_shards_show_each_job_once(tmp_path: Path) -> None:
    """Of two shards on one configuration, a Prometheus has each job exactly once."""
    several = "".join(
        f"  - {{id: job-{number}, collection: c1, namespace: main, entries: 9000000}}\n"
        for number in range(8)
    )
    with (
        simulator(SCENARIO + several, tmp_path) as api,
        exporter(api.configuration(), tmp_path, "--shard=1/2") as one,
        exporter(api.configuration(), tmp_path, "--shard=2/2") as two,
        prometheus(f"{one.url},{two.url}", tmp_path) as server,
    ):
        every = {
            *("steady", "stalled", "failed", "gone", 'quote" back\\slash'),
            *(f"job-{number}" for number in range(8)),
        }
        eventually(lambda: set(once(server, "adbpg_job_info")) == every, "both are scraped")
        assert len(ask(server, "count by (instance) (adbpg_job_info)")) == 2


def test_two_shards_of_the_demo(tmp_path: Path) -> None:
    """Of two demos that are told a shard each, a Prometheus has each job of the demo once."""
    listen, pattern = "--web.listen-address=127.0.0.1:0", r"http://(\S+)/metrics "
    scenario = demo_scenario()
    configured = {job.id for job in scenario.jobs if job.source is Source.CONFIG}
    with (
        started("demo", listen, "--shard=1/2", address=pattern, environ={}, cwd=tmp_path) as one,
        started("demo", listen, "--shard=2/2", address=pattern, environ={}, cwd=tmp_path) as two,
        prometheus(f"{one.url},{two.url}", tmp_path) as server,
    ):
        eventually(lambda: configured <= set(once(server, "adbpg_job_info")), "both are scraped")

        assert "of shard 2 of 2" in get(two.url + "/")[1]
        assert {row["value"][1] for row in ask(server, "adbpg_exporter_shard")} == {"1", "2"}


def test_prometheus_shows_certificate_and_password(tmp_path: Path) -> None:
    """A stock Prometheus scrapes a port with TLS, client certificates and users."""
    authority = Authority(tmp_path)
    authority.issue("server", "DNS:localhost,IP:127.0.0.1")
    authority.issue("client", "DNS:prometheus.example")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        "  client_allowed_sans: [prometheus.example]\n"
        f"basic_auth_users:\n  prometheus: {hashed}\n"
    )
    further = """\
    scheme: https
    basic_auth: {username: prometheus, password: right}
    tls_config: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key}
"""

    with (
        simulator(SCENARIO, tmp_path) as api,
        exporter(api.configuration(), tmp_path, "--web.config.file=web.yaml") as it,
        prometheus(it.url, tmp_path, further) as server,
    ):
        eventually(lambda: len(ask(server, "adbpg_job_info")) == 5, "a scrape")

        assert ask(server, "up")[0]["value"][1] == "1"
