"""Logging: one line an event, in logfmt or JSON, on standard error.

The message is a fixed text; what varies is in fields (``extra``), where it is escaped and cut.
"""

import json
import logging
import math
import sys
import threading
import traceback
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


def set_up(level: str, style: LogFormat, redact: Redact = str) -> None:
    """Send this process's log to standard error; faults that nobody caught, too.

    Args:
        level: a key of ``LEVELS``.
        style: of the lines.
        redact: takes known secrets out of a text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(style, redact))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(LEVELS[level], logging.WARNING))
    sys.excepthook = lambda _kind, error, _traceback: _log_uncaught(error)
    threading.excepthook = lambda uncaught: _log_uncaught(uncaught.exc_value)


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
