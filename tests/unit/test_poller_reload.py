"""What a reload and a changed list of jobs do to the poller."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from exporter.clock import Deadline
from tests.fakes import LIMIT, in_background
from tests.pollers import ACTION, BRIEFLY, SCRAPE, World, by_id, progress, results, target


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


def test_jobs_that_stay_keep_what_was_seen(world: World) -> None:
    """After a reload the jobs that are still watched are shown as before, and not asked anew."""
    world.watch({"a": 3})
    before = world.scrape()
    world.watch({"a": 2, "b": 1})
    world.adopt()

    after = world.scrape()

    assert world.api.asked()[3:] == ["b-0"]
    assert by_id(after)["a-0"].state == by_id(before)["a-0"].state
    assert results(after) == {"a-0": "cached", "a-1": "cached", "b-0": "fresh"}


def test_a_job_of_a_changed_target_starts_anew(world: World) -> None:
    """Another endpoint is another story: nothing seen there before counts."""
    world.watch({"a": 1})
    world.scrape()
    world.api.hold("a")
    world.watch({"a": 1}, target("a", host="elsewhere"))
    world.adopt()

    snapshot = world.scrape(BRIEFLY)

    assert world.api.asked() == ["a-0", "a-0"]
    assert by_id(snapshot)["a-0"].state is None
    assert by_id(snapshot)["a-0"].up is None


def test_a_job_that_was_away_is_forgotten(world: World) -> None:
    """A job that was removed and comes back is asked as a new one."""
    world.watch({"a": 2})
    world.scrape()
    world.watch({"a": 1})
    world.scrape()
    world.watch({"a": 2})
    world.api.hold("a")

    snapshot = world.scrape(BRIEFLY)

    assert results(snapshot) == {"a-0": "cached", "a-1": "late"}
    assert by_id(snapshot)["a-1"].up is None


def test_labels_and_expectations_follow_a_reload(world: World) -> None:
    """What only the configuration says of a job is shown as it is configured now."""
    world.watch({"a": 1})
    world.scrape()
    ref = replace(world.watched.jobs[0], labels=(("team", "search"),), expected_entries=1000)
    world.watched = replace(world.watched, jobs=(ref,))

    snapshot = world.scrape()

    observation = snapshot.observations[0]
    assert observation.ref == ref
    assert observation.planned_end == 1_704_699_600.0 + 1.0 + 1800.0
    assert len(world.api.asked()) == 1


def test_an_answer_for_a_removed_job_does_no_harm(world: World) -> None:
    """A query whose job and target were removed meanwhile ends in peace."""
    world.watch({"a": 2, "b": 1})
    world.prove()
    world.api.hold("a")
    world.scrape(BRIEFLY)
    world.watch({"b": 1})
    world.adopt()
    waiting = in_background(world.scrape)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert list(by_id(snapshot)) == ["b-0"]
    assert set(snapshot.targets) == {"b"}
    assert world.errors("a", "timeout") is None


def test_a_scrape_under_way_is_not_mixed_with_a_reload(world: World) -> None:
    """A scrape shows the list and the settings with which it began, whatever comes meanwhile."""
    world.watch({"a": 3})
    world.prove()
    world.api.hold("a-0")
    waiting = world.scrape_in_background()
    world.wait_until_late("a-0")
    world.time.advance(1.0)
    world.watch({"b": 2})
    world.adopt(max_age=0.001)
    later = in_background(world.scrape)
    world.api.wait_until(lambda: world.api.asked().count("b-0") == 1)
    world.api.release()

    assert progress(waiting.result(LIMIT)) == {"a-0": 100, "a-1": 100, "a-2": 100}
    assert set(waiting.result(LIMIT).targets) == {"a"}
    assert set(results(later.result(LIMIT))) == {"b-0", "b-1"}


def test_a_new_job_is_asked_by_the_next_scrape(world: World) -> None:
    """A scrape with a new list neither shares the round of the old one, nor its busy threads."""
    world.watch({"a": 3})
    world.prove()
    world.api.hold("a")
    world.scrape_in_background()
    world.api.wait_for_calls(3)
    world.watch({"a": 3, "b": 1})
    waiting = in_background(world.scrape)

    world.wait_until_late("a-0", "a-1", "a-2")

    assert world.api.asked().count("b-0") == 1
    assert not waiting.done()


def test_a_reload_drops_nothing_of_the_round_under_way(world: World) -> None:
    """Another calls_per_second does not cost the scrape under way a single job."""
    world.watch({"a": 30})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.api.wait_for_calls(SCRAPE.concurrency)
    world.poller.adopt(replace(world.settings, calls_per_second=90_000))
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert set(results(snapshot).values()) == {"fresh"}


def test_no_page_is_shared_across_a_reload(world: World) -> None:
    """Scrapes of the same jobs share a page only under the same settings."""
    world.watch({"a": 3})
    before, again = (world.poller.poll(Deadline.after(LIMIT)).jobs for _ in range(2))
    world.poller.adopt(replace(world.settings, calls_per_second=90_000))
    after = world.poller.poll(Deadline.after(LIMIT)).jobs

    assert before.generation == again.generation
    assert after.generation != before.generation


def test_less_concurrency_after_a_reload(world: World) -> None:
    """A smaller concurrency holds from the next round on."""
    world.watch({"a": 30})
    world.prove()
    world.adopt(concurrency=2)
    world.scrape()

    assert world.api.most_in_flight <= 2


def test_many_reloads_under_load(world: World) -> None:
    """Through a hundred reloads and concurrent scrapes each snapshot is one list or the other."""
    world.watch({"a": 5})
    first = world.watched
    world.watch({"a": 3, "b": 4})
    second = world.watched
    world.instruments.watch({"a": [ACTION], "b": [ACTION]})
    stop = threading.Event()

    def scrape() -> set[tuple[str, ...]]:
        seen = set()
        while not stop.is_set():
            seen.add(tuple(each.ref.job_id for each in world.scrape().observations))
        return seen

    scrapers = [in_background(scrape) for _ in range(3)]
    for number in range(100):
        world.watched = first if number % 2 else second
        world.adopt()
        world.time.advance(1.0)
        world.scrape()
    stop.set()

    lists = {tuple(ref.job_id for ref in each.jobs) for each in (first, second)}
    for scraper in scrapers:
        assert scraper.result(LIMIT) <= lists
