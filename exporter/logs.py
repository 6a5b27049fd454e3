"""Logging: one line an event, in logfmt or JSON, on standard error.

The message is a fixed text; what varies is in fields (``extra``), where it is escaped and cut.
"""

import json
import logging
import math
import os
import select
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LogFormat = Literal["logfmt", "json"]
Redact = Callable[[str], str]

_LONGEST_VALUE = 400  # characters of one field
_LONGEST_ERROR = 200  # characters of the field ``error``: others choose what is in it
_MOST_LINES = 100  # with one message, in a minute
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Their lines at debug hold URLs and headers of requests, tokens among them.
_LIBRARIES = ("urllib3", "requests")


class LineFormatter(logging.Formatter):
    """Writes a record as one line.

    Args:
        style: ``logfmt`` for people, ``json`` for machines.
        redact: takes known secrets out of a text.
    """

    def __init__(self, style: LogFormat, redact: Redact = str) -> None:
        super().__init__()
        self._redact = redact
        self._write = json.dumps if style == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, object] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower().replace("warning", "warn"),
            "msg": self._shown(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                longest = _LONGEST_ERROR if name == "error" else _LONGEST_VALUE
                fields[name] = self._shown(value, longest)
        if record.exc_info and record.exc_info[1] is not None:
            # One line an event: the place of a fault, not its traceback or its text.
            fields["exception"] = type(record.exc_info[1]).__name__
            fields["place"] = place(record.exc_info[1])
        return self._write(fields)

    def _shown(self, value: object, longest: int = _LONGEST_VALUE) -> object:
        if isinstance(value, int | None) or (isinstance(value, float) and math.isfinite(value)):
            return value
        text = self._redact(str(value))  # before it is cut: half a secret is not found
        return text if len(text) <= longest else text[: longest - 1] + "…"


def place(error: BaseException) -> str:
    """Return file and line where an exception was raised; empty if it never was."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


class Outlet(logging.Handler):
    """Writes lines to where perhaps nobody reads them: a pipe that is full, a disk that is.

    A line that would have to wait is dropped, so that no scrape waits for a reader of the log.
    Before the next line that is written, it writes how many were dropped.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._dropped = 0
        self._is_cut = False  # the last line has no end

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line, or count it as dropped."""
        if self._dropped:
            facts = {"msg": "log lines were dropped", "levelname": "WARNING"}
            notice = logging.makeLogRecord({**facts, "dropped": self._dropped})
            if self._write(self.format(notice)):
                self._dropped = 0
        if self._dropped or not self._write(self.format(record)):
            self._dropped += 1

    def _write(self, line: str) -> bool:
        left = f"{line}\n".encode("utf-8", "backslashreplace")
        if self._is_cut:
            left = b"\n" + left
        while left and self._poll.poll(0):
            try:
                # So much a pipe that has room at all takes without making us wait.
                written = os.write(self._descriptor, left[: select.PIPE_BUF])
            except OSError:
                break
            self._is_cut = True
            left = left[written:]
        self._is_cut = self._is_cut and bool(left)
        return not left


def _notice(**fields: object) -> logging.LogRecord:
    level = {"levelno": logging.WARNING, "levelname": "WARNING"}
    return logging.makeLogRecord({"msg": "log lines were left out", **level, **fields})


class RateLimit(logging.Filter):
    """Lets so many lines with one message through in a minute, then logs how many it left out.

    The fields of a line may come from the API, which can say something new about thousands of
    jobs in every scrape. Lines at debug are not limited: whoever asks for them wants them all.

    Args:
        report: takes a record that says how many lines were left out, once the minute is over and
            there is a line again, whatever its message.
        clock: gives monotonic seconds.
    """

    def __init__(
        self,
        report: Callable[[logging.LogRecord], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: Counter[str] = Counter()
        self._ends = clock() + 60.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record may be written."""
        if record.levelno <= logging.DEBUG:
            return True
        now, before = self._clock(), Counter[str]()
        with self._lock:
            if now >= self._ends:
                before, self._lines = self._lines, Counter()
                self._ends = now + 60.0
            self._lines[str(record.msg)] += 1
            passes = self._lines[str(record.msg)] <= _MOST_LINES
        for message, lines in before.items():
            if lines > _MOST_LINES:
                self._report(_notice(about=message, left_out=lines - _MOST_LINES))
        return passes


def set_up(level: str, style: LogFormat, redact: Redact = str) -> None:
    """Send this process's log to standard error; faults that nobody caught, too.

    Args:
        level: a key of ``LEVELS``.
        style: of the lines.
        redact: takes known secrets out of a text.
    """
    handler = _handler()
    handler.setFormatter(LineFormatter(style, redact))
    handler.addFilter(RateLimit(handler.handle))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(LEVELS[level], logging.WARNING))
    sys.excepthook = lambda _kind, error, _traceback: _log_uncaught(error)
    threading.excepthook = lambda uncaught: _log_uncaught(uncaught.exc_value)


def _handler() -> logging.Handler:
    try:
        return Outlet(sys.stderr.fileno())
    except (AttributeError, OSError):  # it was closed, or is no file
        return logging.StreamHandler(sys.stderr)


def _log_uncaught(error: BaseException | None) -> None:
    """Python's own way prints a traceback with the error's text, whatever is in it."""
    if error is not None and not isinstance(error, SystemExit | KeyboardInterrupt):
        logging.getLogger(__name__).critical("unexpected error", exc_info=error)


def _logfmt(fields: dict[str, object]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    plain = text and all(c.isprintable() and c not in ' "=\\' for c in text)
    # JSON's escapes keep a line break or a terminal code of hostile text from being one.
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
