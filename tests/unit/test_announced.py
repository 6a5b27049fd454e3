"""Announced jobs, without HTTP: what is taken over, and when it is let go."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import Config, RegistrySettings, ScrapeSettings, load, read_announcement
from exporter.errors import ConfigurationError, Conflict, ForbiddenTarget, TimedOut, TooManyJobs
from exporter.jobs import StoredSource
from exporter.model import JobRef, JobState, JobStatus, Target
from exporter.secret import Secret
from exporter.store import ANNOUNCED
from tests.fakes import HandSetClock, memory_ledger

MAIN = Target("main", "cn-hangzhou", Secret("planted"), db_instance_id="gp-1")
OTHER = replace(MAIN, name="other", namespace="docs")
KEEP = RegistrySettings(keep_ended=100.0, keep_unseen=50.0)
CONFIG = Config(targets=(MAIN, OTHER), job_labels=("team",), registry=KEEP)
JOB = {"target": "main", "id": "a", "collection": "c"}


class World:
    """Announced jobs, and a clock that a test moves."""

    def __init__(self) -> None:
        self.time = HandSetClock()
        self.ledger = memory_ledger(self.time.clock(), CONFIG)
        self.source = StoredSource(ANNOUNCED, CONFIG, self.ledger)

    def announce(self, *jobs: Mapping[str, object], most: int = 10) -> list[bool]:
        """Announce jobs in one list."""
        entries = read_announcement(json.dumps(jobs).encode(), CONFIG, {"main"}, ANNOUNCED)
        self.ledger.adopt(replace(CONFIG, scrape=ScrapeSettings(max_jobs=most)))
        return self.ledger.announce(entries)

    def jobs(self) -> list[JobRef]:
        """Return what the source names."""
        return [job for batch in self.source.listing().batches for job in batch.jobs]

    def query(self, outcome: JobState | TimedOut) -> None:
        """Let a query of the first job end."""

        class Record:
            ref = self.jobs()[0]
            state = None

        self.ledger.recall(self.jobs(), are_all=True)
        self.ledger.queried(Record(), outcome, 0.1)

    def after(self, seconds: float) -> list[str]:
        """Return the ids of the jobs that there are after some time."""
        self.time.advance(seconds)
        self.ledger.refresh(1.0)
        return [job.job_id for job in self.jobs()]


@pytest.fixture
def world() -> World:
    """One for each test."""
    return World()


def test_a_job_is_announced_once(world: World) -> None:
    """Announcing again is safe, and says so."""
    assert world.announce(JOB, {**JOB, "id": "b"}) == [True, True]
    assert world.announce(JOB, {**JOB, "id": "c"}) == [False, True]
    assert [job.job_id for job in world.jobs()] == ["a", "b", "c"]


def test_another_announcement_replaces_what_it_gives(world: World) -> None:
    """Fields that are not given stay."""
    world.announce({**JOB, "expected_entries": 5, "labels": {"team": "search"}})
    world.announce({**JOB, "deadline": "10m"})
    world.announce({**JOB, "expected_entries": 7})

    (job,) = world.jobs()
    assert (job.expected_entries, job.deadline) == (7, 600.0)
    assert (job.labels, job.source) == ((("team", "search"),), "announced")


@pytest.mark.parametrize(
    ("known", "again"),
    [
        ({}, {"collection": "d"}),
        ({}, {"kind": "upload_document"}),
        ({"kind": "upload_document"}, {"expected_entries": 5}),
    ],
)
def test_contradictions(world: World, known: dict[str, object], again: dict[str, object]) -> None:
    """What makes it another job, or an impossible one, is refused; nothing of the list is taken."""
    world.announce({**JOB, **known})
    before = world.jobs()

    with pytest.raises(Conflict):
        world.announce({**JOB, "id": "new"}, {**JOB, **again})

    assert world.jobs() == before


def test_unfinished_jobs_are_bounded(world: World) -> None:
    """A job that has ended makes room; one that is known needs none."""
    world.announce(JOB, {**JOB, "id": "b"}, most=2)
    with pytest.raises(TooManyJobs, match="2 announced jobs have not ended"):
        world.announce({**JOB, "id": "c"}, most=2)
    assert world.announce(JOB, most=2) == [False]
    world.query(JobState(JobStatus.SUCCESS))
    assert world.announce({**JOB, "id": "c"}, most=2) == [True]


def test_an_ended_job_stays_for_a_while(world: World) -> None:
    """Its time begins when its end was first seen."""
    world.announce(JOB)
    world.query(JobState(JobStatus.SUCCESS))
    world.time.advance(60.0)
    world.query(JobState(JobStatus.SUCCESS))

    assert world.after(39.0) == ["a"]
    assert world.after(1.0) == []


def test_a_job_whose_queries_fail_is_given_up(world: World) -> None:
    """Only failures in a row count, and only as long as somebody asks."""
    world.announce(JOB)
    world.query(TimedOut("slow"))
    assert world.after(60.0) == ["a"]  # nobody has asked again
    world.query(JobState(JobStatus.RUNNING))
    world.query(TimedOut("slow"))
    assert world.after(49.0) == ["a"]
    world.query(TimedOut("slow"))
    assert world.after(1.0) == ["a"]
    world.query(TimedOut("slow"))
    assert world.after(0.0) == []


def test_a_running_job_is_never_let_go(world: World) -> None:
    """However long it runs."""
    world.announce(JOB)
    world.query(JobState(JobStatus.RUNNING))

    assert world.after(1e9) == ["a"]


def test_forgetting(world: World) -> None:
    """A forgotten job is gone, and may be announced anew."""
    world.announce(JOB)

    world.ledger.forget("main", "a")
    world.ledger.forget("main", "a")
    assert world.jobs() == []
    assert world.announce(JOB) == [True]


def test_a_reload_changes_targets_and_labels(world: World) -> None:
    """Jobs are named while their target is there, and is the same instance and namespace."""
    world.announce({**JOB, "labels": {"team": "search"}, "deadline": "1h"})
    moved = replace(MAIN, db_instance_id="gp-2")

    def named(*targets: Target) -> tuple[JobRef, ...]:
        config = Config(targets=targets, job_labels=("pipeline", "team"))
        world.ledger.adopt(config)
        return StoredSource(ANNOUNCED, config, world.ledger).listing().batches[0].jobs

    assert named(OTHER) == named(moved) == ()
    (job,) = named(MAIN)
    assert (job.region_id, job.deadline) == ("cn-hangzhou", 3600.0)
    assert job.labels == (("pipeline", ""), ("team", "search"))


BAD = {
    "not JSON": (b"{", "", "expected JSON, but "),
    "not UTF-8": (b'"\xff"', "", "expected JSON in UTF-8"),
    "a key twice": (b'{"id": "a", "id": "b"}', "", "expected each key of an object once"),
    "deep": (b"[" * 1_000_000, "", "expected at most 8 levels"),
    "deeper than any shape": (b"[[[[[[[[[]]]]]]]]]", "", "expected at most 8 levels"),
    "not a number": (b'{"expected_entries": NaN}', "", "expected JSON, which knows neither NaN"),
    "half a character": (rb'{"id": "\ud800"}', "", "expected text, got half of a surrogate pair"),
    "nothing": (b"[]", "", "expected 1 to 1,000 jobs, got 0"),
    "too many": (b"[" + b",".join([b"1"] * 1_001) + b"]", "", "expected 1 to 1,000 jobs, got 1,0"),
    "no object": (b"[7]", "[0]", "expected a mapping"),
    "a text": (b'"job"', "", "expected a mapping"),
    "an unknown key": (b'{"target": "main", "id": "a", "colection": "c"}', "colection", "unknown"),
    "a missing key": (b'[{"target": "main", "id": "a"}]', "[0].collection", "missing, but requi"),
    "a number for a text": (
        b'{"target": "main", "id": 7, "collection": "c"}',
        "id",
        "expected text, got '7': JSON reads it as a number",
    ),
    "a text for a number": (
        b'{"target": "main", "id": "a", "collection": "c", "expected_entries": "7"}',
        "expected_entries",
        "expected a number",
    ),
    "an undeclared label": (
        b'{"target": "main", "id": "a", "collection": "c", "labels": {"tem": "x"}}',
        "labels.tem",
        "a label that is not in job_labels of the configuration: did you mean 'team'?",
    ),
    "entries of a document": (
        b'{"target":"main","id":"a","collection":"c","kind":"upload_document","expected_entries":1}',
        "expected_entries",
        "a job of kind upload_document has a percentage",
    ),
    "a job twice": (
        b'[{"target":"main","id":"a","collection":"c"},{"target":"main","id":"a","collection":"c"}]',
        "[1]",
        "the same job as [0]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_announcements(name: str) -> None:
    """Each mistake has its place, and says what was expected."""
    body, path, message = BAD[name]

    with pytest.raises(ConfigurationError) as raised:
        read_announcement(body, CONFIG, {"main"}, ANNOUNCED)

    (problem,) = raised.value.problems
    assert problem.path == path
    assert problem.message.startswith(message)


@pytest.mark.parametrize("target", ["other", "nowhere"])
def test_targets_of_others(target: str) -> None:
    """A target that is another token's looks like one that does not exist."""
    with pytest.raises(ForbiddenTarget):
        read_announcement(
            json.dumps({**JOB, "target": target}).encode(), CONFIG, {"main"}, ANNOUNCED
        )


def test_all_mistakes_are_reported_at_once() -> None:
    """Nothing is taken of a list that has one."""
    body = json.dumps([{**JOB, "id": ""}, JOB, {"target": "main"}]).encode()

    with pytest.raises(ConfigurationError) as raised:
        read_announcement(body, CONFIG, {"main"}, ANNOUNCED)

    assert {problem.path for problem in raised.value.problems} == {
        "[0].id",
        "[2].id",
        "[2].collection",
    }


def test_wrong_tokens_of_a_configuration(tmp_path: Path) -> None:
    """A short token, a name twice and a target that there is none of are reported at once."""
    (tmp_path / "token").write_text("too-short")
    (tmp_path / "config.yaml").write_text(
        "registration:\n  tokens:\n"
        "    - {name: n, token_file: token, targets: [man]}\n"
        "    - {name: n, token_file: token, targets: [main]}\n"
        "targets:\n  - {name: main, region_id: cn-hangzhou, db_instance_id: gp-1, "
        "namespace_password_file: token}\n"
    )

    with pytest.raises(ConfigurationError) as raised:
        load(str(tmp_path / "config.yaml"), {})

    short = "expected a token of at least 16 characters: make one by openssl rand -hex 32"
    assert [(p.path, p.message) for p in raised.value.problems] == [
        ("registration.tokens[0].token_file", short),
        ("registration.tokens[0].targets", "no target is called 'man': did you mean 'main'?"),
        ("registration.tokens[1].name", "another token is called 'n': names are unique"),
        ("registration.tokens[1].token_file", short),
    ]
