"""Secrets are a type: a value that no printing, logging or pickling can show."""

import os
from dataclasses import dataclass, field
from typing import NoReturn

from exporter.errors import NoCredentials

MASK = "<secret>"


class Secret:
    """A value known from the start: from the environment or, with a warning, inline."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value. Call it only where the value leaves this process."""
        return self._value

    def seen(self) -> tuple[str, ...]:
        """Return the values that may have left this object so far, for ``redaction``."""
        return (self._value,)

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A value in a file, read again whenever the file changes (a rotated Kubernetes secret).

    One newline at the end of the file is not part of the value.

    Attributes:
        path: the file's path.
    """

    path: str
    _read: dict[str, tuple[tuple[int, int, int], Secret]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def reveal(self) -> str:
        """Return the value as the file holds it now.

        Raises:
            NoCredentials: the file is missing, unreadable, empty or not text.
        """
        try:
            stat = os.stat(self.path)  # noqa: PTH116  half the cost of Path.stat, on every call
            # Not mtime: a tool that copies a secret into place may well keep the old one's.
            mark = (stat.st_ctime_ns, stat.st_ino, stat.st_size)
            known = self._read.get("value")
            if known is not None and known[0] == mark:
                return known[1].reveal()
            with open(self.path, encoding="utf-8", newline="") as file:  # noqa: PTH123  as above
                value = file.read(_LONGEST + 1).removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise NoCredentials(f"secret file {self.path}: {why}") from None
        if not value or len(value) > _LONGEST:
            raise NoCredentials(f"secret file {self.path}: expected 1 to {_LONGEST} characters")
        if known is not None:
            self._read["before"] = known
        self._read["value"] = (mark, Secret(value))
        return value

    def seen(self) -> tuple[str, ...]:
        """Return the present value and the one before it, as far as they were read."""
        return tuple(secret.reveal() for _, secret in self._read.values())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretFile is not pickled")


class RecentSecrets:
    """The last few values of something that others renew, such as a temporary key."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: tuple[Secret, ...] = ()

    def add(self, *values: Secret) -> None:
        """Know these too, and forget the oldest."""
        self._values = (*self._values, *values)[-_RECENT:]

    def seen(self) -> tuple[str, ...]:
        """Return the values, for ``redaction``."""
        return tuple(value.reveal() for value in self._values)

    def __reduce__(self) -> NoReturn:
        raise TypeError("RecentSecrets are not pickled")


_RECENT = 16  # values: of eight keys with their tokens
_LONGEST = 16_384  # characters; the longest STS tokens seen are under 3,000

AnySecret = Secret | SecretFile
Watched = AnySecret | RecentSecrets
"""What ``redaction`` knows the values of."""
