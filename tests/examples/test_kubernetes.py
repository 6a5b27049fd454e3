"""examples/kubernetes/: the manifests for those who use no Helm."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.charts import minimal, render
from tests.custom_resources import validator
from tests.processes import KEY, get, run, simulator, started
from tests.single_target import SCENARIO, with_endpoint

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "kubernetes"
Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    """Return all that the kustomization applies."""
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]
    return [
        manifest
        for name in listed
        for manifest in yaml.safe_load_all((FOLDER / name).read_text("utf-8"))
    ]


def one(kind: str) -> Manifest:
    """Return the one manifest of a kind."""
    (found,) = (manifest for manifest in manifests() if manifest["kind"] == kind)
    return found


def pod() -> Manifest:
    """Return the pod's specification."""
    spec: Manifest = one("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> Manifest:
    """Return the exporter's container."""
    (found,) = pod()["containers"]
    exporter: Manifest = found
    return exporter


@pytest.mark.parametrize("version", ["1.28", "1.32", "1.37"])
def test_kubernetes_takes_them(version: str) -> None:
    """Each manifest is one of Kubernetes', with no field misspelt."""
    checked = [each for each in manifests() if each["kind"] != "ServiceMonitor"]

    for manifest in checked:
        kubernetes_validate.validate(manifest, version, strict=True)

    assert {each["kind"] for each in checked} == {"ConfigMap", "Secret", "Deployment", "Service"}


def test_the_prometheus_operator_takes_the_monitor() -> None:
    """The ServiceMonitor has no field misspelt either."""
    validator("ServiceMonitor").validate(one("ServiceMonitor"))


def test_every_file_is_applied() -> None:
    """The kustomization lists each file that is there."""
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]

    assert {*listed, "kustomization.yaml"} == {file.name for file in FOLDER.glob("*.yaml")}


def test_the_pod_is_restricted() -> None:
    """The pod meets each rule of the restricted Pod Security Standard."""
    spec, ours = pod(), container()["securityContext"]

    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    kinds = {kind for volume in spec["volumes"] for kind in volume}
    assert kinds == {"name", "configMap", "secret"}
    assert not [port for port in container()["ports"] if "hostPort" in port]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert ours["allowPrivilegeEscalation"] is False
    assert ours["capabilities"] == {"drop": ["ALL"]}
    assert not {"privileged", "procMount", "seLinuxOptions", "runAsUser"} & ours.keys()
    assert not {"sysctls", "seLinuxOptions"} & spec["securityContext"].keys()
    # Beyond the standard:
    assert ours["readOnlyRootFilesystem"] is True
    assert spec["automountServiceAccountToken"] is False


def test_labels_and_ports_agree() -> None:
    """The ServiceMonitor finds the Service, that finds the pods, and all mean the same port."""
    service, monitor = one("Service"), one("ServiceMonitor")
    labels = service["metadata"]["labels"]
    template = one("Deployment")["spec"]["template"]
    (port,) = container()["ports"]
    (offered,) = service["spec"]["ports"]
    (endpoint,) = monitor["spec"]["endpoints"]

    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert endpoint["port"] == offered["name"]
    assert offered["targetPort"] == port["name"]
    assert offered["port"] == port["containerPort"]
    assert f"--web.listen-address=:{port['containerPort']}" in container()["args"]
    assert "adbpg" in service["metadata"]["name"]  # becomes the label job, which alerts look for


def test_what_is_mounted_is_there() -> None:
    """Each mount has its volume, each volume its ConfigMap or Secret, none a subPath."""
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests()}

    mounted = {mount["name"]: mount for mount in container()["volumeMounts"]}

    assert mounted.keys() == volumes.keys()
    assert not [mount for mount in mounted.values() if "subPath" in mount]
    for volume in volumes.values():
        if "secret" in volume:
            assert ("Secret", volume["secret"]["secretName"]) in names
        else:
            assert ("ConfigMap", volume["configMap"]["name"]) in names


def _laid_out(folder: Path) -> dict[str, str]:
    """Write what the pod would see below a folder; return the mounts' new paths by old ones."""
    holders = {each["metadata"]["name"]: each for each in manifests()}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    moved = {}
    for mount in container()["volumeMounts"]:
        volume = volumes[mount["name"]]
        name = volume["secret"]["secretName"] if "secret" in volume else volume["configMap"]["name"]
        files = holders[name].get("stringData") or one("ConfigMap")["data"]
        here = folder / mount["mountPath"].removeprefix("/")
        here.mkdir(parents=True)
        for file, content in files.items():
            (here / file).write_text(content, "utf-8")
        moved[mount["mountPath"]] = str(here)
    return moved


def test_it_runs(tmp_path: Path) -> None:
    """With arguments and mounts of the pod it starts, and answers on the paths of the probes."""
    moved = _laid_out(tmp_path)
    config = tmp_path / "etc/adbpg/config/config.yaml"
    key = tmp_path / "etc/adbpg/access-key"
    (key / "id").write_text(KEY["ALIBABA_CLOUD_ACCESS_KEY_ID"])
    (key / "secret").write_text(KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"])
    (tmp_path / "etc/adbpg/passwords/rag-prod").write_text("pw-of-rag-namespace")
    arguments = [*container()["args"]]
    text = config.read_text("utf-8")
    for old, new in moved.items():
        text = text.replace(old, new)
        arguments = [argument.replace(old, new) for argument in arguments]
    arguments = [each.replace("=:10077", "=127.0.0.1:0") for each in arguments]

    with simulator(SCENARIO, tmp_path) as api:
        config.write_text(with_endpoint(text, api.process.url), "utf-8")
        live = run("check-config", "--live", f"--config.file={config}", environ={})
        with started(*arguments, address=r"listening on (\S+)", environ={}) as process:
            statuses = {
                probe: get(process.url + container()[probe]["httpGet"]["path"])[0]
                for probe in ("livenessProbe", "readinessProbe")
            }
            _, page = get(process.url + one("ServiceMonitor")["spec"]["endpoints"][0]["path"])

    (doubt,) = live.stderr.splitlines()  # of the instance that each must name
    assert doubt.endswith("is the value of an example: put your own in its place")
    assert live.returncode == 0
    assert live.stdout.endswith("live: good: 1 of 1 job answered\n")
    assert statuses == {"livenessProbe": 200, "readinessProbe": 200}
    assert "adbpg_job_up{" in page


DEFAULT_PROBE = {"periodSeconds": 10, "failureThreshold": 3}


def test_the_pod_is_that_of_the_chart() -> None:
    """Who leaves Helm for the plain manifests gets the same rights, limits, mounts and probes."""
    chart = render(minimal())
    theirs, rendered = chart.pod()["spec"], chart.container()

    for key in ("automountServiceAccountToken", "terminationGracePeriodSeconds", "securityContext"):
        assert pod()[key] == theirs[key]
    for key in ("resources", "securityContext", "volumeMounts", "ports"):
        assert container()[key] == rendered[key]
    for key in ("livenessProbe", "readinessProbe"):
        ours = DEFAULT_PROBE | container()[key]
        assert ours["httpGet"] == {
            name: value for name, value in rendered[key]["httpGet"].items() if name != "scheme"
        }
        assert {**ours, "httpGet": None} == {**rendered[key], "httpGet": None}
    secrets = [each["secret"] for each in pod()["volumes"] if "secret" in each]
    assert secrets == [each["secret"] for each in theirs["volumes"] if "secret" in each]
