"""What an exporter remembers of its jobs, without HTTP, files or a real clock."""

from dataclasses import replace

import pytest

from exporter.config import Config, RegistrySettings, ScrapeSettings
from exporter.errors import QueryError, TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.jobs import Batch, Listing, Registry, StoredSource
from exporter.model import CollectionHistory, JobRef, JobState, JobStatus, Snapshot, Target
from exporter.secret import Secret
from exporter.store import DRAINED
from tests.fakes import HandSetClock, memory_ledger

MAIN = Target("main", "cn-hangzhou", Secret("planted"), db_instance_id="gp-1")
KEEP = RegistrySettings(keep_ended=100.0, keep_unseen=50.0)
CONFIG = Config(targets=(MAIN,), registry=KEEP, scrape=ScrapeSettings(max_jobs=100))
RUNNING, SUCCESS = JobState(JobStatus.RUNNING, progress=1), JobState(JobStatus.SUCCESS)


class Files:
    """Stands for the job files: a source whose list a test writes."""

    name = "file"

    def __init__(self) -> None:
        self.version = 0
        self.jobs: tuple[JobRef, ...] = ()

    def write(self, *ids: str) -> None:
        """Name these jobs from now on."""
        made = [MAIN.job(each, "c", kind=UPSERT_COLLECTION_DATA, source="file") for each in ids]
        self.version, self.jobs = self.version + 1, tuple(made)

    def refresh(self) -> None:
        """Nothing to do."""

    def listing(self) -> Listing:
        """Return what was written last."""
        return Listing(self.version, (Batch("jobs.yaml", self.jobs),))


class World:
    """A registry of job files and of jobs that have lost theirs, with a clock of its own."""

    def __init__(self) -> None:
        self.time = HandSetClock()
        self.ledger = memory_ledger(self.time.clock(), CONFIG)
        self.files = Files()
        sources = (self.files, StoredSource(DRAINED, CONFIG, self.ledger))
        self.registry = Registry(CONFIG, sources, outcomes=self.ledger)
        self.answers: dict[str, JobState] = {}

    def scrape(self, outcome: JobState | QueryError | None = None) -> dict[str, str]:
        """Look for jobs, let a query of each end so, and return their sources."""
        self.ledger.refresh(1.0)
        self.registry.refresh(1.0)
        jobs = self.registry.current(lambda *_: None).jobs
        for job in jobs:
            if outcome is None:
                break
            self.ledger.queried(_Record(job, self.answers.get(job.job_id)), outcome, 0.1)
            if isinstance(outcome, JobState):
                self.answers[job.job_id] = outcome
        return {job.job_id: job.source for job in jobs}

    def history(self) -> CollectionHistory:
        """Return the history of the one collection, as a page has it."""
        self.ledger.refresh(1.0)
        (found,) = self.ledger.shown(Snapshot(0.0, 0.0, (), {}, {})).history
        return found


class _Record:
    def __init__(self, ref: JobRef, state: JobState | None) -> None:
        self.ref, self.state = ref, state


@pytest.fixture
def world() -> World:
    """One for each test."""
    return World()


def test_a_job_of_a_file_is_shown_for_a_while_after_its_end(world: World) -> None:
    """However long its file stays; a job that has not ended is shown as long as it is named."""
    world.files.write("a")
    world.scrape(SUCCESS)
    world.files.write("a", "b")
    world.time.advance(99.0)
    before = world.scrape()
    world.time.advance(1.0)

    assert (before, world.scrape()) == ({"a": "file", "b": "file"}, {"b": "file"})
    world.files.write("a", "b", "c")
    assert world.scrape() == {"b": "file", "c": "file"}


def test_a_job_is_drained_until_it_ends(world: World) -> None:
    """Its end is counted, and shown for a while; a file that names it again takes it back."""
    world.files.write("a")
    world.scrape(RUNNING)
    world.files.write()
    drained = world.scrape(RUNNING)
    world.files.write("a")
    back = world.scrape(RUNNING)
    world.files.write()
    world.scrape(SUCCESS)
    world.time.advance(99.0)

    assert (drained, back) == ({"a": "drained"}, {"a": "file"})
    assert world.scrape() == {"a": "drained"}
    world.time.advance(1.0)
    assert world.scrape() == {}
    assert world.history().finished[JobStatus.SUCCESS] == 1


def test_a_job_that_was_never_answered_goes_with_its_file(world: World) -> None:
    """Its id may be wrong, and whoever wrote it has taken it back."""
    world.files.write("a")
    world.scrape(TimedOut("slow"))
    world.files.write()

    assert world.scrape() == {}


def test_a_drained_job_is_lost_when_its_queries_fail_for_long(world: World) -> None:
    """It is counted once; as long as its file is there, nobody gives it up."""
    world.files.write("a")
    world.scrape(RUNNING)
    world.scrape(TimedOut("slow"))
    world.time.advance(1000.0)
    world.scrape(TimedOut("slow"))
    still_named = world.scrape()
    world.files.write()

    assert still_named == {"a": "file"}
    for _ in range(3):
        world.scrape()
    assert world.scrape() == {}
    assert world.history().lost == 1


def test_what_had_ended_at_the_start_is_not_counted_in_memory(world: World) -> None:
    """Its end may have been counted before a restart; that of a later job was not."""
    world.files.write("a", "b")
    world.scrape()
    world.files.write("a", "b", "c")
    world.scrape(SUCCESS)

    assert world.history().finished[JobStatus.SUCCESS] == 1


def test_what_ends_under_our_eyes_is_counted(world: World) -> None:
    """Once, and the history is there from 0 on."""
    world.files.write("a")
    world.scrape(RUNNING)
    before = world.history()
    world.scrape(SUCCESS)
    world.scrape(SUCCESS)

    assert before.finished == dict.fromkeys(before.finished, 0)
    assert world.history().finished[JobStatus.SUCCESS] == 1
    assert world.history().last_success == world.time.wall


def test_the_history_of_a_target_that_is_gone_is_not_shown(world: World) -> None:
    """It is back when the target is."""
    world.files.write("a")
    world.scrape()
    nothing = Snapshot(0.0, 0.0, (), {}, {})
    moved = replace(CONFIG, targets=(replace(MAIN, db_instance_id="gp-2"),))

    world.ledger.adopt(moved)
    gone = world.ledger.shown(nothing).history
    world.ledger.adopt(CONFIG)

    assert gone == ()
    assert len(world.ledger.shown(nothing).history) == 1
