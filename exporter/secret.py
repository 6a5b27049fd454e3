"""Secrets are a type: a value that no printing, logging or pickling can show."""

from dataclasses import dataclass, field
from typing import NoReturn

from exporter import files
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
    _read: dict[str, tuple[files.Fingerprint, Secret]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def reveal(self) -> str:
        """Return the value as the file holds it now.

        Raises:
            NoCredentials: the file is missing, unreadable, empty or not text, or does not answer.
        """
        known = self._read.get("value")
        try:
            if known is not None and known[0] == files.fingerprint(files.stat(self.path)):
                return known[1].reveal()
            status, data = files.read(self.path, _LONGEST_BYTES + 1, regular=True)
            value = _without_newline(data)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise NoCredentials(f"secret file {self.path}: {why}") from None
        if known is not None:
            self._read["before"] = known
        self._read["value"] = (files.fingerprint(status), Secret(value))
        return value

    def seen(self) -> tuple[str, ...]:
        """Return the present value and the one before it, as far as they were read."""
        return tuple(secret.reveal() for _, secret in self._read.values())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretFile is not pickled")


def _without_newline(data: bytes) -> str:
    """Return the text of a secret's file without the newline at its end.

    Raises:
        ValueError: it is empty, too long or not text; says so without a word of it.
    """
    expected = f"expected 1 to {_LONGEST} characters"
    if len(data) > _LONGEST_BYTES:
        raise ValueError(expected)
    try:
        value = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not value or len(value) > _LONGEST:
        raise ValueError(expected)
    return value


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
_LONGEST_BYTES = 4 * _LONGEST + len("\r\n")  # in UTF-8

AnySecret = Secret | SecretFile
Watched = AnySecret | RecentSecrets
"""What ``redaction`` knows the values of."""
