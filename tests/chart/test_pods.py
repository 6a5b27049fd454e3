"""The exporter, started as the rendered pod says, works."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from exporter.simulator.configuration import exporter_configuration
from exporter.simulator.scenario_file import load_scenario
from tests.certificates import Authority
from tests.charts import Rendered, minimal, render
from tests.kubelet import Cluster, Pod, free_port
from tests.monitoring import Server, ask, once, prometheus
from tests.postgresql import postgresql
from tests.processes import (
    ACCESS_KEYS,
    KEY,
    ONE_NAMESPACE,
    Upstream,
    eventually,
    get,
    scrape,
    send,
    simulator,
)

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + "jobs:\n"
    + "  - {id: failed, collection: c, namespace: main, shape: failed, after: 1m, created: -1h}\n"
    + "".join(
        f"  - {{id: job-{number}, collection: c{number}, namespace: main, entries: 9000000}}\n"
        for number in range(6)
    )
)
JOB_FILE = "- {target: main, id: from-file, collection: c}\n"
ACCESS_KEY = {
    "access-key-id": KEY["ALIBABA_CLOUD_ACCESS_KEY_ID"],
    "access-key-secret": KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
}
PASSWORDS = {"main": "pw-of-rag-namespace"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The simulated API, for all tests here."""
    with simulator(SCENARIO, tmp_path_factory.mktemp("api")) as upstream:
        yield upstream


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster with the Secrets and the claim that the README names."""
    jobs = tmp_path / "claim"
    jobs.mkdir()
    (jobs / "nightly.yaml").write_text(JOB_FILE, "utf-8")
    return Cluster(
        tmp_path,
        {"adbpg-access-key": ACCESS_KEY, "adbpg-passwords": PASSWORDS},
        claims={"upload-jobs": jobs},
    )


def configuration(api: Upstream) -> str:
    """Return the text for the value config."""
    scenario = load_scenario(str(api.scenario))
    return "scrape: {min_interval: 0s}\n" + exporter_configuration(
        scenario, api.process.url, passwords_in="/etc/adbpg/passwords"
    )


def made(api: Upstream, **values: Any) -> Rendered:
    """Render the values for the scenario's jobs."""
    known = {"config": configuration(api), "service": {"port": free_port("127.0.0.10")}}
    return render(minimal(**(known | values)))


def test_a_pod_answers_its_probes(api: Upstream, cluster: Cluster) -> None:
    """With the rendered flags, mounts and environment it starts, is probed and shows its jobs."""
    claim = {"enabled": True, "volume": {"persistentVolumeClaim": {"claimName": "upload-jobs"}}}

    with cluster.pod(made(api, jobFiles=claim)) as pod:
        page = scrape(pod.process)

        assert pod.probe("livenessProbe") == 200
        assert pod.probe("readinessProbe") == 200
        assert page.value("adbpg_job_up", job_id="job-1") == 1.0
        assert page.value("adbpg_job_info", job_id="from-file") == 1.0
        assert page.value("adbpg_exporter_job_files_broken") == 0.0
        done = pod.helm_test()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "/-/ready: 200 Ready." in done.stdout
        assert pod.process.stop() == 0


@pytest.mark.parametrize(
    ("values", "prefix"),
    [
        ({"externalUrl": "https://ops.example.com/adbpg/jobs/"}, "/adbpg/jobs"),
        ({"externalUrl": "https://ops.example.com/adbpg/", "routePrefix": "/"}, ""),
        ({"routePrefix": "/jobs"}, "/jobs"),
    ],
)
def test_probes_and_monitors_follow_the_prefix(
    api: Upstream, cluster: Cluster, values: dict[str, str], prefix: str
) -> None:
    """With an external URL or a route prefix, the kubelet, Prometheus and `helm test` go there."""
    chart = made(api, serviceMonitor={"enabled": True}, **values)

    with cluster.pod(chart) as pod:
        assert pod.probe("livenessProbe") == 200
        assert pod.probe("readinessProbe") == 200
        assert f"{prefix}/-/ready: 200 Ready." in pod.helm_test().stdout
        (endpoint,) = chart.one("ServiceMonitor")["spec"]["endpoints"]
        assert endpoint["path"] == f"{prefix}/metrics"
        assert pod.ask(pod.process.url + endpoint["path"]) == 200


def test_helm_test_fails_without_an_exporter(api: Upstream, tmp_path: Path) -> None:
    """Where nothing answers, the test's pod fails and says so."""
    pod = Pod(made(api), tmp_path, "127.0.0.10", 0)

    done = pod.helm_test()

    assert done.returncode == 1
    assert "Connection refused" in done.stdout


def test_rotation(api: Upstream, cluster: Cluster) -> None:
    """A Secret that changes is in use without a restart: keys, and namespace passwords."""
    cluster.secrets["adbpg-passwords"] = {"main": "not the password"}
    with cluster.pod(made(api)) as pod:
        assert scrape(pod.process).value("adbpg_job_up", job_id="job-1") == 0.0

        pod.renew(pod.folder / "etc/adbpg/passwords", PASSWORDS)

        eventually(
            lambda: scrape(pod.process).value("adbpg_job_up", job_id="job-1") == 1.0,
            "the new password is in use",
        )


def test_announced_jobs(api: Upstream, cluster: Cluster) -> None:
    """A token of the Secret announces a job, which is watched; a renewed one counts at once."""
    cluster.secrets["adbpg-tokens"] = {"nightly": "planted-token-of-nightly"}
    tokens = (
        "registration:\n  tokens:\n"
        "    - {name: nightly, token_file: /etc/adbpg/tokens/nightly, targets: [main]}\n"
    )
    job = {"target": "main", "id": "announced", "collection": "c"}

    def announced(pod: Pod, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{pod.process.url}/api/v1/jobs"
        return send(urllib.request.Request(url, json.dumps(job).encode(), headers))[0]

    values = {"existingSecret": "adbpg-tokens"}
    with cluster.pod(made(api, config=tokens + configuration(api), registration=values)) as pod:
        assert announced(pod, "planted-token-of-nightly") == 201
        assert scrape(pod.process).value("adbpg_job_info", job_id="announced") == 1.0
        pod.renew(pod.folder / "etc/adbpg/tokens", {"nightly": "planted-token-renewed"})
        eventually(lambda: announced(pod, "planted-token-renewed") == 200, "the new token counts")


TOKENS = (
    "registration:\n  tokens:\n"
    "    - {name: nightly, token_file: /etc/adbpg/tokens/nightly, targets: [main]}\n"
)


def announced(pod: Pod, job_id: str) -> int:
    """Announce a job to a pod; return the status."""
    job = {"target": "main", "id": job_id, "collection": "c"}
    headers = {
        "Authorization": "Bearer planted-token-of-nightly",
        "Content-Type": "application/json",
    }
    url = f"{pod.process.url}/api/v1/jobs"
    return send(urllib.request.Request(url, json.dumps(job).encode(), headers))[0]


def test_sqlite_on_a_volume(api: Upstream, cluster: Cluster, tmp_path: Path) -> None:
    """What was announced to a pod is watched by the next one with its volume."""
    cluster.secrets["adbpg-tokens"] = {"nightly": "planted-token-of-nightly"}
    cluster.claims["exporter-jobs"] = tmp_path / "volume"
    (tmp_path / "volume").mkdir(mode=0o777)
    (tmp_path / "volume").chmod(0o777)
    registry = "registry: {store: sqlite, path: /var/lib/adbpg-job-exporter/jobs.sqlite}\n"
    release = made(
        api,
        config=TOKENS + registry + configuration(api),
        registration={"existingSecret": "adbpg-tokens"},
        registry={"volume": {"persistentVolumeClaim": {"claimName": "exporter-jobs"}}},
    )

    with cluster.pod(release) as pod:
        assert announced(pod, "kept") == 201
    with cluster.pod(release, index=1) as pod:
        assert scrape(pod.process).value("adbpg_job_info", job_id="kept") == 1
        assert announced(pod, "kept") == 200


def test_two_shards_on_postgresql(api: Upstream, cluster: Cluster) -> None:
    """Any pod takes any job, and each job is in the page of its shard only."""
    cluster.secrets["adbpg-tokens"] = {"nightly": "planted-token-of-nightly"}
    ids = [f"shared-{number}" for number in range(8)]
    with postgresql() as server:
        cluster.secrets["adbpg-registry"] = {"dsn": server.dsn}
        registry = "registry: {store: postgresql, dsn_file: /etc/adbpg/registry/dsn}\n"
        release = made(
            api,
            config=TOKENS + registry + configuration(api),
            registration={"existingSecret": "adbpg-tokens"},
            registry={"existingSecret": "adbpg-registry"},
            shards=2,
        )
        with cluster.pod(release, index=1) as one, cluster.pod(release, index=2) as two:
            eventually(lambda: announced(one, ids[0]) == 201, "the store is open")
            assert {announced(one, job_id) for job_id in ids[1:]} == {201}
            eventually(
                lambda: {*watched(one, ids), *watched(two, ids)} == {*ids}, "all are watched"
            )
            assert not {*watched(one, ids)} & {*watched(two, ids)}


def watched(pod: Pod, ids: list[str]) -> list[str]:
    """Return which of the jobs are in a pod's page."""
    page = scrape(pod.process)
    return [job_id for job_id in ids if page.names(job_id=job_id)]


def test_tls_and_users(api: Upstream, cluster: Cluster, tmp_path: Path) -> None:
    """With a web configuration it is probed by HTTPS and without a password, which others need."""
    certificate, key = Authority(tmp_path).issue("server", "DNS:localhost")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    cluster.secrets["adbpg-web"] = {
        "server.pem": certificate.read_text(),
        "server.key": key.read_text(),
        "web.yaml": "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
        f"basic_auth_users: {{prometheus: {hashed}}}\nprobes_without_auth: true\n",
    }

    with cluster.pod(made(api, webConfig={"existingSecret": "adbpg-web"})) as pod:
        assert pod.process.url.startswith("https://")
        assert pod.probe("livenessProbe") == 200
        assert pod.probe("readinessProbe") == 200
        assert pod.ask(pod.process.url + "/metrics") == 401
        done = pod.helm_test()
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_configuration_of_ones_own(api: Upstream, cluster: Cluster) -> None:
    """With existingConfigMap its config.yaml is taken as it is."""
    keys = {"provider": "files"} | {
        f"{name.replace('-', '_')}_file": f"/etc/adbpg/access-key/{name}" for name in ACCESS_KEY
    }
    credentials = f"credentials: {json.dumps(keys)}\n"
    cluster.config_maps["mine"] = {"config.yaml": api.configuration(credentials)}

    with cluster.pod(made(api, config="", existingConfigMap="mine")) as pod:
        page = scrape(pod.process)

    assert page.value("adbpg_job_up", job_id="job-1") == 1.0


@pytest.mark.prometheus
def test_two_shards(api: Upstream, cluster: Cluster, tmp_path: Path) -> None:
    """Of two shards a Prometheus has each job and each alert once, and tells which one is gone."""
    at_once = {"AdbpgExporterShardMissing": {"for": "0s"}, "AdbpgJobFailed": {"for": "0s"}}
    release = made(
        api,
        shards=2,
        podMonitor={"enabled": True},
        prometheusRule={"enabled": True, "alerts": at_once},
    )
    start = release.one("StatefulSet")["spec"]["ordinals"]["start"]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump(release.one("PrometheusRule")["spec"]), "utf-8"
    )
    with (
        cluster.pod(release, index=start) as one,
        cluster.pod(release, index=start + 1) as two,
        prometheus("", tmp_path, scraping(release, one, two)) as server,
    ):
        every = {"failed", *(f"job-{n}" for n in range(6))}
        eventually(lambda: set(once(server, "adbpg_job_up")) == every, "both are scraped")
        assert shards(server, "count by (shard) (adbpg_job_up)") == {"1", "2"}
        assert shards(server, "up") == {"1", "2"}
        assert "of shard 2 of 2" in get(two.process.url + "/")[1]

        eventually(lambda: bool(ask(server, firing("AdbpgJobFailed"))), "the failed job is told")
        assert len(ask(server, firing("AdbpgJobFailed"))) == 1
        # Before the first scrape, nothing was there.
        eventually(
            lambda: not ask(server, firing("AdbpgExporterShardMissing")), "both shards are there"
        )

        two.process.stop()

        eventually(
            lambda: bool(ask(server, firing("AdbpgExporterShardMissing"))), "the lost shard is told"
        )
        assert shards(server, firing("AdbpgExporterShardMissing")) == {"2"}


def firing(alert: str) -> str:
    """Return a query for an alert that fires."""
    return f'ALERTS{{alertname="{alert}", alertstate="firing"}}'


def shards(server: Server, query: str) -> set[str]:
    """Return the values of the label shard in an answer."""
    return {row["metric"].get("shard", "") for row in ask(server, query)}


def scraping(release: Rendered, *pods: Pod) -> str:
    """Return what the Prometheus Operator makes of the PodMonitor, for these pods."""
    (endpoint,) = release.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    configs = [
        {
            "targets": [f"{pod.address}:{pod.port}"],
            "labels": {
                "__meta_kubernetes_pod_label_"
                + "".join(c if c.isalnum() else "_" for c in key): value
                for key, value in pod.labels().items()
            },
        }
        for pod in pods
    ]
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    job = {
        "job_name": "observability/podmonitor",
        "scheme": endpoint["scheme"],
        "metrics_path": endpoint["path"],
        "static_configs": configs,
        "relabel_configs": [
            {names.get(key, key): value for key, value in rule.items()}
            for rule in endpoint["relabelings"]
        ],
    }
    return f"  - {json.dumps(job)}\nrule_files: [rules.yaml]\n"
