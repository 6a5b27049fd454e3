"""Nothing is rendered that the API server takes and then ignores, or warns of."""

from collections.abc import Iterator
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from tests.charts import CHART, CI, NAMESPACE, Manifest, Rendered, minimal, read, render

OLDEST = "1.28"
EVERY = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem.removesuffix("-values"))
SELECTOR = {
    "app.kubernetes.io/name": "adbpg-job-exporter",
    "app.kubernetes.io/instance": "adbpg-job-exporter",
    "app.kubernetes.io/component": "exporter",
}
THEIRS = {"matchLabels": {"app": "database"}}
# https://github.com/kubernetes/kubernetes/blob/master/pkg/api/pod/warnings.go
DEPRECATED_LABELS = ("beta.kubernetes.io/", "failure-domain.beta.kubernetes.io/")


def terms(affinity: Manifest) -> Iterator[Manifest]:
    """Yield every term of an affinity that is about other pods."""
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind, {})
        yield from rules.get("requiredDuringSchedulingIgnoredDuringExecution", ())
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution", ()):
            yield weighted["podAffinityTerm"]


def warnings(spec: Manifest) -> list[str]:
    """Return what the API server would warn of in a pod's spec."""
    selecting = [*spec.get("topologySpreadConstraints", ()), *terms(spec.get("affinity", {}))]
    found = ["a null labelSelector matches no pod"] * sum(
        each.get("labelSelector") is None for each in selecting
    )
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        names = [each["name"] for each in container.get("env", ())]
        found += [f"hides a definition of {name}" for name in {*names} if names.count(name) > 1]
    names = [each["name"] for each in spec["volumes"]]
    found += [f"two volumes {name}" for name in {*names} if names.count(name) > 1]
    labels = spec.get("nodeSelector", {})
    return found + [f"deprecated {name}" for name in labels if name.startswith(DEPRECATED_LABELS)]


@EVERY
def test_no_way_of_use_gives_a_warning(path: Any) -> None:
    """The API server has nothing to say of the pods."""
    assert warnings(render(read(path)).pod()["spec"]) == []


def spread(**values: Any) -> list[Manifest]:
    """Return the constraints that are rendered."""
    made = render(minimal(**values))
    kubernetes_validate.validate(made.one("Deployment", "StatefulSet"), OLDEST, strict=True)
    assert warnings(made.pod()["spec"]) == []
    constraints: list[Manifest] = made.pod()["spec"]["topologySpreadConstraints"]
    return constraints


HOSTS = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
}


@pytest.mark.parametrize("selector", [{}, {"labelSelector": None}], ids=["none", "null"])
def test_pods_are_spread(selector: dict[str, None]) -> None:
    """A constraint without a selector counts the exporter's own pods, of the same version."""
    (constraint,) = spread(replicas=2, topologySpreadConstraints=[HOSTS | selector])

    assert constraint == HOSTS | {
        "labelSelector": {"matchLabels": SELECTOR},
        "matchLabelKeys": ["pod-template-hash"],
    }


def test_shards_are_spread() -> None:
    """Pods of a StatefulSet have no hash of their template, so none is asked for."""
    (constraint,) = spread(shards=2, topologySpreadConstraints=[HOSTS])

    assert constraint == HOSTS | {"labelSelector": {"matchLabels": SELECTOR}}


@pytest.mark.parametrize("selector", [THEIRS, {}], ids=["theirs", "every pod"])
def test_a_selector_of_ones_own_is_kept(selector: dict[str, Any]) -> None:
    """Who names pods means these."""
    (constraint,) = spread(topologySpreadConstraints=[HOSTS | {"labelSelector": selector}])

    assert constraint == HOSTS | {"labelSelector": selector}


def test_terms_of_an_affinity_have_a_selector() -> None:
    """One without is about the exporter's own pods, wherever it stands; others are kept."""
    term = {"topologyKey": "kubernetes.io/hostname"}
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}},
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [term],
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": term},
                {"weight": 2, "podAffinityTerm": term | {"labelSelector": THEIRS}},
            ],
        },
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
    }  # fmt: skip

    made = render(minimal(affinity=affinity))

    kubernetes_validate.validate(made.one("Deployment"), OLDEST, strict=True)
    rendered = made.pod()["spec"]["affinity"]
    own = {"matchLabels": SELECTOR}
    assert [each["labelSelector"] for each in terms(rendered)] == [own, own, own, THEIRS]
    assert rendered["nodeAffinity"] == affinity["nodeAffinity"]


def strategy(**values: Any) -> Manifest:
    """Return how pods are replaced."""
    made = render(minimal(**values)).one("Deployment", "StatefulSet")
    kubernetes_validate.validate(made, OLDEST, strict=True)
    spec = made["spec"]
    found: Manifest = spec["strategy" if made["kind"] == "Deployment" else "updateStrategy"]
    return found


QUARTER = {"maxSurge": "25%", "maxUnavailable": "25%"}
STRATEGIES: list[tuple[int, dict[str, Any], Manifest]] = [
    (1, {}, {"type": "RollingUpdate", "rollingUpdate": QUARTER}),
    (1, {"type": "RollingUpdate"}, {"type": "RollingUpdate", "rollingUpdate": QUARTER}),
    (
        1,
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    ),
    (1, {"type": "Recreate"}, {"type": "Recreate"}),
    (1, {"type": "Recreate", "rollingUpdate": None}, {"type": "Recreate"}),
    (2, {}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
    (
        2,
        {"rollingUpdate": {"partition": 2}},
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
    ),
    (2, {"type": "OnDelete"}, {"type": "OnDelete"}),
]


@pytest.mark.parametrize(("shards", "given", "expected"), STRATEGIES)
def test_the_strategy_is_said_in_full(shards: int, given: Any, expected: Manifest) -> None:
    """What Kubernetes would fill in is Helm's own from the start, so it can go with an upgrade.

    With server-side apply, fields that the API server filled in stay, and `Recreate` beside a
    `rollingUpdate` is refused.
    """
    assert strategy(shards=shards, updateStrategy=given) == expected


def named(made: Rendered) -> set[tuple[str, str, str]]:
    """Return kind, namespace and name of all that is installed in another namespace."""
    return {
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
        for each in made.manifests
        if each["metadata"]["namespace"] == "shared"
    }


@pytest.mark.parametrize("namespaces", [("one", "two"), ("a" * 63, "a" * 62 + "b")])
def test_releases_of_one_name_do_not_meet(namespaces: tuple[str, str]) -> None:
    """Two releases of one name, from two namespaces, install nothing of one name in a third."""
    values = minimal(
        jobFiles={"enabled": True, "sidecar": {"enabled": True, "namespaces": ["shared"]}},
        serviceMonitor={"enabled": True, "namespace": "shared"},
        prometheusRule={"enabled": True, "namespace": "shared"},
        dashboards={"enabled": True, "namespace": "shared"},
    )

    first, second = (named(render(values, namespace=namespace)) for namespace in namespaces)

    kinds = {"Role", "RoleBinding", "ServiceMonitor", "PrometheusRule", "ConfigMap"}
    assert {kind for kind, _, _ in first} == kinds
    assert len(first) == len(second)
    assert not first & second
    assert all(len(name) <= 63 for _, _, name in first | second)


def test_at_home_names_are_short() -> None:
    """In the release's own namespace the release's name is enough."""
    made = render(minimal(serviceMonitor={"enabled": True, "namespace": NAMESPACE}))

    assert made.one("ServiceMonitor")["metadata"]["name"] == "adbpg-job-exporter"


@pytest.mark.parametrize("release", ["1prod", "a.b", "9.adbpg-job-exporter", "x" * 53, "1" * 53])
def test_names_are_those_of_services(release: str) -> None:
    """Whatever a release may be called, a Service begins with a letter and has no dot."""
    for service in render(minimal(shards=2), name=release).all("Service"):
        name = service["metadata"]["name"]

        assert name[0].isalpha()
        assert name[-1].isalnum()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_labels_of_a_monitor_may_be_others() -> None:
    """A label by which a Prometheus selects replaces the chart's of its name."""
    labels = {"app.kubernetes.io/instance": "prometheus", "release": "stack"}

    made = render(minimal(serviceMonitor={"enabled": True, "labels": labels}))

    assert made.one("ServiceMonitor")["metadata"]["labels"].items() >= labels.items()
    assert made.texts["templates/servicemonitor.yaml"].count("app.kubernetes.io/instance: ") == 2


def sections_and_values() -> list[tuple[str, ...]]:
    """Return the path of every value of the chart, and of every section."""
    lines = (CHART / "files" / "values.txt").read_text("ascii").splitlines()
    known = [tuple(line.split(".")) for line in lines]
    return sorted({path[:depth] for path in known for depth in range(1, len(path) + 1)})


@pytest.mark.parametrize("path", sections_and_values(), ids=".".join)
def test_null_is_taken_or_refused(path: tuple[str, ...]) -> None:
    """`null`, by which Helm takes a default away, leaves no hole in what is rendered."""
    value: Any = None
    for key in reversed(path):
        value = {key: value}
    refusal = ""
    try:
        made = render(merged(minimal(), value))
    except helm.HelmError as error:
        made, refusal = Rendered({}, []), str(error)

    assert path[0] in (refusal or path[0])
    assert "nil pointer" not in refusal
    for name, text in made.texts.items():
        assert "null" not in text.replace("nullable", ""), name
        assert "<no value>" not in text, name
    for manifest in made.all("Deployment", "StatefulSet", "Service", "NetworkPolicy", "ConfigMap"):
        kubernetes_validate.validate(manifest, OLDEST, strict=True)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return values laid over values, as Helm does it with files."""
    return below | {
        key: merged(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
