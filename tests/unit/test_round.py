"""Rounds in virtual time: who is asked when, without threads and without waiting."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import AuthRejected, QueryError, ServerFailed, Throttled, TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Target
from exporter.polling.budget import HostLimit, TargetBudget
from exporter.polling.record import Record
from exporter.polling.round import Round, Task
from exporter.secret import Secret

RUNNING = JobState(JobStatus.RUNNING)
Outcome = JobState | QueryError
Answers = Callable[[Record], tuple[float, Outcome]]
"""Seconds until a query of a job ends, and how."""


class Simulation:
    """Plays the poller's threads: starts what the round gives, ends it in virtual time.

    Attributes:
        started: (time, record) of each query so far.
        most: calls in flight at once, at most.
    """

    def __init__(
        self,
        targets: Mapping[str, int],
        answers: Answers,
        *,
        concurrency: int = 32,
        limits: Mapping[str, HostLimit] | None = None,
    ) -> None:
        hosts = limits or {name: HostLimit(1_000_000) for name in targets}
        self.budgets = {name: TargetBudget(hosts[name]) for name in targets}
        self.records = [
            Record(
                JobRef(
                    name, "cn-hangzhou", f"{name}-{number}", "document", kind=UPSERT_COLLECTION_DATA
                ),
                Target(name, "cn-hangzhou", Secret("testpassword")),
            )
            for name, jobs in targets.items()
            for number in range(jobs)
        ]
        self.concurrency = concurrency
        self.started: list[tuple[float, Record]] = []
        self.most = 0
        self.now = 1_000.0
        self._answers = answers
        self._numbers = itertools.count(1)
        self._ends: list[tuple[float, int, Record, Outcome]] = []

    def prove(self) -> None:
        """Let every target have answered once."""
        for budget in self.budgets.values():
            budget.proven = True

    def run(self, budget: float, *, begin: float | None = None) -> Counter[str]:
        """Make one round, and return how many jobs of each target ended within its budget."""
        self.now = self.now if begin is None else begin
        self._end_until(self.now)
        self.round = Round(next(self._numbers), self.now + budget, self.budgets, self.concurrency)
        self.round.queue(self.records, 1, self.now, 5.0)
        deadline = self.now + budget
        while self.now < deadline and (self.round.has_queued or self._ends):
            found = self.round.next(self.now, len(self._ends))
            if isinstance(found, float):
                self._go_on(min(found, deadline - self.now))
            elif found is None:
                self._go_on(deadline - self.now)
            else:
                self._start(found.record, found.budget)
        number = self.round.number
        return Counter(r.ref.target for r in self.records if r.done_in == number)

    def _start(self, record: Record, budget: TargetBudget) -> None:
        assert not record.in_flight
        seconds, outcome = self._answers(record)
        record.in_flight, record.queried_at = True, self.now
        budget.started(self.now)
        self.started.append((self.now, record))
        heapq.heappush(self._ends, (self.now + seconds, len(self.started), record, outcome))
        self.most = max(self.most, len(self._ends))

    def _go_on(self, seconds: float) -> None:
        """Let time pass until a query ends, but at most so long."""
        until = self.now + seconds
        first = min(until, self._ends[0][0]) if self._ends else until
        self._end_until(first)
        self.now = max(self.now, first)

    def _end_until(self, until: float) -> None:
        while self._ends and self._ends[0][0] <= until:
            moment, _, record, outcome = heapq.heappop(self._ends)
            record.in_flight, record.done_in = False, self.round.number
            error = outcome if isinstance(outcome, QueryError) else None
            task = Task(record, self.budgets[record.ref.target])
            self.round.ended(task, error, moment, lambda: 0.0)
            if isinstance(outcome, QueryError):
                record.fail(outcome, moment)
            else:
                record.answer(outcome, moment)


def good(seconds: float = 0.05) -> Answers:
    """Every job answers after so long."""
    return lambda _: (seconds, RUNNING)


def by_target(**answers: tuple[float, Outcome]) -> Answers:
    """Each target's jobs answer in the target's own way, the others quickly."""
    return lambda record: answers.get(record.ref.target, (0.05, RUNNING))


def names(records: Sequence[tuple[float, Record]]) -> list[str]:
    """Return the job ids of queries."""
    return [record.ref.job_id for _, record in records]


def test_never_asked_jobs_come_first_then_the_longest_unasked() -> None:
    """The order within a target is that of the last queries, and the list's among the new."""
    world = Simulation({"a": 5}, good(), concurrency=1)
    for number, queried_at in ((0, 900.0), (2, 700.0), (4, 800.0)):
        world.records[number].queried_at = queried_at

    world.run(60.0)

    assert names(world.started) == ["a-1", "a-3", "a-2", "a-4", "a-0"]


def test_all_get_their_turn_when_the_budget_is_short() -> None:
    """With time for 10 of 95 jobs, the 10th round has asked each of them, and none five times."""
    world = Simulation({"a": 95}, good(1.0), concurrency=5)
    world.prove()
    for number in range(10):
        world.run(2.0, begin=1_000.0 + 10.0 * number)

    counts = Counter(names(world.started))
    assert len(counts) == 95
    assert max(counts.values()) <= 2


def test_what_is_not_asked_by_the_deadline_is_not_asked() -> None:
    """No query starts once the deadline has come."""
    world = Simulation({"a": 50}, good(1.0), concurrency=5)
    world.prove()

    world.run(2.5)

    assert len(world.started) == 15
    assert world.round.next(1_002.5, 0) is None
    assert not world.round.has_queued


@settings(max_examples=60)
@given(
    targets=st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 40), min_size=1),
    concurrency=st.integers(1, 32),
    data=st.data(),
)
def test_concurrency_is_never_exceeded(
    targets: dict[str, int], concurrency: int, data: st.DataObject
) -> None:
    """However long queries take and however they end, no more than that many are under way."""
    seconds = st.sampled_from([0.0, 0.05, 1.0, 7.0, 50.0])
    outcomes = st.sampled_from(
        list[Outcome]([RUNNING, TimedOut("x"), ServerFailed("x"), Throttled("x")])
    )
    ways = {name: (data.draw(seconds), data.draw(outcomes)) for name in targets}
    world = Simulation(targets, by_target(**ways), concurrency=concurrency)
    for number in range(4):
        world.run(9.0, begin=1_000.0 + 10.0 * number)

    assert world.most <= concurrency


@settings(max_examples=60)
@given(
    targets=st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 40), min_size=1),
    concurrency=st.integers(1, 32),
)
def test_everything_is_asked_once_when_all_is_well(
    targets: dict[str, int], concurrency: int
) -> None:
    """A round with enough time asks about each due job, and about none twice."""
    world = Simulation(targets, good(), concurrency=concurrency)

    done = world.run(10_000.0)

    assert done == Counter(targets)
    assert len(world.started) == sum(targets.values())


@pytest.mark.parametrize("jobs", [1, 3, 4, 30, 300])
@pytest.mark.parametrize("silence", [5.0, 60.0])
def test_one_dead_target_of_ten_holds_up_no_other(jobs: int, silence: float) -> None:
    """While one of ten targets hangs, the nine others complete in each of several rounds."""
    healthy = "bcdefghij"
    world = Simulation(
        {"a": 300, **dict.fromkeys(healthy, jobs)}, by_target(a=(silence, TimedOut("x")))
    )
    done = [world.run(9.0, begin=1_000.0 + 15.0 * number) for number in range(6)]

    for counts in done:
        assert {name: counts[name] for name in healthy} == dict.fromkeys(healthy, jobs)


def test_the_others_are_as_fast_as_without_the_dead_one() -> None:
    """The nine healthy targets lose only the few calls that the dead one may hold."""

    def seconds(*, a_hangs: bool) -> float:
        answer: tuple[float, Outcome] = (60.0, TimedOut("x")) if a_hangs else (0.05, RUNNING)
        world = Simulation({"a": 3, **dict.fromkeys("bcdefghij", 58)}, by_target(a=answer))
        world.prove()
        world.run(9.0)
        return max(at for at, record in world.started if record.ref.target != "a") - 1_000.0

    assert seconds(a_hangs=True) <= seconds(a_hangs=False) * 32 / 29 + 0.05


def test_a_dead_target_alone_in_a_round_takes_its_share_only() -> None:
    """Where only a dead target has due jobs, it leaves the others' calls free for their round."""
    world = Simulation({"a": 300, "b": 100}, by_target(a=(60.0, TimedOut("x"))))
    world.prove()
    for record in world.records[300:]:
        record.queried_at = 999.0

    world.run(1.0)
    assert world.most == 16

    assert world.run(1.0, begin=1_005.0)["b"] == 100


def test_a_target_with_final_jobs_only_needs_no_share() -> None:
    """A target that is never asked any more leaves all calls to the others."""
    world = Simulation({"a": 100, "b": 100}, good(60.0))
    world.prove()
    for record in world.records[100:]:
        record.state = JobState(JobStatus.SUCCESS)

    world.run(9.0)

    assert world.most == 32


def test_a_big_target_beside_small_ones_uses_all_free_calls() -> None:
    """A healthy target is held to its share only until it has answered."""
    world = Simulation({"a": 600, **dict.fromkeys("bcdefghij", 1)}, good())
    world.prove()

    done = world.run(9.0)

    assert world.most == 32
    assert done["a"] == 600
    floor = 609 * 0.05 / 32
    assert world.started[-1][0] - 1_000.0 <= floor + 5 * 0.05  # some latencies to earn the calls


def test_one_bad_job_does_not_slow_its_target_down() -> None:
    """Answers that say no are answers too: the target keeps what it earned."""

    def answers(record: Record) -> tuple[float, Outcome]:
        return 0.05, ServerFailed("x") if record.ref.job_id.endswith("7") else RUNNING

    world = Simulation({"a": 600, **dict.fromkeys("bcdefghij", 1)}, answers)
    world.prove()

    world.run(9.0)

    assert world.started[-1][0] - 1_000.0 <= 609 * 0.05 / 32 + 5 * 0.05


@settings(max_examples=60)
@given(
    limit=st.integers(1, 20),
    jobs=st.integers(1, 60),
    latency=st.sampled_from([0.0, 0.01, 0.3, 2.0]),
    concurrency=st.integers(1, 32),
)
def test_calls_per_second_holds_over_targets_and_rounds(
    limit: int, jobs: int, latency: float, concurrency: int
) -> None:
    """Two targets of one host together keep its limit in every second, across rounds."""
    host = HostLimit(limit)
    world = Simulation(
        {"a": jobs, "b": jobs},
        good(latency),
        concurrency=concurrency,
        limits={"a": host, "b": host},
    )
    for number in range(5):
        world.run(4.0, begin=max(world.now, 1_000.0 + 5.3 * number))

    times = [at for at, _ in world.started]
    assert all(
        later - first >= 1.0 - 1e-9
        for first, later in zip(times, times[limit:], strict=False)  # 1e-9: sums of floats
    )


def test_a_rate_limit_does_not_stop_a_round() -> None:
    """A round that is held by the limit goes on as soon as the limit allows."""
    world = Simulation({"a": 40}, good(), limits={"a": HostLimit(10)})

    done = world.run(9.0)

    assert done["a"] == 40
    assert world.started[-1][0] == pytest.approx(1_003.0, abs=0.1)


def test_throttling_stops_the_host_and_no_other() -> None:
    """After the first refusal no further call goes to that host in this round; others go on."""
    host, elsewhere = HostLimit(1_000), HostLimit(1_000)
    world = Simulation(
        {"a": 50, "b": 50, "c": 50},
        by_target(a=(0.01, Throttled("x"))),
        concurrency=6,
        limits={"a": host, "b": host, "c": elsewhere},
    )
    world.prove()

    done = world.run(9.0)

    assert done["c"] == 50
    assert done["a"] + done["b"] <= 6
    assert len(names(world.started)) <= 56


def test_the_call_rate_falls_while_throttling_lasts() -> None:
    """Scrapes every 5 s of a host that refuses everything: ever fewer calls, none in a pause."""
    host = HostLimit(1_000)
    world = Simulation({"a": 500}, by_target(a=(0.01, Throttled("x"))), limits={"a": host})
    calls = []
    for number in range(60):
        before = len(world.started)
        world.run(4.0, begin=1_000.0 + 5.0 * number)
        calls.append(len(world.started) - before)

    assert max(calls) <= 32
    assert sum(call > 0 for call in calls[-24:]) <= 2  # two minutes, with pauses of 60 s


def test_one_probe_after_a_pause_and_then_all() -> None:
    """When a pause is over one call goes to the host, whatever its targets; once answered, all."""
    host = HostLimit(1_000)
    world = Simulation({"a": 30, "b": 30}, good(0.5), limits={"a": host, "b": host})
    world.prove()
    host.ended(1_000.0, 1_000.0, Throttled("x"), lambda: 0.0)

    done = world.run(9.0, begin=1_002.0)

    times = [at for at, _ in world.started]
    assert [times.count(1_002.0), sum(at == 1_002.5 for at in times)] == [1, 32]
    assert done == {"a": 30, "b": 30}


def test_a_probe_that_is_throttled_costs_one_call() -> None:
    """As long as a host throttles, each pause is followed by a single call."""
    host = HostLimit(1_000)
    world = Simulation({"a": 500}, by_target(a=(0.01, Throttled("x"))), limits={"a": host})
    world.prove()
    world.run(4.0)
    before = len(world.started)
    for number in range(1, 60):
        world.run(4.0, begin=1_000.0 + 5.0 * number)

    assert before == 32
    assert len(world.started) - before <= 10  # pauses of 1, 2, 4, ... 60 seconds


def test_a_refused_key_costs_one_call_a_minute_for_each_target() -> None:
    """With a wrong key, five minutes of scrapes make at most one call a minute and target."""
    world = Simulation({"a": 200, "b": 200}, lambda _: (0.01, AuthRejected("x")))
    for number in range(60):
        world.run(4.0, begin=1_000.0 + 5.0 * number)

    counts = Counter(record.ref.target for _, record in world.started)
    assert counts == {"a": 5, "b": 5}
    assert world.most == 2


def test_a_query_of_an_earlier_round_is_waited_for_and_not_doubled() -> None:
    """A job whose query is still under way is due, but not queued."""
    world = Simulation({"a": 1}, good(20.0))
    world.run(5.0)

    world.run(5.0, begin=1_010.0)

    assert len(world.started) == 1
    assert world.records[0].due_in == world.round.number


def test_a_paused_target_is_due_but_not_asked() -> None:
    """Jobs of a host that is left alone are late: they are due, and nobody asks."""
    host = HostLimit(1_000)
    host.ended(1_000.0, 1_000.0, Throttled("x", retry_after=600.0), lambda: 0.0)
    world = Simulation({"a": 3}, good(), limits={"a": host})

    world.run(5.0)

    assert world.started == []
    assert all(record.due_in == world.round.number for record in world.records)


def test_when_a_round_can_be_shared() -> None:
    """A scrape of the same jobs shares a round until its deadline, and not past min_interval."""
    world = Simulation({"a": 3}, good())
    world.run(60.0)
    short = Round(9, 1_002.0, world.budgets, 4)
    short.queue(world.records, 1, 1_000.0, 5.0)

    assert world.round.covers(1, 1_004.9)
    assert not world.round.covers(1, 1_005.0)
    assert not world.round.covers(2, 1_001.0)
    assert short.covers(1, 1_001.9)
    assert not short.covers(1, 1_002.0)


def test_abandoned_rounds_ask_nothing() -> None:
    """Once a round is abandoned, nothing of it starts any more."""
    world = Simulation({"a": 3}, good())
    number = Round(1, 2_000.0, world.budgets, 4)
    number.queue(world.records, 1, 1_000.0, 5.0)

    number.abandon()

    assert not number.has_queued
    assert number.next(1_000.0, 0) is None
