"""The image's demo in a real Prometheus."""

from pathlib import Path

import pytest

from exporter import __version__
from tests.image.conftest import REVISION
from tests.image.pod import Image, needs_root, started_in_pod
from tests.monitoring import ask, prometheus
from tests.processes import eventually

pytestmark = [pytest.mark.image, pytest.mark.prometheus, needs_root]


def test_a_real_prometheus_scrapes_the_demo(image: Image, tmp_path: Path) -> None:
    """Prometheus sees the jobs of the image's demo, and which commit shows them."""
    with (
        started_in_pod(
            image,
            *("demo", "--web.listen-address=127.0.0.1:0"),
            address=r"http://(\S+)/metrics ",
            mounts=("tmpfs:/tmp",),
            environ={},
        ) as it,
        prometheus(it.url, tmp_path) as server,
    ):
        eventually(lambda: len(ask(server, "adbpg_job_up == 1")) >= 5, "jobs are in Prometheus")
        built = ask(server, "adbpg_exporter_build_info")

    (sample,) = built
    labels = sample["metric"]
    assert isinstance(labels, dict)
    assert (labels["version"], labels["revision"]) == (__version__, REVISION)
