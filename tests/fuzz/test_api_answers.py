"""Whatever the API answers, one job pays for it. Pure: no sockets here."""

import itertools
import subprocess
from collections import Counter
from collections.abc import Callable

import pytest

from exporter.errors import QueryError
from exporter.model import Observation
from tests.fuzz.amount import attempt
from tests.fuzz.answers import ANSWERS, Answer
from tests.fuzz.by_hand import BY_HAND, Case
from tests.fuzz.pages import TEXT, Ward, decoded, rendered
from tests.processes import PATIENCE, tool

PAGE = 500  # jobs that share a page of promtool's

Record = Callable[[str, object], None]


def outcome(answer: Answer) -> str:
    """Return what becomes of an answer, as ``by_hand`` tells it."""
    try:
        state = decoded(answer.status, answer.headers, answer.body)
    except QueryError as error:
        return error.reason
    return f"{state.status} {state.progress} {','.join(state.invalid_fields)}"


@pytest.mark.parametrize("case", BY_HAND, ids=[str(n) for n in range(len(BY_HAND))])
def test_by_hand(case: Case) -> None:
    """Each of a hundred answers has the one meaning that is written beside it."""
    expected, answer = case

    assert outcome(answer) == expected


def test_a_hundred_by_hand_on_one_page() -> None:
    """A page of a hundred hostile jobs parses, and the healthy job's lines are as ever."""
    ward = Ward()

    with ward.log:
        observations = [ward.observe(answer, f"{n}") for n, (_, answer) in enumerate(BY_HAND)]

    assert len(observations) == 100
    ward.check(observations)


def test_any_answers(record_testsuite_property: Record) -> None:
    """Any answer is a state or a QueryError; the page parses, and the healthy job is as ever."""
    ward, seen = Ward(), Counter[str]()

    def check(answers: list[Answer]) -> None:
        observations = [ward.observe(answer, f"sick-{n}") for n, answer in enumerate(answers)]

        ward.check(observations)
        seen.update(told(each) for each in observations)

    with ward.log:
        attempt(check, ANSWERS, short=1_500)
    record_testsuite_property("fuzzing: answers", seen.total())
    assert {"Running", "bad_answer"} <= seen.keys()
    assert len(seen) > 5  # chance picks which
    assert "internal" not in seen


@pytest.mark.prometheus
def test_promtool(record_testsuite_property: Record) -> None:
    """A page of hundreds of hostile jobs has nothing that `promtool check metrics` minds."""
    ward = Ward()
    number = itertools.count()
    kept: list[Observation] = []

    def collect(answers: list[Answer]) -> None:
        kept.extend(ward.observe(answer, f"sick-{next(number)}") for answer in answers)

    with ward.log:
        attempt(collect, ANSWERS, short=500, part=10)
    pages = [kept[start : start + PAGE] for start in range(0, len(kept), PAGE)]
    for page in pages:
        check_with_promtool(rendered(page, TEXT, ward.instruments.registry))
    record_testsuite_property("fuzzing: jobs on promtool's pages", len(kept))


def told(observation: Observation) -> str:
    """Return the status or the reason."""
    return observation.reason or (observation.state.status if observation.state else "")


def check_with_promtool(page: str) -> None:
    """Fail where promtool finds anything to say of ours."""
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "adbpg" not in done.stderr
    assert done.returncode == 0, done.stderr
