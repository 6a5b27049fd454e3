"""What the command ``simulate`` does."""

import threading
from collections.abc import Callable

from exporter.errors import ConfigurationError, Problem
from exporter.simulator.configuration import export_lines, exporter_configuration
from exporter.simulator.demo import DEMO_FILE, demo_scenario
from exporter.simulator.scenario import Scenario
from exporter.simulator.scenario_file import load_scenario
from exporter.simulator.server import Simulator

_MOST_JOBS = 5  # of a target, in the configuration that is printed


def run_simulator(
    address: tuple[str, int],
    scenario_file: str,
    show: Callable[[str], object],
    stopping: threading.Event,
) -> None:
    """Serve a scenario until ``stopping``, and print how to use it.

    Args:
        address: host and port; port 0 takes a free one.
        scenario_file: its path; empty for the demo's scenario.
        show: prints a text for people.
        stopping: ends it.

    Raises:
        ConfigurationError: the scenario is not usable, or the address cannot be listened on.
    """
    scenario = load_scenario(scenario_file) if scenario_file else demo_scenario()
    simulator = start_simulator(scenario, address)
    try:
        show(usage(scenario, simulator.url, scenario_file or DEMO_FILE))
        stopping.wait()
    finally:
        simulator.stop()


def start_simulator(scenario: Scenario, address: tuple[str, int]) -> Simulator:
    """Return a simulator that listens.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    host, port = address
    place = f"--web.listen-address={host}:{port}"
    if not 0 <= port <= 65_535:
        raise ConfigurationError([Problem(place, 0, 0, "", "expected a port from 0 to 65535")])
    try:
        return Simulator(scenario, address).start()
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]  # the address again
        message = f"cannot listen there: {why}; choose another address, or port 0 for a free one"
        raise ConfigurationError([Problem(place, 0, 0, "", message)]) from None


def usage(scenario: Scenario, url: str, scenario_file: str) -> str:
    """Return what a person must know to use the simulator."""
    configuration = exporter_configuration(scenario, url, most_jobs=_MOST_JOBS)
    count = len(scenario.jobs)
    return (
        f"Simulated gpdb API on {url}: {count} jobs of {scenario_file}. Ctrl-C stops it.\n"
        f"Calls are counted at {url}/-/calls\n\n"
        f"# Its access key is made up:\n\n{export_lines(scenario)}\n"
        f"# A configuration for it; save it as config.yaml:\n\n{configuration}\n"
        "# Then, in another terminal:\n\n"
        "adbpg-job-exporter serve --config.file=config.yaml\n"
    )
