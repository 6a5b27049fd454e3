"""examples/prometheus/: the part of a Prometheus configuration that scrapes the exporter."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import PATIENCE

FILE = Path(__file__).parents[2] / "examples" / "prometheus" / "prometheus.yml"


@pytest.mark.prometheus
def test_promtool_takes_it() -> None:
    """Promtool finds nothing wrong in it; the secrets' files are not here."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: run the tests with `make test`"

    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", FILE],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
