"""Scenario files: what can be said in one, and how each mistake in one is told."""

import math
import re
from pathlib import Path

import pytest
import yaml

from exporter.config.yaml_source import LARGEST_FILE
from exporter.errors import ConfigurationError
from exporter.secret import Secret
from exporter.simulator.scenario import (
    AccessKey,
    Fault,
    FaultKind,
    Job,
    Namespace,
    Scenario,
    ServerErrors,
    Shape,
    Source,
    Throttle,
    Unsaid,
    Window,
)
from exporter.simulator.scenario_file import load_scenario, parse_scenario

FILES = Path(__file__).parents[1] / "data" / "scenarios"
BAD = sorted(FILES.glob("bad-*.yaml"))
assert BAD


def problems_of(path: Path) -> str:
    """What a person is told about a file, which must be bad."""
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(str(path))
    return str(caught.value)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in BAD])
def test_mistakes(path: Path) -> None:
    """Each bad file gives exactly the text that lies beside it, and no secret is in it."""
    told = problems_of(path).replace(f"{FILES}/", "")

    assert told == path.with_suffix(".txt").read_text("utf-8").rstrip("\n")
    assert "planted-secret" not in told


def test_unreadable_files(tmp_path: Path) -> None:
    """A file that is missing, a directory, no text or too large is told as such."""
    (tmp_path / "latin-1").write_bytes(b"error: \xe9\n")
    (tmp_path / "large").write_text("#" * (LARGEST_FILE + 1))

    told = {
        name: re.sub(r"^\S+: ", "", problems_of(tmp_path / name))
        for name in ("missing", "latin-1", "large")
    }

    assert told == {
        "missing": "cannot be read: No such file or directory",
        "latin-1": "expected UTF-8 text: save the file as UTF-8",
        "large": "expected at most 4 MiB",
    }
    assert problems_of(tmp_path).endswith("cannot be read: Is a directory")


def test_every_key() -> None:
    """A file with every key reads into the records that it describes."""
    scenario = load_scenario(str(FILES / "good.yaml"))

    repeated = scenario.jobs[1:]
    assert scenario == Scenario(
        access_keys=(
            AccessKey("LTAI5tTestKey", Secret("key-secret")),
            AccessKey("STS.TestKey", Secret("sts-secret"), Secret("sts-token")),
        ),
        namespaces=(
            Namespace(
                name="rag",
                region_id="cn-hangzhou",
                password=Secret("pa$$word"),
                db_instance_id="gp-test",
                namespace="mynamespace",
                told_password=Secret("another"),
            ),
            Namespace(
                name="workspace",
                region_id="cn-shanghai",
                password=Secret('密码 "quoted" $HOME'),
                workspace_id="gp-ws-test",
            ),
        ),
        jobs=(
            Job(
                id="job-1",
                collection="document",
                namespace="rag",
                shape=Shape.FAILED,
                entries=500,
                rate=12.5,
                created=-5400.0,
                after=86_400.0,
                sway=0.5,
                error="It broke.",
                create_time="2024-01-08 16:52:04.864664",
                update_time="2024-01-08 16:53:04.864664",
                fault=Fault(FaultKind.SLOW, Window(60, 120, 600), latency=1.5),
                source=Source.FILE,
                expected_entries=1000,
                labels=(("team", "search"), ("pipeline", "on")),
            ),
            *repeated,
        ),
        started=(Job("", "document", "", Shape.FAST, entries=30, rate=10_000.0),),
        latency=0.02,
        clock_offset=-90.0,
        utc_offset=0.0,
        wrong_password=Unsaid.FAIL,
        unknown_job=Unsaid.NO_JOB,
        throttle=Throttle(50, 0.5, Window(60, 120, 3600)),
        server_errors=ServerErrors(0.25, Window(10, math.inf)),
    )


def test_repeat() -> None:
    """``repeat`` makes a series of jobs with ids of their own, the same ones in every run."""
    path = str(FILES / "good.yaml")
    series = load_scenario(path).jobs[1:]

    assert [job.created for job in series] == [0.0, 300.0, 600.0]
    assert {job.collection for job in series} == {"文档"}
    assert {job.rate for job in series} == {10_000.0}
    assert series[0].id == "fast"
    assert len({job.id for job in series}) == 3
    assert load_scenario(path).jobs[1:] == series


def test_problems_have_their_parts() -> None:
    """A mistake knows its file, line, column and key path, for programs."""
    data = (FILES / "bad-many-mistakes.yaml").read_bytes()

    with pytest.raises(ConfigurationError) as caught:
        parse_scenario(data, "my.yaml")

    first = caught.value.problems[0]
    assert (first.file, first.line, first.column) == ("my.yaml", 6, 5)
    assert first.path == "namespaces[0].db_instance_id"
    assert len(caught.value.problems) == 4


def test_scenarios_do_not_show_secrets() -> None:
    """The repr of a scenario holds no secret."""
    shown = repr(load_scenario(str(FILES / "good.yaml")))

    assert not [s for s in ("key-secret", "sts-secret", "sts-token", "pa$$", "密码") if s in shown]


def test_deep_nesting_is_refused() -> None:
    """A bomb of nested lists is a mistake, not a crash."""
    bomb = b"jobs: " + b"[" * 100_000

    with pytest.raises(ConfigurationError, match="at most 20 levels"):
        parse_scenario(bomb, "bomb.yaml")


def test_good_data_is_yaml() -> None:
    """The good file means the same to a plain YAML parser: no trick of the reader is in it."""
    plain = yaml.safe_load((FILES / "good.yaml").read_text("utf-8"))

    assert plain["jobs"][1]["repeat"] == {"every": "5m", "times": 3}
