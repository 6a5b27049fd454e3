"""The chart's defaults are hardened, and no secret is in what it renders."""

from pathlib import Path
from typing import Any

import pytest

from tests.charts import CI, Manifest, Rendered, minimal, read, render

EVERY = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem.removesuffix("-values"))
CONFIG = str(minimal()["config"])
WAYS = {
    "default": minimal(),
    "shards": minimal(shards=3),
    "sidecar": minimal(jobFiles={"enabled": True, "sidecar": {"enabled": True}}),
    "TLS": minimal(webConfig={"existingSecret": "web"}),
}
HOST = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}
SECCOMP = ("RuntimeDefault", "Localhost")


def violations(spec: Manifest) -> set[str]:
    """Return the rules of the restricted Pod Security Standard that a pod's spec breaks."""
    pod: dict[str, Any] = spec.get("securityContext", {})
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    contexts = [each.get("securityContext", {}) for each in containers]
    both = [pod, *contexts]
    ports = [port for each in containers for port in each.get("ports", [])]
    kinds = {key for volume in spec.get("volumes", []) for key in volume} - {"name"}
    handlers = [
        handler
        for each in containers
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for handler in each.get(probe, {}).values()
        if isinstance(handler, dict)
    ]
    broken = {
        "host process": any(each.get("windowsOptions", {}).get("hostProcess") for each in both),
        "host namespaces": any(spec.get(key) for key in HOST),
        "privileged": any(each.get("privileged") for each in contexts),
        "capabilities added": any(
            set(each.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}
            for each in contexts
        ),
        "capabilities dropped": any(
            "ALL" not in each.get("capabilities", {}).get("drop", []) for each in contexts
        ),
        "volume types": not kinds <= VOLUMES,
        "host ports": any(port.get("hostPort") for port in ports),
        "host probes": any(handler.get("host") for handler in handlers),
        "AppArmor": any("appArmorProfile" in each for each in both),
        "SELinux": any("seLinuxOptions" in each for each in both),
        "proc mount": any(each.get("procMount", "Default") != "Default" for each in contexts),
        "sysctls": bool(pod.get("sysctls")),
        "privilege escalation": any(
            each.get("allowPrivilegeEscalation") is not False for each in contexts
        ),
        "running as non-root": any(
            (each.get("runAsNonRoot", pod.get("runAsNonRoot"))) is not True for each in contexts
        ),
        "non-root user": any(each.get("runAsUser") == 0 for each in both),
        "seccomp": any(
            each.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in SECCOMP
            for each in contexts
        ),
    }
    return {rule for rule, is_broken in broken.items() if is_broken}


@pytest.mark.parametrize("way", WAYS)
def test_pods_meet_the_restricted_standard(way: str) -> None:
    """No rule of the restricted Pod Security Standard is broken, by the test's pod neither."""
    specs = list(render(WAYS[way]).pods())

    assert [violations(spec) for spec in specs] == [set(), set()]


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("host ports", {"extraContainers": [{"ports": [{"hostPort": 1}]}]}),
        ("privileged", {"securityContext": {"privileged": True}}),
        ("capabilities added", {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
        ("capabilities dropped", {"securityContext": {"capabilities": {"drop": []}}}),
        ("volume types", {"extraVolumes": [{"hostPath": {"path": "/"}}]}),
        ("proc mount", {"securityContext": {"procMount": "Unmasked"}}),
        ("sysctls", {"podSecurityContext": {"sysctls": [{"name": "a", "value": "b"}]}}),
        ("privilege escalation", {"securityContext": {"allowPrivilegeEscalation": True}}),
        ("running as non-root", {"podSecurityContext": {"runAsNonRoot": False}}),
        ("non-root user", {"podSecurityContext": {"runAsUser": 0}}),
        ("seccomp", {"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ],
)
def test_the_check_notices(rule: str, values: dict[str, Any]) -> None:
    """A pod that breaks a rule is found to break it, so that the test above means something."""
    for each in (value for value in values.values() if isinstance(value, list)):
        each[0]["name"] = "more"

    assert rule in violations(render(minimal(**values)).pod()["spec"])


@pytest.mark.parametrize("way", WAYS)
def test_containers_cannot_write(way: str) -> None:
    """The root file system is read-only; what is mounted is so too, but for an emptyDir."""
    for spec in render(WAYS[way]).pods():
        own = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            for mount in container.get("volumeMounts", []):
                assert mount.get("readOnly") or mount["name"] in own, mount


@pytest.mark.parametrize("way", WAYS)
def test_the_service_account_can_do_nothing(way: str) -> None:
    """Only the sidecar has a token, which may read ConfigMaps and nothing else."""
    made = render(WAYS[way])

    assert all(pod["automountServiceAccountToken"] is False for pod in made.pods())
    with_token = [
        container["name"]
        for container in made.pod()["spec"]["containers"]
        if any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
    ]
    assert with_token == ["job-files"] * (way == "sidecar")
    assert all(
        account["automountServiceAccountToken"] is False for account in made.all("ServiceAccount")
    )
    assert [role["rules"] for role in made.all("Role")] == [
        [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    ] * (way == "sidecar")
    assert made.all("ClusterRole", "ClusterRoleBinding") == []


@EVERY
def test_no_secret_is_rendered(path: Path) -> None:
    """The chart makes no Secret, and names them without a value."""
    made = render(read(path))

    assert made.all("Secret") == []
    assert not any("stringData" in text for text in made.texts.values())


@pytest.mark.parametrize(
    "line",
    [
        "namespace_password: ${RAG_PASSWORD}",
        'namespace_password: "${RAG_PASSWORD}"',
        "namespace_password_file: /etc/adbpg/passwords/rag",
        "# namespace_password: of old",
    ],
)
def test_a_password_by_name_is_taken(line: str) -> None:
    """Only one in clear text is refused."""
    config = CONFIG.replace("namespace_password_file: /etc/adbpg/passwords/rag", line)
    others = "    namespace_password_file: a\n" * line.startswith("#")

    assert render(minimal(config=config + others)).manifests


@EVERY
def test_secrets_are_mounted_as_directories(path: Path) -> None:
    """Nothing is mounted by subPath, since that is never renewed; other users cannot read it."""
    spec = render(read(path)).pod()["spec"]

    for container in spec["containers"]:
        assert not [mount for mount in container.get("volumeMounts", []) if "subPath" in mount]
    for volume in spec["volumes"]:
        assert volume.get("secret", {}).get("defaultMode", 0o440) == 0o440


def test_the_policy_lets_out_what_is_needed() -> None:
    """DNS and HTTPS; with the sidecar, the Kubernetes API too."""
    dns = {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)}
    assert _let_out(render(WAYS["default"])) == {*dns, ("TCP", 443)}
    assert _let_out(render(WAYS["sidecar"])) - _let_out(render(WAYS["default"])) == {("TCP", 6443)}


def test_the_policy_lets_in_the_test() -> None:
    """Where only Prometheus is let in, `helm test` is too."""
    made = render(
        minimal(networkPolicy={"ingressFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}]})
    )

    (rule,) = made.one("NetworkPolicy")["spec"]["ingress"]

    allowed = [peer["podSelector"]["matchLabels"].items() for peer in rule["from"]]
    (test,) = made.all("Pod")
    assert any(labels <= test["metadata"]["labels"].items() for labels in allowed)


def _let_out(made: Rendered) -> set[tuple[str, int]]:
    rules = made.one("NetworkPolicy")["spec"]["egress"]
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}
