"""The alert and recording rules, as promtool evaluates them."""

import subprocess
from pathlib import Path

import pytest

from tests.alerts.scenario import RULES, Scenario, outcome
from tests.alerts.scenarios import SCENARIOS
from tests.processes import tool

pytestmark = pytest.mark.prometheus


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.claim)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    """What the scenario claims, held at every evaluation."""
    wrong = outcome(scenario, tmp_path)

    assert not wrong, wrong


def test_promtool_has_nothing_against_the_rules() -> None:
    """All that promtool can check of a rules file is well."""
    done = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
