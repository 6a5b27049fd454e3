"""Starts the exporter as a rendered pod says: its arguments, mounts, environment and probes.

Mimics what a kubelet does with a pod: volumes become folders that hold a link to the present
version of each file, as Kubernetes writes ConfigMaps and Secrets, and a pod has an address of its
own. All is below a temporary folder, so the paths in arguments and files are made to begin there.
"""

import contextlib
import itertools
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.charts import NAMESPACE, Manifest, Rendered
from tests.planted import assert_absent
from tests.processes import PATIENCE, PLANTED, Process, command, plain_environ

ROOTS = ("/var/lib/adbpg-job-exporter", "/etc/adbpg", "/var/lib/adbpg-jobs")
Files = Mapping[str, str]


@dataclass
class Cluster:
    """What is in the cluster beside the release.

    Attributes:
        folder: for what is mounted.
        secrets: files by the Secret's name.
        config_maps: likewise; those of a release are added.
        claims: folders by the name of the PersistentVolumeClaim.
    """

    folder: Path
    secrets: dict[str, Files] = field(default_factory=dict)
    config_maps: dict[str, Files] = field(default_factory=dict)
    claims: dict[str, Path] = field(default_factory=dict)

    @contextlib.contextmanager
    def pod(self, made: Rendered, *, index: int = 0) -> Iterator["Pod"]:
        """Run the exporter's container of a release.

        Args:
            made: the release.
            index: of the pod, as a StatefulSet counts them.
        """
        maps = {each["metadata"]["name"]: each["data"] for each in made.all("ConfigMap")}
        self.config_maps |= maps
        pod = Pod(made, self.folder / f"pod-{index}", f"127.0.0.{10 + index}", index)
        pod.mount(self)
        with pod.running():
            yield pod


@dataclass
class Pod:
    """A pod of the exporter.

    Attributes:
        made: what it is of.
        folder: below which its file system is.
        address: of its own.
        index: as a StatefulSet counts.
        process: the exporter.
    """

    made: Rendered
    folder: Path
    address: str
    index: int
    process: Process = field(init=False)

    @property
    def port(self) -> int:
        """The container's port."""
        (port,) = self.made.container()["ports"]
        number: int = port["containerPort"]
        return number

    def mount(self, cluster: Cluster) -> None:
        """Make every folder that the container mounts."""
        volumes = {each["name"]: each for each in self.made.pod()["spec"]["volumes"]}
        for mount in self.made.container()["volumeMounts"]:
            self._mount(
                self.folder / mount["mountPath"].lstrip("/"), volumes[mount["name"]], cluster
            )

    def _mount(self, place: Path, volume: Manifest, cluster: Cluster) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if "persistentVolumeClaim" in volume:
            place.symlink_to(cluster.claims[volume["persistentVolumeClaim"]["claimName"]])
        elif "secret" in volume:
            self.renew(place, cluster.secrets[volume["secret"]["secretName"]])
        elif "configMap" in volume:
            self.renew(place, cluster.config_maps[volume["configMap"]["name"]])
        else:
            raise AssertionError(volume)

    def renew(self, place: Path, files: Files) -> None:
        """Give a mounted volume its files, or the next version of them, all at one moment."""
        place.mkdir(exist_ok=True)
        version = next(n for n in itertools.count() if not (place / f"..{n}").exists())
        (place / f"..{version}").mkdir()
        for name, text in files.items():
            (place / f"..{version}" / name).write_text(self.rewritten(text), "utf-8")
        (place / "..new").symlink_to(f"..{version}")
        (place / "..new").replace(place / "..data")
        for name in files:
            if not (place / name).is_symlink():
                (place / name).symlink_to(f"..data/{name}")

    def rewritten(self, text: str) -> str:
        """Return a text with the container's paths as paths of ours."""
        for root in ROOTS:
            text = text.replace(root, f"{self.folder}{root}")
        return text

    def arguments(self) -> list[str]:
        """Return the exporter's arguments, as it sees them."""
        variables = self.environment()
        texts = [
            re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], text)
            for text in self.made.container()["args"]
        ]
        listen = f"--web.listen-address={self.address}:"
        return [self.rewritten(t).replace("--web.listen-address=:", listen) for t in texts]

    def labels(self) -> dict[str, str]:
        """Return the pod's labels, with those that its controller adds."""
        labels = dict(self.made.pod()["metadata"]["labels"])
        if self.made.all("StatefulSet"):
            labels["apps.kubernetes.io/pod-index"] = str(self.index)
        return labels

    def environment(self) -> dict[str, str]:
        """Return the container's environment."""
        found = {}
        for each in self.made.container().get("env", ()):
            if "value" in each:
                found[each["name"]] = each["value"]
            else:
                path = each["valueFrom"]["fieldRef"]["fieldPath"]
                label = path.removeprefix("metadata.labels['").removesuffix("']")
                named = {"metadata.name": "pod-1", "metadata.namespace": NAMESPACE}
                found[each["name"]] = named.get(path) or self.labels()[label]
        return found

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the container until the block ends."""
        popen = subprocess.Popen(
            command(*self.arguments()),
            env={**plain_environ(), **self.environment()},
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.process = Process(popen, f"{self.scheme}://{self.address}:{self.port}")
        follower = threading.Thread(target=self.process.follow, daemon=True)
        follower.start()
        try:
            self.process.wait_for_log("msg=listening")
            yield
        finally:
            popen.kill()
            popen.wait()
            follower.join(PATIENCE)
            if popen.stderr:
                popen.stderr.close()
        assert_absent(PLANTED, "\n".join(self.process.log), "the log")

    @property
    def scheme(self) -> str:
        """Of the container's probes."""
        probe = self.made.container()["readinessProbe"].get("httpGet", {"scheme": "HTTPS"})
        return str(probe["scheme"]).lower()

    def probe(self, name: str) -> int:
        """Return the status that the kubelet gets of a probe."""
        container = self.made.container()
        asked = container[name]["httpGet"]
        (port,) = (p["containerPort"] for p in container["ports"] if p["name"] == asked["port"])
        return self.ask(f"{asked['scheme'].lower()}://{self.address}:{port}{asked['path']}")

    def ask(self, url: str) -> int:
        """Return the status of a GET, whatever the certificate, as a kubelet asks."""
        tls = ssl._create_unverified_context()  # noqa: S323  what a kubelet does
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE, context=tls) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def helm_test(self) -> subprocess.CompletedProcess[str]:
        """Run the container of the test's pod; the Service's name leads to this pod."""
        (test,) = self.made.all("Pod")
        python, *arguments = test["spec"]["containers"][0]["command"]
        assert python == "python3"
        service = self.made.all("Service")[0]["metadata"]
        host = f"{service['name']}.{service['namespace']}"
        assert f"//{host}:" in arguments[-1]
        arguments[-1] = arguments[-1].replace(host, self.address)
        return subprocess.run(
            [sys.executable, *arguments],
            env=plain_environ(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def free_port(address: str) -> int:
    """Return a port that is free at an address, and likely at others."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
    return port
