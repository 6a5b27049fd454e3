from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import (
    AccountLacking,
    ApiFailed,
    AuthRejected,
    BadAnswer,
    BadRequest,
    ClockSkewed,
    InstanceNotReady,
    InternalError,
    NamespacePasswordRejected,
    NotFound,
    PermissionDenied,
    QueryError,
    Redirected,
    ServerFailed,
    Throttled,
    TimedOut,
)
from exporter.polling.budget import HostLimit, TargetBudget

PAUSES = st.integers(0, 1_536).map(lambda n: n / 1_024)  # seconds that floats hold exactly


def never() -> float:
    """Chance that takes nothing off a pause."""
    return 0.0


def proven_lane(limit: HostLimit | None = None) -> TargetBudget:
    """Return the budget of a target that has answered once."""
    budget = TargetBudget(limit or HostLimit(1_000))
    budget.started(0.0)
    budget.answered()
    budget.earned = 0
    return budget


def throttled(
    host: HostLimit,
    now: float,
    retry_after: float | None = None,
    chance: Callable[[], float] = never,
) -> None:
    """Let a call start and be throttled at once."""
    host.started(now)
    host.ended(now, now, Throttled("x", retry_after=retry_after), chance)


def wait(host: HostLimit, now: float) -> float:
    """Return the seconds until a call may start, where it needs no answer before."""
    seconds = host.wait(now)
    assert seconds is not None
    return seconds


@given(limit=st.integers(1, 8), wishes=st.lists(PAUSES, max_size=60))
def test_the_limit_holds_in_every_second(limit: int, wishes: list[float]) -> None:
    """However calls are wished for, no second, wherever it begins, sees more than the limit."""
    host, now, calls = HostLimit(limit), 1_000.0, list[float]()
    for pause in wishes:
        now += pause
        now += wait(host, now)
        assert host.wait(now) == 0
        host.started(now)
        calls.append(now)

    assert all(later - first >= 1 for first, later in zip(calls, calls[limit:], strict=False))


@given(limit=st.integers(1, 8), wishes=st.lists(PAUSES, max_size=60))
def test_the_limit_costs_nothing_below_it(limit: int, wishes: list[float]) -> None:
    """A call waits only when it would be one too many in the second before it."""
    host, now, calls = HostLimit(limit), 1_000.0, list[float]()
    for pause in wishes:
        now += pause
        recent = sum(1 for call in calls if now - call < 1)
        assert (wait(host, now) > 0) == (recent >= limit)
        now += wait(host, now)
        host.started(now)
        calls.append(now)


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (3, 3)])
def test_a_changed_limit_counts_the_calls_before_it(before: int, after: int) -> None:
    """After a reload the new limit holds at once, in seconds that began under the old one too."""
    host = HostLimit(before)
    for _ in range(before):
        host.started(100.0)

    host.allow(after)

    more = 0
    while host.wait(100.5) == 0:
        host.started(100.5)
        more += 1
    assert more == max(0, after - before)


def test_a_changed_limit_keeps_a_pause() -> None:
    """A reload is no way around throttling."""
    host = HostLimit(5)
    throttled(host, 100.0, 30.0)

    host.allow(50)

    assert host.wait(110.0) == 20.0


def test_pauses_double() -> None:
    """Throttled again and again, a host is left alone for 1, 2, 4, ... at most 60 seconds."""
    host, now, pauses = HostLimit(5), 100.0, []
    for _ in range(9):
        throttled(host, now)
        pauses.append(wait(host, now))
        now += pauses[-1]

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


@given(chance=st.floats(0.0, 1.0), times=st.integers(1, 12))
def test_pauses_vary(chance: float, times: int) -> None:
    """By chance a pause is up to half shorter, so that several exporters do not come as one."""
    host, now = HostLimit(5), 100.0
    for _ in range(times):
        now += wait(host, now)
        throttled(host, now, chance=lambda: chance)

    full = min(2.0 ** (times - 1), 60.0)
    assert host.wait(now) == pytest.approx(full * (1 - chance / 2))


def test_one_wave_of_refusals_is_one_throttling() -> None:
    """Calls that were under way when the pause began neither double nor prolong it."""
    host = HostLimit(50)
    for _ in range(33):
        host.started(99.0)
    for _ in range(32):
        host.ended(99.0, 100.0, Throttled("x"), never)

    assert host.wait(100.0) == 1.0
    host.ended(99.0, 101.0, Throttled("x"), never)
    assert host.wait(101.0) == 0.0
    throttled(host, 101.0)
    assert host.wait(101.0) == 2.0


@pytest.mark.parametrize("first", [None, 5.0, 20.0])
def test_the_longest_retry_after_is_respected(first: float | None) -> None:
    """No call starts before the longest time that an answer asked for, whichever brought it."""
    host = HostLimit(5)
    for _ in range(3):
        host.started(99.0)
    host.ended(99.0, 100.0, Throttled("x", retry_after=first), never)
    host.ended(99.0, 100.5, Throttled("x", retry_after=20.0), never)
    host.ended(99.0, 100.6, Throttled("x"), never)

    assert host.paused_until == 120.5


def test_a_server_that_asks_to_wait_is_left_alone() -> None:
    """A 503 with a time to wait pauses its host for so long, and does not double later pauses."""
    host = HostLimit(5)
    host.started(100.0)
    host.ended(100.0, 100.0, ServerFailed("x", retry_after=30.0), never)

    assert host.wait(100.0) == 30.0
    throttled(host, 130.0)
    assert host.wait(130.0) == 1.0


@pytest.mark.parametrize("answer", [None, NotFound("x"), AuthRejected("x"), BadAnswer("x")])
def test_one_probe_goes_out_after_a_pause(answer: QueryError | None) -> None:
    """After a pause one call goes alone; when it is answered, whatever that says, all may go."""
    host = HostLimit(50)
    throttled(host, 100.0)
    host.started(101.0)

    assert host.wait(101.0) is None
    assert host.wait(500.0) is None
    host.ended(101.0, 102.0, answer, never)
    assert host.wait(102.0) == 0.0
    host.started(102.0)
    assert host.wait(102.0) == 0.0


def test_a_probe_without_an_answer_is_followed_by_another() -> None:
    """Silence says nothing of throttling, so calls go one by one until there is an answer."""
    host = HostLimit(50)
    throttled(host, 100.0)
    host.started(101.0)
    host.ended(101.0, 106.0, TimedOut("x"), never)

    assert host.wait(106.0) == 0.0
    host.started(106.0)
    assert host.wait(106.0) is None


def test_a_refused_probe_pauses_longer() -> None:
    """A probe that is throttled begins the next pause, and after that one goes out again."""
    host = HostLimit(50)
    throttled(host, 100.0)
    throttled(host, 101.0)

    assert host.wait(101.0) == 2.0
    host.started(103.0)
    assert host.wait(103.0) is None


def test_a_late_wish_to_wait_does_not_lose_the_probe() -> None:
    """An answer from before the pause may prolong it; the probe still ends with its own answer."""
    host = HostLimit(50)
    host.started(99.0)
    throttled(host, 100.0)
    host.started(101.0)
    host.ended(99.0, 101.5, Throttled("x", retry_after=10.0), never)
    host.ended(101.0, 102.0, None, never)

    assert host.wait(102.0) == 9.5
    assert host.wait(111.5) == 0.0


def test_a_good_answer_ends_the_doubling() -> None:
    """After an answer that came when the pause was over, the next pause is short again."""
    host = HostLimit(5)
    for now in (100.0, 101.0, 103.0):
        throttled(host, now)
    host.started(107.0)
    host.ended(107.0, 107.0, None, never)

    throttled(host, 110.0)

    assert host.wait(110.0) == 1.0


@pytest.mark.parametrize("late", [100.5, 101.5])
def test_a_good_answer_from_before_the_pause_ends_nothing(late: float) -> None:
    """An answer to a call that began before the pause says nothing about the host now."""
    host = HostLimit(5)
    host.started(99.0)
    throttled(host, 100.0)
    host.ended(99.0, late, None, never)

    throttled(host, 102.0)

    assert host.wait(102.0) == 2.0


def test_a_target_may_use_its_share() -> None:
    """A target that has not answered in this round has no more calls under way than its share."""
    budget = proven_lane()
    for _ in range(3):
        assert budget.wait(1.0, 3) == 0.0
        budget.started(1.0)

    assert budget.wait(1.0, 3) is None


@pytest.mark.parametrize(
    "error", [None, NotFound("x"), ServerFailed("x"), BadAnswer("x"), Redirected("x")]
)
def test_an_answer_earns_a_call(error: QueryError | None) -> None:
    """Whatever it says, an answer shows that the host lives, and so a target may use more."""
    budget = proven_lane()
    budget.started(1.0)
    if error is None:
        budget.answered()
    else:
        budget.failed(error, 2.0)

    calls = 0
    while budget.wait(2.0, 1) == 0.0:
        budget.started(2.0)
        calls += 1
    assert calls == 2


@pytest.mark.parametrize("error", [TimedOut("x"), InternalError("x")])
def test_silence_costs_what_was_earned(error: QueryError) -> None:
    """A target that dies in the middle of a round falls back to its share."""
    budget = proven_lane()
    for _ in range(5):
        budget.started(1.0)
        budget.answered()
    budget.started(1.0)
    budget.failed(error, 2.0)

    budget.started(2.0)

    assert budget.wait(2.0, 1) is None


def test_the_first_call_goes_alone() -> None:
    """At first contact one call shows whether the key is good, and the others wait for it."""
    budget = TargetBudget(HostLimit(1_000))
    budget.started(100.0)

    assert budget.wait(100.0, 32) == 0.5
    assert budget.wait(100.25, 32) == 0.25
    budget.answered()
    assert budget.wait(100.3, 32) == 0.0


def test_a_slow_first_call_is_not_waited_for_long() -> None:
    """A target that is only slow loses half a second."""
    budget = TargetBudget(HostLimit(1_000))
    budget.started(100.0)

    assert budget.wait(100.5, 32) == 0.0


def test_a_refused_key_rests_for_a_minute() -> None:
    """After a refusal the target is closed for a minute, and what was queued there is dropped."""
    budget = TargetBudget(HostLimit(1_000))
    budget.started(100.0)
    budget.failed(AuthRejected("x"), 100.2)

    assert not budget.is_open(160.1)
    assert not budget.queue
    assert budget.is_open(160.2)


def test_after_a_refusal_calls_go_one_by_one() -> None:
    """A key that was refused is tried with one call at a time, however slow, until one is good."""
    budget = TargetBudget(HostLimit(1_000))
    budget.started(100.0)
    budget.failed(AuthRejected("x"), 100.2)

    budget.started(161.0)

    assert budget.wait(161.0, 32) is None
    assert budget.wait(200.0, 32) is None
    budget.answered()
    assert budget.wait(200.0, 32) == 0.0


@pytest.mark.parametrize(
    ("error", "is_proven"),
    [
        (PermissionDenied("x"), True),
        (NamespacePasswordRejected("x"), True),
        (InstanceNotReady("x"), True),
        (AccountLacking("x"), True),
        (NotFound("x"), True),
        (BadRequest("x"), True),
        (ApiFailed("x"), True),
        (Throttled("x"), False),
        (ServerFailed("x"), False),
        (ClockSkewed("x"), False),
        (BadAnswer("x"), False),
        (TimedOut("x"), False),
        (AuthRejected("x"), False),
    ],
)
def test_which_failures_prove_a_key(error: QueryError, *, is_proven: bool) -> None:
    """Only who has looked at the key can say no to the job; a gateway in trouble has not."""
    budget = TargetBudget(HostLimit(1_000))
    budget.started(100.0)
    budget.failed(AuthRejected("x"), 100.0)
    budget.started(161.0)
    budget.failed(error, 161.0)

    assert budget.proven is is_proven


def test_a_throttled_host_closes_all_of_its_targets() -> None:
    """The pause is the host's, so its other targets keep it too."""
    host = HostLimit(1_000)
    budget, other, elsewhere = proven_lane(host), proven_lane(host), proven_lane()
    throttled(host, 100.0, 10.0)

    assert [each.is_open(105.0) for each in (budget, other, elsewhere)] == [False, False, True]
    assert budget.is_open(110.0)
