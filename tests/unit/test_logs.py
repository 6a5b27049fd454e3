import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter import logs
from exporter.logs import LineFormatter, LogFormat

FIELD = r'([a-z]+)=(?:"(?:[^"\\]|\\.)*"|[^ "=\\]+)'  # of logfmt
STYLES: tuple[LogFormat, ...] = ("logfmt", "json")
HOSTILE = [
    "two\nlines",
    "a\r\nb",
    "\x1b[2J\x1b[31mred\x1b[0m\x07",
    "\x9b31m is a terminal code of one character",
    "\x7f\x7f\x7f",
    'quote " and \\ backslash',
    'level=error msg="forged"',
    "line\u2028separator and \u2029 paragraph",
    "\u202egnihtyna",
    "\ud800 lone surrogate",
    "\x00 NUL",
    "",
    " ",
    "日本語 and 中文",
    "x" * 1_000_000,
    "\n" * 1_000_000,
]


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """``set_up`` changes the process's loggers; here they are put back."""
    changed = [logging.getLogger(name) for name in (None, "urllib3", "requests")]
    before = [(logger.handlers[:], logger.level) for logger in changed]
    yield
    for logger, (handlers, level) in zip(changed, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)


def line(style: LogFormat, message: str = "something happened", **fields: object) -> str:
    """Return the line of an event at a fixed moment."""
    record = logging.LogRecord("exporter.x", logging.INFO, __file__, 1, message, (), None)
    record.created = 1_704_703_924.864664
    vars(record).update(fields)
    return LineFormatter(style).format(record)


def test_logfmt_line() -> None:
    """A line has its time in UTC, its level, the message, and then the fields in their order."""
    text = line("logfmt", job_id="231460f8", target="rag prod", progress=1600, ok=True, x=None)

    assert text == (
        'ts=2024-01-08T08:52:04.864Z level=info msg="something happened" job_id=231460f8 '
        'target="rag prod" progress=1600 ok=true x=null'
    )


def test_json_line() -> None:
    """In JSON the same fields keep their types."""
    text = line("json", job_id="231460f8", progress=1600, ok=True, x=None)

    assert json.loads(text) == {
        "ts": "2024-01-08T08:52:04.864Z",
        "level": "info",
        "msg": "something happened",
        "job_id": "231460f8",
        "progress": 1600,
        "ok": True,
        "x": None,
    }


def test_printable_text_of_any_script_stays_readable() -> None:
    """Logfmt does not escape what a terminal can show."""
    assert "collection=文档" in line("logfmt", collection="文档")
    assert 'collection="文 档"' in line("logfmt", collection="文 档")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("value", HOSTILE, ids=[ascii(text[:20]) for text in HOSTILE])
@pytest.mark.parametrize("where", ["field", "object", "message"])
def test_one_line_an_event_whatever_it_holds(style: LogFormat, value: str, where: str) -> None:
    """Hostile text is escaped and cut: one printable line of bounded length, in UTF-8."""
    if where == "message":
        text = line(style, value)
    else:
        text = line(style, error=value if where == "field" else [value])

    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text.encode()) < 6_000


@given(value=st.text(st.characters(exclude_categories=()), max_size=60))
def test_json_tells_the_value_as_it_was(value: str) -> None:
    """What JSON escapes, a reader gets back."""
    text = line("json", error=value)

    assert json.loads(text)["error"] == value


@given(value=st.text(st.characters(exclude_categories=()), max_size=60))
@example(value="a=b")
@example(value="a\\b")
@example(value='a"b')
def test_logfmt_fields_cannot_be_forged(value: str) -> None:
    """A value holds no further field, wherever its quotes, blanks and equal signs are."""
    text = line("logfmt", error=value, last="field")

    assert re.fullmatch(f"{FIELD}( {FIELD})*", text)
    assert re.findall(FIELD, text) == ["ts", "level", "msg", "error", "last"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_text(value: float) -> None:
    """A number that JSON cannot hold does not break the line."""
    text = line("json", number=value)

    assert isinstance(json.loads(text, parse_constant=pytest.fail)["number"], str)


@pytest.mark.parametrize("style", STYLES)
def test_the_text_of_an_exception_is_not_logged(style: LogFormat) -> None:
    """Of an exception the line tells the type only: its text may hold a password."""
    record = logging.LogRecord("exporter.x", logging.ERROR, __file__, 1, "broken", (), None)
    record.exc_info = RuntimeError, RuntimeError("password=hunter2"), None

    text = LineFormatter(style).format(record)

    assert "RuntimeError" in text
    assert "hunter2" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("warning", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(capsys: pytest.CaptureFixture[str], level: str, shown: list[str]) -> None:
    """A level shows itself and what is worse, on standard error."""
    logs.set_up(level, "json")

    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("exporter.x").log(number, "something happened")

    assert [json.loads(text)["level"] for text in capsys.readouterr().err.splitlines()] == shown


@pytest.mark.parametrize("level", logs.LEVELS)
@pytest.mark.parametrize("name", ["urllib3", "urllib3.connectionpool", "requests"])
def test_libraries_never_speak_below_warning(
    capsys: pytest.CaptureFixture[str], level: str, name: str
) -> None:
    """The libraries' own debug lines hold headers, so no level shows them."""
    logs.set_up(level, "logfmt")

    logging.getLogger(name).debug("Authorization: ACS3-HMAC-SHA256 Credential=x")
    logging.getLogger(name).info("Authorization: ACS3-HMAC-SHA256 Credential=x")

    assert capsys.readouterr().err == ""


def test_setting_up_again_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The log is not doubled by a second set-up."""
    logs.set_up("info", "logfmt")
    logs.set_up("info", "json")

    logging.getLogger("exporter.x").info("something happened")

    assert len(capsys.readouterr().err.splitlines()) == 1
