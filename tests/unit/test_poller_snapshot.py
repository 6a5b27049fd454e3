"""What a snapshot says of jobs, targets and files."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from exporter.errors import ConnectionFailed
from exporter.gpdb.answers import Answer
from exporter.model import ScrapeResult, WatchList
from tests.fakes import LIMIT, ended, running
from tests.pollers import ACTION, World, by_id, progress

CREATED = 1_704_699_600.0  # the CreateTime of ``running``


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


def test_the_order_is_the_lists(world: World) -> None:
    """Observations come in the watch list's order, whoever answers first."""
    world.watch({"b": 2, "a": 2})
    world.prove()
    world.api.hold("b-0", "a-0")
    waiting = world.scrape_in_background()
    world.api.wait_until(lambda: len(world.api.calls) == 4)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert list(by_id(snapshot)) == ["b-0", "b-1", "a-0", "a-1"]
    assert list(snapshot.targets) == ["b", "a"]


def test_one_now(world: World) -> None:
    """A snapshot is taken at one moment, and knows how long it took."""
    world.watch({"a": 1})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.time.advance(2.0)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert snapshot.taken_at == world.time.wall
    assert snapshot.duration == 2.0
    assert by_id(snapshot)["a-0"].answered_at == world.time.wall


def test_file_errors_are_the_lists(world: World) -> None:
    """A snapshot hands on which job files are broken."""
    world.watched = WatchList(targets={}, jobs=(), file_errors={"/jobs/x.yaml": True})

    assert world.scrape().file_errors == {"/jobs/x.yaml": True}
    assert world.poller.last_seen().file_errors == {"/jobs/x.yaml": True}


def test_last_seen_asks_nothing(world: World) -> None:
    """What was seen last can be had without a call, and before the first scrape it is nothing."""
    world.watch({"a": 2})
    before = world.poller.last_seen()
    asked = world.api.asked()
    world.scrape()
    world.time.advance(60.0)
    after = world.poller.last_seen()

    assert asked == []
    assert [each.result for each in before.observations] == [ScrapeResult.LATE] * 2
    assert [each.up for each in before.observations] == [None, None]
    assert len(world.api.asked()) == 2
    assert progress(after) == {"a-0": 100, "a-1": 100}


def test_the_counts_of_a_scrape_are_there_when_it_returns(world: World) -> None:
    """Requests, errors and unreadable fields are counted before the snapshot is handed out."""
    world.watch({"a": 3})
    world.api.script("a-1", ConnectionFailed("x"))
    world.api.script("a-2", running("12a", UpdateTime="never"))

    world.scrape()

    value = world.instruments.registry.get_sample_value
    labels = {"target": "a", "action": ACTION}
    assert value("adbpg_exporter_api_requests_total", labels) == 3
    assert world.errors("a", "connection") == 1
    assert value("adbpg_exporter_api_request_duration_seconds_count", {"action": ACTION}) == 3
    assert value("adbpg_exporter_invalid_fields_total", {"field": "Progress"}) == 1
    assert value("adbpg_exporter_invalid_fields_total", {"field": "UpdateTime"}) == 1


def test_how_long_a_query_took(world: World) -> None:
    """The duration that is counted is that of the call."""
    world.watch({"a": 1})
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.time.advance(3.0)
    world.api.release()
    waiting.result(LIMIT)

    name = "adbpg_exporter_api_request_duration_seconds_sum"
    assert world.instruments.registry.get_sample_value(name, {"action": ACTION}) == 3.0


def test_clock_skew(world: World) -> None:
    """A target's skew is that of its last answer, good or not, and stays when none comes."""
    refused = ConnectionFailed("x")
    refused.clock_skew = -3.0
    world.watch({"a": 1, "b": 1})
    outcomes = (Answer(running(), 2.0), refused, ConnectionFailed("x"))
    world.api.script("a", *outcomes)
    skews = []
    for _ in outcomes:
        skews.append(world.scrape().targets["a"].clock_skew)
        world.time.advance(5.0)

    assert skews == [2.0, -3.0, -3.0]
    assert world.scrape().targets["b"].clock_skew is None


@pytest.mark.parametrize(
    ("step", "update_time"), [(3600.0, "2024-01-08 16:46:40"), (-3600.0, "2024-01-08 14:46:40")]
)
def test_a_step_of_the_clock_is_in_the_skew_at_once(
    world: World, step: float, update_time: str
) -> None:
    """Where our own clock is set right, no old answer says that it is off, nor that the zone is."""
    world.watch({"a": 1})
    world.api.script("a", Answer(running(UpdateTime=update_time), step))
    before = world.scrape().targets["a"]

    world.time.jump(step)
    after = world.scrape().targets["a"]

    assert before.clock_skew == step
    assert after.clock_skew == 0.0
    assert not after.time_zone_suspect


@pytest.mark.parametrize(
    ("update_time", "status", "skew", "suspect"),
    [
        ("2024-01-08 15:46:40", "Running", 0.0, False),  # now, in UTC+8
        ("2024-01-08 15:47:40", "Running", 0.0, False),
        ("2024-01-08 15:47:41", "Running", 0.0, True),
        ("2024-01-08 15:47:41", "Running", None, True),
        ("2024-01-08 15:47:41", "Running", 2.0, False),  # the API's clock is ahead of ours
        ("2024-01-08 15:46:42", "Running", -60.0, True),
        ("2024-01-08 23:46:40", "Start", 0.0, True),
        ("2024-01-08 23:46:40", "Success", 0.0, False),
        ("never", "Running", 0.0, False),
    ],
)
def test_a_suspect_time_zone(
    world: World, update_time: str, status: str, skew: float | None, *, suspect: bool
) -> None:
    """An active job that was updated over a minute in the API's future makes its target suspect."""
    world.watch({"a": 2, "b": 1})
    answer = running(UpdateTime=update_time, Status=status, Completed=status == "Success")
    world.api.script("a-1", Answer(answer, skew))
    world.api.script("a-0", Answer(running(), skew))

    targets = world.scrape().targets

    assert targets["a"].time_zone_suspect is suspect
    assert targets["b"].time_zone_suspect is False


def start(created: str, **fields: object) -> dict[str, object]:
    """Return an answer about a job that has not begun."""
    return running(0, Status="Start", CreateTime=created, **fields)


def queue_of_two(world: World) -> None:
    """Watch a-0, which runs, and a-1, which was created just after it and has not begun."""
    world.watch({"a": 2})
    jobs = tuple(replace(ref, expected_entries=1000) for ref in world.watched.jobs)
    world.watched = replace(world.watched, jobs=jobs)
    world.api.script("a-0", running(7))
    world.api.script("a-1", start("2024-01-08 15:40:01"))


def test_a_job_that_waits_has_no_clock_of_its_own(world: World) -> None:
    """While it waits it cannot be late or stalled; what runs is measured as ever."""
    queue_of_two(world)
    for _ in range(99):
        world.time.advance(60.0)
        world.scrape()
    world.time.advance(60.0)

    found = by_id(world.scrape())

    assert (found["a-1"].waits, found["a-1"].behind) == (True, found["a-0"].ref)
    assert (found["a-1"].turn_at, found["a-1"].planned_end) == (None, None)
    assert found["a-1"].progress_changed_at is None
    assert found["a-0"].waits is False
    assert found["a-0"].planned_end == CREATED + 1801.0
    assert found["a-0"].progress_changed_at == world.time.wall - 99 * 60.0


@pytest.mark.parametrize("is_removed", [False, True])
def test_its_time_begins_when_the_one_before_has_ended(world: World, *, is_removed: bool) -> None:
    """By our own clock, also where that job was taken out of the configuration meanwhile."""
    queue_of_two(world)
    world.time.advance(3600.0)
    world.scrape()
    free = world.time.wall
    if is_removed:
        world.watched = replace(world.watched, jobs=world.watched.jobs[1:])
    world.api.script("a-0", ended(1000, UpdateTime="2024-01-08 16:46:41"))
    world.time.advance(60.0)

    found = by_id(world.scrape())["a-1"]

    assert found.waits is False
    assert (found.turn_at, found.planned_end) == (free, free + 1801.0)
    assert found.progress_changed_at == free
    world.api.script("a-1", running(7))
    world.time.advance(60.0)
    assert by_id(world.scrape())["a-1"].progress_changed_at == world.time.wall


def test_after_a_restart_the_update_time_of_the_one_before_counts(world: World) -> None:
    """A poller that never observed the wait takes the API's word for when it was over."""
    queue_of_two(world)
    world.api.script("a-0", ended(1000, UpdateTime="2024-01-08 15:46:41"))

    for _ in range(2):
        assert by_id(world.scrape())["a-1"].planned_end == CREATED + 401.0 + 1801.0
        world.time.advance(60.0)


def test_what_may_wait_for_another_shard_has_no_clock_until_it_begins(world: World) -> None:
    """Its time begins when it was last observed not to have begun."""
    queue_of_two(world)
    split = frozenset({world.watched.jobs[0].collection_identity})
    world.watched = replace(world.watched, jobs=world.watched.jobs[1:], split=split)
    world.time.advance(3600.0)
    before = by_id(world.scrape())["a-1"]
    free = world.time.wall
    world.api.script("a-1", running(7))
    world.time.advance(60.0)

    after = by_id(world.scrape())["a-1"]

    assert (before.waits, before.planned_end, before.progress_changed_at) == (None, None, None)
    assert (after.waits, after.planned_end) == (False, free + 1801.0)
    world.api.script("a-1", ended(1000))
    world.time.advance(60.0)
    assert by_id(world.scrape())["a-1"].planned_end == free + 1801.0
