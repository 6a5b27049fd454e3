"""The times of a job are read in the right zone, or not at all."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from exporter.model import BEIJING
from tests.job_answers import CREATED, MISSING, RUNNING, decode


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [
        ("", 0),
        (".8", 800_000),
        (".86", 860_000),
        (".864", 864_000),
        (".8646", 864_600),
        (".86466", 864_660),
        (".864664", 864_664),
        (".000001", 1),
        (".864664999", 864_664),
    ],
)
def test_fraction(fraction: str, microseconds: int) -> None:
    """A time has a fraction of 0 to 6 digits; more than 6 are cut, since no clock here has them."""
    state = decode(CreateTime=f"2024-01-08 16:52:04{fraction}")

    moment = datetime(2024, 1, 8, 8, 52, 4, microseconds, UTC)
    assert (state.created, state.invalid_fields) == (moment.timestamp(), ())


@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        (BEIJING, datetime(2024, 7, 8, 8, 52, 4, tzinfo=UTC)),
        (UTC, datetime(2024, 7, 8, 16, 52, 4, tzinfo=UTC)),
        (timezone(timedelta(hours=-9, minutes=-30)), datetime(2024, 7, 9, 2, 22, 4, tzinfo=UTC)),
        (ZoneInfo("Asia/Shanghai"), datetime(2024, 7, 8, 8, 52, 4, tzinfo=UTC)),
        (ZoneInfo("Asia/Kolkata"), datetime(2024, 7, 8, 11, 22, 4, tzinfo=UTC)),
        (ZoneInfo("Europe/Berlin"), datetime(2024, 7, 8, 14, 52, 4, tzinfo=UTC)),  # summer time
    ],
    ids=str,
)
def test_zone(zone: tzinfo, utc: datetime) -> None:
    """A time without a zone is read in the one that is configured."""
    state = decode(zone, CreateTime="2024-07-08 16:52:04", UpdateTime="2024-07-08 16:53:04")

    assert state.created == utc.timestamp()
    assert state.updated == utc.timestamp() + 60


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/St_Johns"])
def _process_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The time zone that this process believes to be in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_process_zone")
def test_the_zone_of_the_process() -> None:
    """The time zone of this process changes no value."""
    assert decode().created == CREATED


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-08T08:52:04Z",
        "2024-01-08 08:52:04Z",
        "2024-01-08T16:52:04+08:00",
        "2024-01-08 16:52:04.000+0800",
        "2024-01-08T08:52:04-00:00",
        "2024-01-07T23:22:04-09:30",
        " 2024-01-08T08:52:04Z\n",
    ],
)
def test_a_time_that_brings_its_zone(text: str) -> None:
    """A time's own zone goes before the configured one."""
    state = decode(ZoneInfo("America/New_York"), CreateTime=text, UpdateTime=MISSING)

    assert state.created == datetime(2024, 1, 8, 8, 52, 4, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("zone", [BEIJING, UTC, ZoneInfo("America/New_York")], ids=str)
@pytest.mark.parametrize(
    "value",
    [
        MISSING,
        None,
        "",
        "0001-01-01 00:00:00",
        "0001-01-01 00:00:00.000000",
        "0000-00-00 00:00:00",
        "1970-01-01 00:00:00",
        "1999-12-31 23:59:59",
        "2024-02-30 16:52:04",
        "2023-02-29 16:52:04",
        "2024-13-01 16:52:04",
        "2024-00-01 16:52:04",
        "2024-01-08 24:00:00",
        "2024-01-08 16:60:00",
        "2024-01-08 16:52:60",
        "2024-01-08",
        "16:52:04",
        "2024-1-8 16:52:04",
        "08/01/2024 16:52:04",
        "2024-01-08 16:52:04 CST",
        "2024-01-08 16:52:04+99:00",
        "2024-01-08 16:52:04.1234567890",
        "2024-01-08 16:52:04,5",
        "\uff12\uff10\uff12\uff14-01-08 16:52:04",
        "10000-01-01 00:00:00",
        "2024-01-08 16:52:04" * 1000,
        "\ud800",
        1704703924,
        1704703924.8,
        True,
        ["2024-01-08 16:52:04"],
        {"time": "2024-01-08 16:52:04"},
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("field", ["CreateTime", "UpdateTime"])
def test_no_time(field: str, value: object, zone: tzinfo) -> None:
    """What is no time of a job gives no timestamp, is counted, and leaves the other one alone."""
    state = decode(zone, **{field: value})

    created_or_updated = {"CreateTime": state.created, "UpdateTime": state.updated}
    assert created_or_updated.pop(field) is None
    assert None not in created_or_updated.values()
    assert state.invalid_fields == (field,)


@pytest.mark.parametrize("text", ["9999-12-31 23:59:59.999999", "2000-01-01 00:00:00"])
@pytest.mark.parametrize("hours", [-23, 0, 23])
def test_the_first_and_the_last_time(text: str, hours: int) -> None:
    """The ends of the range are read in every zone."""
    zone = timezone(timedelta(hours=hours))

    state = decode(zone, CreateTime=text, UpdateTime=text)

    assert state.created is not None
    assert state.updated == state.created


def test_updated_before_created() -> None:
    """An UpdateTime before its CreateTime is no update: it is dropped and counted."""
    state = decode(UpdateTime="2024-01-08 16:52:04.864663")

    assert (state.created, state.updated) == (CREATED, None)
    assert state.invalid_fields == ("UpdateTime",)


def test_updated_when_created() -> None:
    """A job that was never updated has the same two times."""
    state = decode(UpdateTime=RUNNING["CreateTime"])

    assert (state.created, state.updated, state.invalid_fields) == (CREATED, CREATED, ())
