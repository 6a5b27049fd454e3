"""The demo: a scenario in the package, and the configuration with which an exporter watches it."""

from collections.abc import Sequence
from importlib import resources

from exporter.simulator.configuration import exporter_configuration
from exporter.simulator.scenario import Scenario
from exporter.simulator.scenario_file import parse_scenario

DEMO_FILE = "demo.yaml"


def demo_scenario() -> Scenario:
    """Return the scenario that comes with the package: every shape, lively for three days."""
    data = resources.files("exporter.simulator").joinpath(DEMO_FILE).read_bytes()
    return parse_scenario(data, DEMO_FILE)


def demo_configuration(
    url: str, *, job_files: Sequence[str] = (), passwords_in: str = "", access_key_in: str = ""
) -> str:
    """Return the configuration for an exporter of the demo, as YAML.

    Args:
        url: of the simulator that plays the demo.
        job_files: where ``exporter_job_file`` of the scenario is written to, again and again.
        passwords_in: as in ``exporter_configuration``; one target's password is wrong on purpose.
        access_key_in: as in ``exporter_configuration``.
    """
    return exporter_configuration(
        demo_scenario(),
        url,
        job_files=job_files,
        passwords_in=passwords_in,
        access_key_in=access_key_in,
    )
