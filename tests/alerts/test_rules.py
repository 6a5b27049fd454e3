"""The alert and recording rules, as promtool evaluates them."""

import subprocess

import pytest

from tests.alerts.scenario import RULES, outcomes
from tests.alerts.scenarios import SCENARIOS

pytestmark = pytest.mark.prometheus


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of each scenario."""
    return outcomes(SCENARIOS, tmp_path_factory.mktemp("rules"))


@pytest.mark.parametrize("claim", [scenario.claim for scenario in SCENARIOS])
def test_scenario(claim: str, results: dict[str, str]) -> None:
    """What the scenario claims, held at every evaluation."""
    assert not results[claim], results[claim]


def test_promtool_has_nothing_against_the_rules() -> None:
    """All that promtool can check of a rules file is well."""
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
