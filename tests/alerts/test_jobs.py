"""The alerts of jobs: when each fires, what it says, and what makes no difference to it."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.alerts.exporters import Exporter, Job, Outage, Phase
from tests.alerts.jobs import (
    ALERTS,
    IS_UNSEEN,
    RUNNING,
    START,
    SUCCESS,
    TIMEOUT,
    TROUBLED,
    UNKNOWN,
    at_other_times,
    of_collection,
    ref,
)
from tests.alerts.scenario import Firing, Read, Scenario, of_job, outcomes

pytestmark = pytest.mark.prometheus

UNTIL = 70
API_ERRORS = ("AdbpgApiErrors", "warning")
TARGET = {"target": "rag-prod"}


def unread(fires: Iterable[Firing] = ALERTS) -> tuple[Firing, ...]:
    """Return the same without what they say: that is tested once."""
    return tuple(replace(each, read=None) for each in fires)


def out_of_reach(start: float, end: float) -> tuple[Job, ...]:
    """Return the troubled jobs with an outage of the whole API."""
    outage = Outage(start, end, TIMEOUT)
    return tuple(replace(job, outages=(*job.outages, outage)) for job in TROUBLED)


SCENARIOS = (
    Scenario(
        "each alert fires in its time, says what is wrong, and ends with the trouble",
        UNTIL,
        ALERTS,
        (Exporter("a", TROUBLED),),
    ),
    Scenario(
        "a second replica, some seconds behind, doubles nothing",
        UNTIL,
        unread(),
        (Exporter("a", TROUBLED), Exporter("b", TROUBLED, offset=20)),
    ),
    *(
        Scenario(
            f"an exporter that restarts in minute {end}, for {gap}, resets and resolves nothing",
            UNTIL,
            unread(),
            (
                Exporter("a", TROUBLED, end=end),
                Exporter("b", TROUBLED, start=end + gap, offset=10),
            ),
        )
        for end in (12, 40)
        for gap in (1, 2, 4)
    ),
    Scenario(
        "a new exporter whose instance sorts first makes no difference either",
        UNTIL,
        unread(),
        (Exporter("b", TROUBLED, end=20), Exporter("a", TROUBLED, start=22, offset=10)),
    ),
    Scenario(
        "four minutes without the API: no alert of a job ends, and none is new",
        UNTIL,
        (*unread(), Firing(*API_ERRORS, 41, 52, TARGET)),
        (Exporter("a", out_of_reach(40, 44)),),
    ),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of each scenario."""
    return outcomes(SCENARIOS, tmp_path_factory.mktemp("jobs"))


@pytest.mark.parametrize("claim", [scenario.claim for scenario in SCENARIOS])
def test_scenario(claim: str, results: dict[str, str]) -> None:
    """What the scenario claims, held at every evaluation."""
    assert not results[claim], results[claim]
