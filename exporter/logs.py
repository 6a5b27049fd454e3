"""Logging: one line an event, in logfmt or JSON, on standard error.

The message is a fixed text; what varies is in fields (``extra``), where it is escaped and cut.
"""

import json
import logging
import math
import sys
from datetime import UTC, datetime
from typing import Literal

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LogFormat = Literal["logfmt", "json"]

_LONGEST_VALUE = 400  # characters of one field
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Their lines at debug hold URLs and headers of requests, tokens among them.
_LIBRARIES = ("urllib3", "requests")


class LineFormatter(logging.Formatter):
    """Writes a record as one line.

    Args:
        style: ``logfmt`` for people, ``json`` for machines.
    """

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._write = json.dumps if style == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, object] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower().replace("warning", "warn"),
            "msg": _shortened(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                fields[name] = _shortened(value)
        if record.exc_info and record.exc_info[1] is not None:
            # One line an event: the place of a fault, not its traceback or its text.
            fields["exception"] = type(record.exc_info[1]).__name__
        return self._write(fields)


def set_up(level: str, style: LogFormat) -> None:
    """Send this process's log to standard error.

    Args:
        level: a key of ``LEVELS``.
        style: of the lines.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(style))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(LEVELS[level], logging.WARNING))


def _shortened(value: object) -> object:
    if isinstance(value, int | None) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _logfmt(fields: dict[str, object]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    plain = text and all(c.isprintable() and c not in ' "=\\' for c in text)
    # JSON's escapes keep a line break or a terminal code of hostile text from being one.
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
