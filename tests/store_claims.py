"""What every store promises, as functions that try it on an empty one that is open."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from exporter.config import AnnouncedEntry
from exporter.errors import Conflict, TooManyJobs
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import (
    CollectionHistory,
    ErrorClass,
    JobRef,
    JobState,
    JobStatus,
    Memory,
    Usage,
)
from exporter.store import Store
from exporter.store.records import Batch, End, Progress

Claim = Callable[[Store], None]

NOW = 1_704_700_000.0
REF = JobRef("main", "", "a", "c", db_instance_id="gp-1", kind=UPSERT_COLLECTION_DATA)
KEY = (*REF.collection_identity, REF.kind)
OTHER = replace(REF, job_id="b")
SUCCESS = JobState(
    JobStatus.SUCCESS,
    completed=True,
    progress=100,
    created=NOW - 90.0,
    updated=NOW - 30.0,
    error_text="a\x00 text \N{SNOWMAN}",
    error_class=ErrorClass.QUOTA,
    usage=Usage(embedding_tokens=7, llm_input_tokens=3, llm_output_tokens=2),
    invalid_fields=("Progress",),
)
FAILED = JobState(JobStatus.FAILED, created=NOW - 20.0)


def announced(ref: JobRef = REF, *given: str) -> AnnouncedEntry:
    """Return an announcement of a job."""
    return AnnouncedEntry(replace(ref, source="announced"), frozenset(given))


def end(store: Store, *ends: End) -> None:
    """Write ends."""
    store.write(Batch(ends=ends), NOW)


def history(store: Store) -> CollectionHistory:
    """Return the history of the one collection."""
    (found,) = store.first(("announced",), 0.0, 10).history
    return found


def an_announced_job_is_kept(store: Store) -> None:
    """All its facts are; announcing again is known, and changes what it gives."""
    entry = announced(replace(REF, deadline=60.0, labels=(("team", "é"),)))
    first = store.announce([entry], 0, 10, NOW)
    again = store.announce([announced(REF)], 1, 1, NOW + 1)
    changed = store.announce(
        [announced(replace(REF, expected_entries=5), "expected_entries")], 1, 1, NOW + 2
    )

    (job,) = store.first(("announced",), 0.0, 10).jobs
    assert [each.is_new for each in (*first, *again, *changed)] == [True, False, False]
    assert (job.ref.deadline, job.ref.expected_entries) == (60.0, 5)
    assert (job.ref.labels, job.announced_at) == ((("team", "é"),), NOW)


def nothing_of_a_list_with_a_contradiction_is_taken(store: Store) -> None:
    """Neither the new jobs of the list nor the changes."""
    store.announce([announced()], 0, 10, NOW)

    with pytest.raises(Conflict):
        store.announce([announced(OTHER), announced(replace(REF, collection="d"))], 1, 10, NOW)
    with pytest.raises(TooManyJobs, match="1 announced jobs have not ended, and 1 can be"):
        store.announce([announced(OTHER)], 1, 1, NOW)

    assert [job.ref.job_id for job in store.first(("announced",), 0.0, 10).jobs] == ["a"]


def a_job_may_be_forgotten_and_announced_again(store: Store) -> None:
    """Its end stays counted, and is known at once."""
    store.announce([announced()], 0, 10, NOW)
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW))
    store.forget("main", "a", "announced")
    assert store.find("main", "a") is None
    (again,) = store.announce([announced()], 0, 10, NOW + 5)
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW + 9))

    assert (again.is_new, again.job.ended_at, again.job.kept_from) == (True, NOW, NOW + 5)
    assert history(store).finished[JobStatus.SUCCESS] == 1


def an_end_is_counted_once(store: Store) -> None:
    """Whoever saw it, however often; a later answer changes nothing."""
    for state in (SUCCESS, SUCCESS, FAILED):
        end(store, End(ref=REF, state=state, seen_at=NOW))

    found = history(store)
    assert found.finished == {
        JobStatus.SUCCESS: 1,
        JobStatus.FAILED: 0,
        JobStatus.CANCELLED: 0,
    }
    assert (found.durations[3], sum(found.durations), found.duration_sum) == (1, 1, 60.0)
    assert (found.entries, found.embedding_tokens) == (100, 7)
    assert (found.llm_input_tokens, found.llm_output_tokens) == (3, 2)
    assert (found.last_success, found.last_completion, found.last_status) == (NOW, NOW, "Success")


def the_newest_job_is_the_one_that_was_created_last(store: Store) -> None:
    """In whatever order the ends are seen."""
    end(store, End(ref=OTHER, state=FAILED, seen_at=NOW))
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW + 5))

    found = history(store)
    assert (found.last_status, found.last_success) == ("Failed", NOW + 5)
    assert (found.finished[JobStatus.SUCCESS], found.finished[JobStatus.FAILED]) == (1, 1)


def an_end_that_may_have_been_counted_before_is_not_counted(store: Store) -> None:
    """It is remembered all the same."""
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW, is_new=False))
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW))

    assert store.first(("announced",), 0.0, 10).history == []


def an_ended_job_is_remembered_as_it_was(store: Store) -> None:
    """So that nobody has to query it again."""
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW))

    (job,) = store.remembered([REF.identity, OTHER.identity])
    assert job.memory == Memory(state=SUCCESS, ended_at=NOW)


def a_clock_that_began_earlier_stays(store: Store) -> None:
    """As long as the progress is the same."""

    def written(progress: int, changed_at: float) -> float | None:
        state = JobState(JobStatus.RUNNING, progress=progress)
        job = Progress(
            ref=REF, state=state, progress_changed_at=changed_at, turn_at=NOW, seen_at=NOW
        )
        store.write(Batch(progress=[job]), NOW)
        (found,) = store.remembered([REF.identity])
        assert (found.memory.progress, found.memory.turn_at) == (progress, NOW)
        return found.memory.progress_changed_at

    assert written(5, 10.0) == 10.0
    assert written(5, 20.0) == 10.0
    assert written(6, 30.0) == 30.0
    assert written(5, 40.0) == 40.0


def a_lost_job_is_counted_once_and_may_come_back(store: Store) -> None:
    """It is not lost if anybody had an answer lately."""
    lost = Batch(lost=[REF], seen_before=NOW - 100)
    state = JobState(JobStatus.RUNNING, progress=1)
    seen = Progress(ref=REF, state=state, progress_changed_at=NOW, turn_at=None, seen_at=NOW - 50)
    store.announce([announced()], 0, 10, NOW)
    store.write(Batch(progress=[seen]), NOW)
    store.write(lost, NOW)
    assert store.first(("announced",), 0.0, 10).history == []

    store.write(replace(lost, seen_before=NOW), NOW)
    store.write(replace(lost, seen_before=NOW), NOW)
    assert history(store).lost == 1
    (again,) = store.announce([announced()], 0, 10, NOW)
    assert (again.job.is_lost, again.job.ended_at) == (False, None)
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW))
    assert (history(store).lost, history(store).finished[JobStatus.SUCCESS]) == (1, 1)


def changes_are_read_once(store: Store) -> None:
    """Of jobs and of the history; progress is no change."""
    first = store.first(("announced",), 0.0, 10)
    store.announce([announced()], 0, 10, NOW)
    store.write(Batch(collections=[KEY], ends=[End(ref=OTHER, state=FAILED, seen_at=NOW)]), NOW)

    changes = store.changes(first.revision)
    assert sorted(job.ref.job_id for job in changes.jobs) == ["a", "b"]
    assert [(*each.collection, each.kind) for each in changes.history] == [KEY]
    state = JobState(JobStatus.RUNNING, progress=1)
    seen = Progress(ref=REF, state=state, progress_changed_at=NOW, turn_at=None, seen_at=NOW)
    store.write(Batch(progress=[seen]), NOW)
    assert (store.changes(changes.revision).jobs, store.changes(changes.revision).history) == (
        [],
        [],
    )


def a_known_collection_begins_at_0(store: Store) -> None:
    """Knowing it again changes nothing."""
    store.write(Batch(collections=[KEY]), NOW)
    end(store, End(ref=REF, state=SUCCESS, seen_at=NOW))
    store.write(Batch(collections=[KEY]), NOW)

    assert history(store).finished[JobStatus.SUCCESS] == 1


def cleaning_takes_what_is_over_and_unwatched(store: Store) -> None:
    """A job that has not ended stays, however long nobody watched it; so does one on a list."""
    ended = [replace(REF, job_id=f"ended-{number}") for number in range(600)]
    end(store, *(End(ref=ref, state=SUCCESS, seen_at=NOW) for ref in ended))
    store.announce([announced()], 0, 10, NOW)
    store.write(Batch(watched=[ended[0].identity]), NOW + 1000)

    assert [store.clean(NOW + 500, NOW - 1) for _ in range(3)] == [500, 99, 0]
    left = store.remembered([REF.identity, *(ref.identity for ref in ended)])
    assert sorted(job.ref.job_id for job in left) == ["a", "ended-0"]
    assert history(store).finished[JobStatus.SUCCESS] == 600
    store.clean(NOW + 500, NOW + 1)
    assert store.first(("announced",), 0.0, 10).history == []


CLAIMS: tuple[Claim, ...] = (
    an_announced_job_is_kept,
    nothing_of_a_list_with_a_contradiction_is_taken,
    a_job_may_be_forgotten_and_announced_again,
    an_end_is_counted_once,
    the_newest_job_is_the_one_that_was_created_last,
    an_end_that_may_have_been_counted_before_is_not_counted,
    an_ended_job_is_remembered_as_it_was,
    a_clock_that_began_earlier_stays,
    a_lost_job_is_counted_once_and_may_come_back,
    changes_are_read_once,
    a_known_collection_begins_at_0,
    cleaning_takes_what_is_over_and_unwatched,
)
