"""What is rendered is what Kubernetes and the Prometheus Operator take."""

import copy
import functools
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from tests.charts import CI, ROOT, WORKLOADS, Manifest, Rendered, minimal, read, render
from tests.custom_resources import validator

CUSTOM = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
KUBERNETES = ("1.28", "1.32", "1.37")
EVERY = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem.removesuffix("-values"))


@functools.cache
def rendered(path: Path) -> Rendered:
    """Return what a values file makes, rendered once."""
    return render(read(path))


@EVERY
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_it(path: Path, version: str) -> None:
    """Each manifest is one of Kubernetes', oldest, middle and newest, with no field misspelt."""
    for manifest in rendered(path).manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


@EVERY
def test_the_prometheus_operator_takes_it(path: Path) -> None:
    """Each of its resources is as its CRD says, with no field misspelt."""
    for manifest in rendered(path).all(*CUSTOM):
        validator(manifest["kind"]).validate(manifest)


def test_every_kind_of_resource_is_checked() -> None:
    """The ways of use have each template in them; dashboards are tried in test_rendered.py."""
    templates = {name for path in CI for name in rendered(path).texts}
    kinds = {manifest["kind"] for path in CI for manifest in rendered(path).manifests}

    sources = {path.relative_to(ROOT / "helm/adbpg-job-exporter").as_posix() for path in TEMPLATES}
    assert sources - templates <= {"templates/dashboards.yaml"}
    assert {*CUSTOM, *WORKLOADS} <= kinds


TEMPLATES = [
    path
    for path in (ROOT / "helm/adbpg-job-exporter/templates").rglob("*.*")
    if path.suffix != ".tpl"
]


@pytest.mark.parametrize("kind", CUSTOM)
def test_the_schemas_are_strict(kind: str) -> None:
    """A misspelt field would be noticed."""
    values = minimal(
        serviceMonitor={"enabled": kind == "ServiceMonitor"},
        podMonitor={"enabled": kind == "PodMonitor"},
        prometheusRule={"enabled": True},
    )
    manifest = copy.deepcopy(render(values).one(kind))

    first = next(value for value in manifest["spec"].values() if isinstance(value, list))[0]
    first["relabeling"] = []

    with pytest.raises(jsonschema.ValidationError, match="relabeling"):
        validator(kind).validate(manifest)


def test_kubernetes_own_schemas_are_strict() -> None:
    """So it would be in Kubernetes' own resources."""
    manifest = copy.deepcopy(render(minimal()).one("Deployment"))

    manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(manifest, KUBERNETES[0], strict=True)


@EVERY
def test_names_fit(path: Path) -> None:
    """Names are Kubernetes' own length at most, also of a release with a long name."""
    for manifest in render(read(path), name="a" * 53).manifests:
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in manifest["metadata"].get("labels", {}).values())


@EVERY
def test_everything_is_where_it_should_be(path: Path) -> None:
    """Each manifest has its namespace; selectors select the exporter's pods, not the test's."""
    made = rendered(path)
    labels = made.pod()["metadata"]["labels"]

    for selector in selectors(made):
        assert selector.items() <= labels.items()
        for pod in made.all("Pod"):
            assert not selector.items() <= pod["metadata"]["labels"].items()
    for manifest in made.manifests:
        assert "namespace" in manifest["metadata"] or manifest["metadata"]["name"].endswith("-more")


@EVERY
def test_ports_agree(path: Path) -> None:
    """The flag, the container, probes, Services, monitors and the policy have one port."""
    made = rendered(path)
    container = made.container()
    (port,) = container["ports"]

    listen = [arg for arg in container["args"] if arg.startswith("--web.listen-address=")]
    assert listen == [f"--web.listen-address=:{port['containerPort']}"]
    for probe in ("livenessProbe", "readinessProbe"):
        (handler,) = (
            container[probe][key] for key in ("httpGet", "tcpSocket") if key in container[probe]
        )
        assert handler["port"] == port["name"]
    for service in made.all("Service"):
        (offered,) = service["spec"]["ports"]
        assert (offered["port"], offered["targetPort"]) == (port["containerPort"], port["name"])
        assert offered["name"] == "metrics"
    for monitor in endpoints(made):
        assert (monitor["port"], monitor["path"]) == ("metrics", "/metrics")
    for policy in made.all("NetworkPolicy"):
        assert policy["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def selectors(made: Rendered) -> list[dict[str, str]]:
    """Return the labels by which what was made finds the exporter's pods."""
    found = [each["spec"]["selector"] for each in made.all("Service")]
    found += [each["spec"]["selector"]["matchLabels"] for each in made.all(*WORKLOADS)]
    found += [each["spec"]["selector"]["matchLabels"] for each in made.all("PodMonitor")]
    found += [each["spec"]["podSelector"]["matchLabels"] for each in made.all("NetworkPolicy")]
    return found + [
        each["spec"]["selector"]["matchLabels"] for each in made.all("PodDisruptionBudget")
    ]


def endpoints(made: Rendered) -> list[Manifest]:
    """Return how monitors scrape."""
    return [
        endpoint
        for monitor in made.all("ServiceMonitor", "PodMonitor")
        for key in ("endpoints", "podMetricsEndpoints")
        for endpoint in monitor["spec"].get(key, ())
    ]


def test_a_service_monitor_finds_one_service() -> None:
    """Of the two Services of shards it takes the one, so that no pod is scraped twice."""
    made = render(minimal(shards=2, serviceMonitor={"enabled": True}))

    wanted = made.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]

    found = [
        each["metadata"]["name"]
        for each in made.all("Service")
        if wanted.items() <= each["metadata"]["labels"].items()
    ]
    assert found == ["adbpg-job-exporter"]
