import pytest

from exporter.polling.pace import Pace

Answers = list[tuple[float, int]]


def pace(answers: Answers) -> Pace:
    """Return the pace after answers: monotonic seconds, and the progress."""
    made = Pace()
    for now, progress in answers:
        made.observe(progress, now)
    return made


@pytest.mark.parametrize(
    ("answers", "rate"),
    [
        ([], None),
        ([(100, 5)], None),
        ([(100, 0), (129, 290)], None),
        ([(100, 0), (130, 300)], 10.0),
        ([(100, 5), (130, 5)], 0.0),
        ([(100, 500), (130, 800), (160, 10)], None),
        ([(100, 500), (130, 800), (160, 10), (190, 40)], 1.0),
        ([(100, 0), (1300, 1200)], 1.0),
    ],
    ids=[
        "nothing",
        "one answer",
        "too short",
        "half a minute",
        "stands still",
        "fallen",
        "after a fall",
        "after a silence",
    ],
)
def test_a_rate_is_known_once_enough_was_observed(answers: Answers, rate: float | None) -> None:
    """A rate is over what was observed, and what is not known is not invented."""
    assert pace(answers).per_second == rate


def test_batches_do_not_make_it_jump() -> None:
    """An API that counts 10,000 entries once in 40 s has 250 a second, whenever one looks."""
    made, rates = Pace(), []

    for now in range(0, 1200, 5):
        made.observe(now // 40 * 10_000, float(now))
        rates.append(made.per_second)

    later = [rate for rate in rates[60:] if rate is not None]
    assert len(later) == len(rates[60:])
    assert max(later) - min(later) < 50


def test_a_job_that_stops_is_at_zero_soon() -> None:
    """Six minutes after the last entry nothing of the earlier speed is left."""
    made = pace([(now, now * 100) for now in range(0, 600, 5)])

    for now in range(600, 965, 5):
        made.observe(59_500, float(now))

    assert made.per_second == 0.0


def test_how_often_one_asks_makes_no_difference() -> None:
    """A second Prometheus doubles the answers, and neither the rate nor what is kept of them."""
    slow = pace([(now, now * 7) for now in range(0, 3600, 30)])
    fast = pace([(now, now * 7) for now in range(0, 3600, 1)])

    assert slow.per_second == fast.per_second == 7.0
    assert len(fast._marks) <= 7
