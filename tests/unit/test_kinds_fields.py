"""Each field of a job is read by itself; one that cannot be read is missing, never invented."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gpdb.answers import parse
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import BEIJING, JobStatus
from tests.job_answers import MISSING, REF, RUNNING, decode


@pytest.mark.parametrize(
    "spell", [str, str.lower, str.upper, " {} ".format], ids=["plain", "lower", "upper", "padded"]
)
@pytest.mark.parametrize(
    ("text", "status", "final", "active"),
    [
        ("Success", JobStatus.SUCCESS, True, False),
        ("Failed", JobStatus.FAILED, True, False),
        ("Cancelled", JobStatus.CANCELLED, True, False),
        ("Start", JobStatus.START, False, True),
        ("Pending", JobStatus.START, False, True),  # as siblings say it
        ("Running", JobStatus.RUNNING, False, True),
        ("Cancelling", JobStatus.CANCELLING, False, True),
    ],
)
def test_status(text: str, status: JobStatus, spell: Any, *, final: bool, active: bool) -> None:
    """Each documented status is known in any case, and is either final or active."""
    state = decode(Status=spell(text))

    assert state.status is status
    assert (state.status.is_final, state.status.is_active) == (final, active)
    assert state.invalid_fields == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MISSING, ""),
        (None, ""),
        ("", ""),
        ("Queued", "Queued"),
        ("Unknown", "Unknown"),
        ("unknown", "unknown"),
        ("Successful", "Successful"),
        ("\ud800", "\ud800"),
        ("x" * 1_000_000, "x" * 2000),
        (True, "bool"),
        (3, "int"),
        (["Success"], "list"),
        ({"Status": "Success"}, "dict"),
    ],
)
def test_unknown_status(value: object, text: str) -> None:
    """Any other status is Unknown, neither final nor active, counted, and kept for the log."""
    state = decode(Status=value)

    assert state.status is JobStatus.UNKNOWN
    assert not state.status.is_final
    assert not state.status.is_active
    assert state.status_text == text
    assert state.invalid_fields == ("Status",)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (1600, 1600),
        ("1600", 1600),
        (" 1600 ", 1600),
        (1600.0, 1600),
        ("1600.0", 1600),
        (0, 0),
        (-0.0, 0),
        ("0", 0),
        ("007", 7),
        (10**15, 10**15),
        (1e15, 10**15),
    ],
)
def test_progress(value: object, count: int) -> None:
    """A count of entries is read from a number or its text, and is an int."""
    state = decode(Progress=value)

    assert (state.progress, state.invalid_fields) == (count, ())
    assert type(state.progress) is int


@pytest.mark.parametrize(
    "value",
    [
        MISSING,
        None,
        True,
        False,
        -1,
        -0.5,
        1600.5,
        10**15 + 1,
        10**4000,
        1e300,
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "12a",
        "-1",
        "+1",
        "1e3",
        "1,600",
        "1_600",
        "0x10",
        "1600.5",
        "NaN",
        "٣",
        "1" * 1000,
        "\ud800",
        [1600],
        {"n": 1600},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_no_progress(value: object) -> None:
    """What is no count of entries gives no progress, never 0, and is counted."""
    state = decode(Progress=value)

    assert (state.progress, state.invalid_fields) == (None, ("Progress",))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_lets_through(number: str) -> None:
    """A number of the answer that is none costs the progress, and not the rest of the job."""
    body = f'{{"Job": {{"Status": "Running", "Progress": {number}}}}}'.encode()

    state = KINDS[UPSERT_COLLECTION_DATA].decode(
        parse(200, {}, body, now=0.0).document, REF, BEIJING
    )

    assert (state.status, state.progress) == (JobStatus.RUNNING, None)
    assert "Progress" in state.invalid_fields


@pytest.mark.parametrize(
    ("value", "completed"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("false", False),
        ("True", True),
        ("FALSE", False),
        (" false ", False),
    ],
)
def test_completed(value: object, *, completed: bool) -> None:
    """Completed is read from a boolean or its text: "false" is not true."""
    state = decode(Completed=value)

    assert (state.completed, state.invalid_fields) == (completed, ())


@pytest.mark.parametrize("value", [MISSING, None, 0, 1, "", "yes", "0", "1", [], [True], {}])
def test_not_completed_nor_incomplete(value: object) -> None:
    """A Completed that is no boolean is missing, not false, and is counted."""
    state = decode(Completed=value)

    assert (state.completed, state.invalid_fields) == (None, ("Completed",))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MISSING, ""),
        (None, ""),
        (False, ""),
        ("", ""),
        ("  \n", ""),
        ("Failed to connect database.", "Failed to connect database."),
        ('\x1b[2J"\\\n{}\x00', '\x1b[2J"\\\n{}\x00'),
        ("é" * 1_000_000, "é" * 2000),
        ("\ud800", "\ud800"),
        ({"Code": "x"}, "dict"),
        (["x"], "list"),
        (7, "int"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_error(value: object, text: str) -> None:
    """An Error text is kept as it came, 2,000 characters of it; a missing one is no fault."""
    state = decode(Error=value)

    assert (state.error_text, state.invalid_fields) == (text, ())


@pytest.mark.parametrize(
    ("status", "completed", "error", "inconsistent"),
    [
        ("Success", True, "", False),
        ("Success", False, "", True),
        ("Success", True, "text", True),
        ("Success", MISSING, "", False),
        ("Success", MISSING, "text", True),
        ("Failed", True, "text", False),
        ("Failed", True, "", False),
        ("Failed", False, "text", True),
        ("Cancelled", True, "", False),
        ("Cancelled", False, "", True),
        ("Start", False, "", False),
        ("Start", True, "", True),
        ("Running", False, "", False),
        ("Running", False, "text", False),  # an active job may tell of a fault
        ("Running", True, "", True),
        ("Running", "true", "", True),
        ("Running", "false", "", False),
        ("Cancelling", True, "", True),
        ("Pending", True, "", True),
        ("Pending", False, "", False),
        ("Queued", True, "text", False),  # of an unknown status nothing can be said
        ("Queued", False, "", False),
    ],
)
def test_contradictions(status: str, completed: object, error: str, *, inconsistent: bool) -> None:
    """Status, Completed and Error that contradict each other are flagged, each fact as it came."""
    state = decode(Status=status, Completed=completed, Error=error)

    assert state.inconsistent is inconsistent
    assert (state.status_text, state.error_text) == (status, error)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(sorted(map(str, RUNNING.values()))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(job=st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(RUNNING.keys() - {"Id"}), JSON)))
def test_any_values(job: dict[str, object]) -> None:
    """Fields of any type and value never raise, and each field is either read or counted."""
    state = KINDS[UPSERT_COLLECTION_DATA].decode({"Job": job}, REF, BEIJING)

    facts = {
        "CreateTime": state.created,
        "UpdateTime": state.updated,
        "Completed": state.completed,
        "Progress": state.progress,
        "Status": None if state.status is JobStatus.UNKNOWN else state.status,
    }
    missing = {name for name, fact in facts.items() if fact is None}
    assert missing == set(state.invalid_fields)
    assert len(state.invalid_fields) == len(missing)
    assert max(len(state.error_text), len(state.status_text)) <= 2000
