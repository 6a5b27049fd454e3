"""What the dashboards call a job, evaluated by promtool on series made for it."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.model import JobStatus
from grafana.dashboard_code import queries, theme
from tests.dashboards import filled_in, tool

pytestmark = pytest.mark.prometheus

NOW = 48 * 3600
LONG_AGO = NOW - 25 * 3600
LATELY = NOW - 60
QUARTER = NOW - 16 * 60


@dataclass(frozen=True, slots=True)
class Case:
    """A job, and what is said of it.

    Attributes:
        state: the text of the finding.
        status: as the API told it; empty for a job that never answered.
        facts: further metrics, by what stands after ``adbpg_job_``.
        collection: where it uploads to; empty for one of its own.
    """

    state: str
    status: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
    collection: str = ""


CHANGED = "progress_changed_timestamp_seconds"
UPDATED = "updated_timestamp_seconds"
DEADLINE = "deadline_timestamp_seconds"
CASES = {
    "runs": Case("Running", "Running", {CHANGED: LATELY, DEADLINE: NOW + 60}),
    "stalls": Case("Stalled", "Running", {CHANGED: QUARTER}),
    "stalls-unasked": Case("Query fails", "Running", {CHANGED: QUARTER, "up": 0}),
    "overdue": Case("Past deadline", "Running", {CHANGED: LATELY, DEADLINE: NOW - 60}),
    "overdue-ended": Case("Success", "Success", {UPDATED: LATELY, DEADLINE: NOW - 60}),
    "failed": Case("Failed", "Failed", {UPDATED: LATELY}),
    "failed-undated": Case("Failed", "Failed", {"last_success_timestamp_seconds": LATELY}),
    "failed-long-ago": Case("Failed earlier", "Failed", {UPDATED: LONG_AGO}),
    "starts": Case("Starting", "Start", {CHANGED: LATELY}),
    "never-starts": Case("Stuck", "Start", {CHANGED: QUARTER}),
    "first": Case("Running", "Running", {CHANGED: LATELY, "waiting": 0}, "queue"),
    "second": Case("Waiting", "Start", {"waiting": 1}, "queue"),
    "third": Case("Waiting", "Running", {"waiting": 1}, "queue"),
    "cancels": Case("Cancelling", "Cancelling", {CHANGED: LATELY}),
    "never-cancelled": Case("Stuck", "Cancelling", {CHANGED: QUARTER}),
    "cancelled": Case("Cancelled", "Cancelled", {UPDATED: LATELY}),
    "succeeded": Case("Success", "Success", {UPDATED: LATELY}),
    "contradicts": Case("Contradictory", "Success", {UPDATED: LATELY, "inconsistent": 1}),
    "contradicted": Case("Success", "Success", {UPDATED: LONG_AGO, "inconsistent": 1}),
    "strange": Case("Unknown", "Unknown", {CHANGED: LATELY}),
    "fails-to-answer": Case("Query fails", "", {"up": 0}),
    "unseen": Case("No answer yet"),
}


def series(name: str, case: Case, instance: str) -> list[dict[str, str]]:
    """Return a job's series as one exporter tells them."""
    facts = {"info": 1.0, **case.facts}
    if case.status:
        facts = {"up": 1.0, **facts}
    collection = case.collection or name
    labels = f'job="adbpg", instance="{instance}", job_id="{name}", collection="{collection}"'
    made = [(f"adbpg_job_{fact}{{{labels}}}", value) for fact, value in facts.items()]
    for status in JobStatus if case.status else ():
        text = f'adbpg_job_status{{{labels}, status="{status.value}"}}'
        made.append((text, float(status.value == case.status)))
    return [{"series": text, "values": f"{value:g}x{NOW // 60}"} for text, value in made]


Expected = Mapping[str, float]


def complaints(wanted: Mapping[str, Expected], folder: Path) -> str:
    """Have promtool evaluate expressions on all cases, and return what it did not expect.

    Args:
        wanted: the samples of each expression: their values by their labels.
        folder: for its file.
    """
    every = [
        each
        for name, case in CASES.items()
        for instance in ("one", "two")
        for each in series(name, case, instance)
    ]
    return unexpected(every, [(NOW, *each) for each in wanted.items()], folder)


def unexpected(
    told: list[dict[str, str]], wanted: Iterable[tuple[int, str, Expected]], folder: Path
) -> str:
    """Have promtool evaluate expressions, and return what it did not expect.

    Args:
        told: series, with a sample each minute.
        wanted: at which second which expression has which samples.
        folder: for its file.
    """
    chosen = {"job": "adbpg", **dict.fromkeys(queries.JOB_VARIABLES, ".*")}
    tests = [
        {
            "expr": filled_in(expression, chosen),
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": f"{{{k}}}", "value": v} for k, v in expected.items()],
        }
        for at, expression, expected in wanted
    ]
    written = {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": told, "promql_expr_test": tests}],
    }
    (folder / "test.yaml").write_text(json.dumps(written))
    command = [tool("promtool"), "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_each_state_is_recognised(tmp_path: Path) -> None:
    """The worst that can be said of a job is said, once, whatever two exporters tell."""
    numbers = {state.text: state.number for state in theme.FINDINGS}
    expected = {
        f'job_id="{name}", collection="{case.collection or name}"': numbers[case.state]
        for name, case in CASES.items()
    }

    found = complaints({theme.number_of(theme.FINDINGS): expected}, tmp_path)

    assert not found


def test_every_state_has_a_case() -> None:
    """No state of the dashboards is without a job that is in it."""
    assert {case.state for case in CASES.values()} == {state.text for state in theme.FINDINGS}


def test_tiles_count_each_job_once(tmp_path: Path) -> None:
    """The tiles count jobs, not what exporters tell of them."""
    numbers = {
        queries.FAILED: 2,
        queries.STALLED: 1,
        queries.PAST_DEADLINE: 1,
        queries.QUERY_FAILS: 2,
        queries.status("Running"): 6,
    }

    found = complaints({f"sum({each})": {"": n} for each, n in numbers.items()}, tmp_path)

    assert not found


def test_a_rate_is_that_of_the_answers(tmp_path: Path) -> None:
    """Repeated answers make no rate of 0, and no jump after; without one there is a gap.

    Another exporter whose queries worked tells the rate all the same. A stalled job's rate is 0.
    """
    works, repeats = "0+{0}x30", "0+{0}x10 {1}x4 {2}+{0}x14"
    ages_out = "0+{0}x10 {1}x1 _x3 {2}+{0}x14"
    progress, answer = "progress_entries", "last_success_timestamp_seconds"
    exporters = (
        ("repeated", "one", {progress: (repeats, 60_000), answer: (repeats, 60)}),
        ("aged", "one", {progress: (ages_out, 60_000), answer: (repeats, 60)}),
        ("shared", "one", {progress: (repeats, 60_000), answer: (repeats, 60)}),
        ("shared", "two", {progress: (works, 60_000), answer: (works, 60)}),
        ("stalled", "one", {progress: (works, 0), answer: (works, 60)}),
    )
    told = [
        {"series": f'adbpg_job_{name}{{job="adbpg", instance="{who}", job_id="{job}"}}'}
        | {"values": values.format(each, 10 * each, 16 * each)}
        for job, who, facts in exporters
        for name, (values, each) in facts.items()
    ]
    told += [
        {"series": f'adbpg_job_status{{job="adbpg", job_id="{job}", status="Running"}}'}
        | {"values": "1x30"}
        for job in ("repeated", "aged", "shared", "stalled")
    ]
    others = {'job_id="shared"': 1000.0, 'job_id="stalled"': 0.0}
    most = {'job_id="repeated"': 1000.0, **others}
    every = {'job_id="aged"': 1000.0, **most}
    wanted = {10: every, 12: every, 13: most, 15: others, 16: most, 18: most, 22: every}

    rate = f"round({queries.RATE}, 0.001)"
    found = unexpected(told, [(60 * m, rate, each) for m, each in wanted.items()], tmp_path)

    assert not found
