"""The demo is lively for hours, and the configuration that is made for it fits it."""

import io
import math
import shlex
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.errors import ConfigurationError
from exporter.simulator.command import run_simulator
from exporter.simulator.configuration import (
    export_lines,
    exporter_configuration,
    exporter_job_file,
    told_passwords,
)
from exporter.simulator.demo import demo_configuration, demo_scenario
from exporter.simulator.operations import DEFAULT_KIND, OPERATIONS
from exporter.simulator.scenario import FaultKind, Scenario, Shape, Source
from exporter.simulator.scenario_file import load_scenario
from exporter.simulator.timeline import JobMoment, moment

URL = "http://127.0.0.1:18080"
GOOD = Path(__file__).parents[1] / "data" / "scenarios" / "good.yaml"
MINUTE, HOUR = 60, 3600
FINAL = {"Success", "Failed", "Cancelled"}


@pytest.fixture(scope="module")
def demo() -> Scenario:
    """The demo's scenario, read once."""
    return demo_scenario()


def listed(scenario: Scenario, seconds: float) -> dict[str, JobMoment | None]:
    """The state of each job that an exporter of the demo watches at a moment, by job id."""
    written = {job["id"] for job in yaml.safe_load(exporter_job_file(scenario, seconds))}
    return {
        job.id: moment(job, seconds)
        for job in scenario.jobs
        if job.source is Source.CONFIG or job.id in written
    }


def test_every_shape_and_fault_is_shown(demo: Scenario) -> None:
    """The demo has each shape and each fault, among 15 to 30 configured jobs of all kinds."""
    assert {job.shape for job in demo.jobs} == set(Shape)
    assert {job.fault.kind for job in demo.jobs if job.fault} == set(FaultKind)
    assert {job.kind for job in demo.jobs} == set(OPERATIONS)
    assert 15 <= sum(job.source is Source.CONFIG for job in demo.jobs) <= 30


def test_statuses_of_the_first_minute(demo: Scenario) -> None:
    """Every documented status shows within the first minute."""
    shown = {
        state.status for seconds in (5, 60) for state in listed(demo, seconds).values() if state
    }

    assert shown == {"Pending", "Start", "Running", "Cancelling", "Cancelled", "Success", "Failed"}


@pytest.mark.parametrize("hours", [0, 0.5, 1, 6, 12, 24, 48, 71])
def test_something_always_moves(demo: Scenario, hours: float) -> None:
    """At any time of three days several jobs run and move within a minute."""
    now = listed(demo, hours * HOUR + 20)
    later = listed(demo, hours * HOUR + 80)

    moved = [
        job_id
        for job_id, state in now.items()
        if state and (then := later.get(job_id)) and then.progress > state.progress
    ]
    assert len(moved) >= (5 if hours <= 12 else 1)


def test_healthy_jobs_stay_healthy(demo: Scenario) -> None:
    """A long healthy job runs for six hours at least, and never past its deadline."""
    long_ones = [
        job
        for job in demo.jobs
        if job.shape is Shape.STEADY and job.source is Source.CONFIG and job.entries > 10**7
    ]

    assert len(long_ones) >= 8
    for job in long_ones:
        ends = job.created + job.entries / job.rate
        assert ends > 6 * HOUR, job.collection
        assert job.expected_entries in (None, job.entries)
        assert ends < job.created + job.entries / 1000 + 30 * MINUTE, job.collection


def test_a_deadline_passes_soon(demo: Scenario) -> None:
    """Exactly one running job's deadline passes between half a minute and two minutes."""
    deadlines = [
        job.collection
        for job in demo.jobs
        if job.expected_entries
        and (state := moment(job, 2 * MINUTE))
        and state.status == "Running"
        and 30 < job.created + job.expected_entries / 1000 + 30 * MINUTE < 120
    ]

    assert deadlines == ["meeting_notes"]


def test_uploads_to_one_collection_do_not_overlap(demo: Scenario) -> None:
    """At most one upload of vectors of a collection is active at a time, as in the real API."""
    for seconds in range(0, 3 * HOUR, 60):
        active = [
            (job.namespace, job.collection)
            for job in demo.jobs
            if job.kind == DEFAULT_KIND
            and (state := moment(job, seconds))
            and state.status not in FINAL
        ]
        assert len(active) == len(set(active)), seconds


def test_jobs_appear_and_leave(demo: Scenario) -> None:
    """The job file begins empty, grows, names known jobs only, and stays short."""
    sizes = []
    for seconds in (0, 30, 10 * MINUTE, HOUR, 10 * HOUR):
        jobs = yaml.safe_load(exporter_job_file(demo, seconds))
        known = {(job.namespace, job.id) for job in demo.jobs if moment(job, seconds)}
        assert {(job["target"], job["id"]) for job in jobs} <= known
        sizes.append(len(jobs))

    assert sizes[:2] == [0, 1]
    assert sizes[:4] == sorted(sizes[:4])
    assert 20 <= sizes[-1] <= 40


def test_configuration_of_the_demo(demo: Scenario) -> None:
    """Every namespace is a target, every configured job stands once under its own."""
    told = yaml.safe_load(demo_configuration(URL, job_files=["/tmp/jobs/*.yaml"]))  # noqa: S108  text

    assert list(told) == ["job_labels", "targets", "job_files"]
    assert told["job_labels"] == ["team", "pipeline"]
    assert told["job_files"] == ["/tmp/jobs/*.yaml"]  # noqa: S108  text
    assert {target["endpoint"] for target in told["targets"]} == {URL}
    watched = [(t["name"], job["id"]) for t in told["targets"] for job in t["jobs"]]
    assert sorted(watched) == sorted(
        (job.namespace, job.id) for job in demo.jobs if job.source is Source.CONFIG
    )


def test_one_password_is_wrong(demo: Scenario) -> None:
    """Exactly one target of the demo is told a wrong password."""
    right = {namespace.name: namespace.password.reveal() for namespace in demo.namespaces}

    wrong = [name for name, password in told_passwords(demo).items() if password != right[name]]

    assert wrong == ["rag-staging"]


def dollars_undone(value: Any) -> Any:
    """What the exporter's configuration makes of ``$$``."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {key: dollars_undone(member) for key, member in value.items()}
    return [dollars_undone(member) for member in value] if isinstance(value, list) else value


def test_configuration_of_any_scenario() -> None:
    """Quotes, dollars and other scripts survive; a default namespace is left out."""
    scenario = load_scenario(str(GOOD))

    text = exporter_configuration(scenario, URL, most_jobs=2)

    assert "# and 1 more" in text
    assert "$$HOME" in text
    assert dollars_undone(yaml.safe_load(text)) == {
        "job_labels": ["team", "pipeline"],
        "targets": [
            {
                "name": "rag",
                "region_id": "cn-hangzhou",
                "db_instance_id": "gp-test",
                "namespace": "mynamespace",
                "namespace_password": "another",
                "endpoint": URL,
                "time_zone": "+00:00",
            },
            {
                "name": "workspace",
                "region_id": "cn-shanghai",
                "workspace_id": "gp-ws-test",
                "namespace_password": '密码 "quoted" $HOME',
                "endpoint": URL,
                "time_zone": "+00:00",
                "jobs": [
                    {"id": job.id, "collection": "文档"}
                    for job in scenario.jobs
                    if job.source is Source.CONFIG
                ][:2],
            },
        ],
    }


def test_passwords_in_files() -> None:
    """Passwords can be left to files that are named like the targets."""
    text = exporter_configuration(load_scenario(str(GOOD)), URL, passwords_in="/run/passwords")

    targets = yaml.safe_load(text)["targets"]
    assert [target["namespace_password_file"] for target in targets] == [
        "/run/passwords/rag",
        "/run/passwords/workspace",
    ]
    assert "another" not in text


def test_an_access_key_in_files() -> None:
    """The key can be left to files, so that no environment is needed."""
    text = exporter_configuration(load_scenario(str(GOOD)), URL, access_key_in="/run/key")

    assert yaml.safe_load(text)["credentials"] == {
        "provider": "files",
        "access_key_id_file": "/run/key/access-key-id",
        "access_key_secret_file": "/run/key/access-key-secret",
    }


def test_job_file_of_any_scenario() -> None:
    """A job file names the target, and holds only jobs that began within the last hour."""
    scenario = load_scenario(str(GOOD))

    assert yaml.safe_load(exporter_job_file(scenario, -HOUR)) == [
        {
            "target": "rag",
            "id": "job-1",
            "collection": "document",
            "expected_entries": 1000,
            "labels": {"team": "search", "pipeline": "on"},
        }
    ]
    assert yaml.safe_load(exporter_job_file(scenario, -1.5 * HOUR - 1)) == []
    assert yaml.safe_load(exporter_job_file(scenario, 0)) == []


def test_export_lines(demo: Scenario) -> None:
    """The export lines set the first access key, and nothing a shell could trip over."""
    words = [shlex.split(line) for line in export_lines(demo).splitlines()]

    assert words == [
        ["export", "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tDemoKey"],
        ["export", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=demo-secret-of-the-simulator"],
    ]


@pytest.fixture
def stopped() -> threading.Event:
    """An event that is set: the command ends as soon as it has begun."""
    event = threading.Event()
    event.set()
    return event


def test_the_command_prints_what_one_needs(stopped: threading.Event) -> None:
    """``simulate`` prints its address, the key, and a configuration that loads as YAML."""
    output = io.StringIO()

    run_simulator(("127.0.0.1", 0), "", output.write, stopped)

    text = output.getvalue()
    url = text.split()[4].rstrip(":")
    assert url.startswith("http://127.0.0.1:")
    assert "export ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tDemoKey" in text
    snippet = text[text.index("job_labels:") : text.index("# Then")]
    assert {target["endpoint"] for target in yaml.safe_load(snippet)["targets"]} == {url}


def test_the_command_with_a_bad_address(stopped: threading.Event) -> None:
    """An address that is taken, or is none, is one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as in_use:
            run_simulator(("127.0.0.1", port), "", io.StringIO().write, stopped)
    with pytest.raises(ConfigurationError) as no_port:
        run_simulator(("127.0.0.1", 99_999), "", io.StringIO().write, stopped)

    assert str(in_use.value) == (
        f"--web.listen-address=127.0.0.1:{port}: cannot listen there: Address already in use; "
        "choose another address, or port 0 for a free one"
    )
    assert str(no_port.value).endswith("expected a port from 0 to 65535")


def test_the_command_with_a_bad_scenario(stopped: threading.Event, tmp_path: Path) -> None:
    """A scenario file's mistakes are told as they are."""
    with pytest.raises(ConfigurationError, match="No such file"):
        run_simulator(("127.0.0.1", 0), str(tmp_path / "none.yaml"), io.StringIO().write, stopped)


def test_math_of_windows_is_finite(demo: Scenario) -> None:
    """Each fault of the demo that ends comes again, so that a late visitor sees it too."""
    ending = [job.fault.window for job in demo.jobs if job.fault]

    assert all(window.every or math.isinf(window.end) for window in ending)
