"""The Helm chart, rendered as Helm does it, and what was rendered, to be asked for."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "adbpg-job-exporter"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
MINIMAL = CHART / "ci" / "minimal-values.yaml"
RELEASE, NAMESPACE = "adbpg-job-exporter", "observability"
WORKLOADS = ("Deployment", "StatefulSet")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Helm would install.

    Attributes:
        texts: of each template, by its path in the chart.
        manifests: in the order of their templates' names.
    """

    texts: dict[str, str]
    manifests: list[Manifest]

    def all(self, *kinds: str) -> list[Manifest]:
        """Return the manifests of some kinds."""
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    def one(self, *kinds: str) -> Manifest:
        """Return the one manifest of some kinds, of tests none."""
        found = [each for each in self.all(*kinds) if not is_test(each)]
        assert len(found) == 1, f"{kinds}: {len(found)}"
        return found[0]

    def pod(self) -> Manifest:
        """Return the template of the exporter's pods."""
        template: Manifest = self.one(*WORKLOADS)["spec"]["template"]
        return template

    def container(self) -> Manifest:
        """Return the exporter's container."""
        containers: list[Manifest] = self.pod()["spec"]["containers"]
        return next(each for each in containers if each["name"] == "exporter")

    def pods(self) -> Iterable[Manifest]:
        """Return every pod's spec, that of the test too."""
        yield self.pod()["spec"]
        yield from (pod["spec"] for pod in self.all("Pod"))


def is_test(manifest: Manifest) -> bool:
    """Whether Helm makes it for `helm test` only."""
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


@functools.cache
def chart() -> helm.Chart:
    """Return the chart, loaded once."""
    return helm.Chart.load(CHART)


def read(path: Path) -> dict[str, Any]:
    """Return the values of a file."""
    values: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return values


def render(values: dict[str, Any], *, name: str = RELEASE, namespace: str = NAMESPACE) -> Rendered:
    """Return what Helm makes of values.

    Raises:
        helm.HelmError: it refuses them.
    """
    chart().validate_schema(values)
    made = chart().render(values, name=name, namespace=namespace)
    texts = {path.partition("/")[2]: text for path, text in sorted(made.items()) if text.strip()}
    manifests = [
        manifest
        for path, text in texts.items()
        if not path.endswith(".txt")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]
    return Rendered(texts, manifests)


def minimal(**values: Any) -> dict[str, Any]:
    """Return the values of the shortest file, and further ones on top."""
    return read(MINIMAL) | values


GOLDEN = ROOT / "tests" / "data" / "chart" / "golden"
# What is compared elsewhere, with where it comes from.
NOT_GOLDEN = ("templates/prometheusrule.yaml", "templates/dashboards.yaml")


def golden(path: Path) -> str:
    """Return what a values file renders as one text, as people read it."""
    texts = render(read(path)).texts
    return "".join(
        f"# {name}\n{text.strip()}\n\n" for name, text in texts.items() if name not in NOT_GOLDEN
    )


if __name__ == "__main__":  # after a change that is meant: `python -m tests.charts`
    for each in sorted(GOLDEN.glob("*.txt")):
        each.write_text(golden(CHART / "ci" / f"{each.stem}-values.yaml"), "utf-8")
