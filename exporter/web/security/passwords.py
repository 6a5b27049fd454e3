"""Checks names and passwords of HTTP basic authentication against bcrypt hashes (RFC 7617)."""

import base64
import enum
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from exporter.secret import Secret

_REMEMBERED: Final = 100  # results
_WAITING: Final = 8  # requests; each of them holds one of the server's slots meanwhile
_LONGEST: Final = 72  # bytes of a password; bcrypt looks at no more


class Verdict(enum.Enum):
    """What becomes of a request."""

    GOOD = "good"
    BAD = "bad"  # no such name and password, or none that can be read
    BUSY = "busy"  # too many passwords are being checked; try again


class Passwords:
    """Checks one password at a time, and remembers what it found.

    Whoever was let in once is not kept waiting by others who try out passwords: a good result is
    remembered, and forgotten only for another good one.

    Args:
        key: random bytes of this process. Results are kept by an HMAC with it, never by password.
        compare: returns whether a password matches a bcrypt hash; slow.
    """

    def __init__(self, key: bytes, compare: Callable[[bytes, bytes], bool] | None = None) -> None:
        self._key = key
        self._compare = compare or _bcrypt
        self._good: OrderedDict[bytes, None] = OrderedDict()  # the longest unused first
        self._bad: OrderedDict[bytes, None] = OrderedDict()  # likewise
        self._remembering = threading.Lock()  # guards both
        self._checking = threading.Lock()  # bcrypt takes a whole processor
        self._places = threading.BoundedSemaphore(_WAITING)

    def check(self, users: Mapping[bytes, Secret], authorization: str) -> Verdict:
        """Tell whether a request may pass.

        Args:
            users: bcrypt hashes by name; at least one.
            authorization: the header's value; empty for none.
        """
        given = read_authorization(authorization)
        if given is None:
            return Verdict.BAD
        name, password = given
        known = name in users
        # A name that is not there takes as long as one that is.
        hashed = users[name].reveal().encode() if known else self._stand_in(users, name)
        mark = self._mac(b"result", name, hashed, password)
        if (verdict := self._remembered(mark)) is not None:
            return verdict
        if not self._places.acquire(blocking=False):
            return Verdict.BUSY
        try:
            with self._checking:
                # Whoever waited with the same password finds what the first one found.
                verdict = self._remembered(mark)
                if verdict is None:
                    fits = self._compare(password, hashed) and known
                    verdict = Verdict.GOOD if fits else Verdict.BAD
                    self._remember(mark, verdict)
        finally:
            self._places.release()
        return verdict

    def _stand_in(self, users: Mapping[bytes, Secret], name: bytes) -> bytes:
        """Return a hash of no password, for a name always one of the same cost."""
        costs = sorted(hashed.reveal()[:7] for hashed in users.values())  # such as $2b$10$
        prefix = costs[self._mac(b"name", name)[0] % len(costs)]
        return f"{prefix}{'.' * 53}".encode()

    def _mac(self, *parts: bytes) -> bytes:
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, text, hashlib.sha256)

    def _remembered(self, mark: bytes) -> Verdict | None:
        with self._remembering:
            if mark in self._good:
                self._good.move_to_end(mark)
                return Verdict.GOOD
            return Verdict.BAD if mark in self._bad else None

    def _remember(self, mark: bytes, verdict: Verdict) -> None:
        with self._remembering:
            (self._good if verdict is Verdict.GOOD else self._bad)[mark] = None
            if len(self._good) + len(self._bad) > _REMEMBERED:
                (self._bad or self._good).popitem(last=False)


def read_authorization(header: str) -> tuple[bytes, bytes] | None:
    """Return name and password of a header's value; None where it holds none that can be right."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(token.strip(" "), validate=True)
    except ValueError:
        return None
    name, colon, password = text.partition(b":")
    # Some implementations of bcrypt end a password at a NUL, and all of them at 72 bytes.
    if not colon or len(password) > _LONGEST or b"\0" in password:
        return None
    return name, password


def _bcrypt(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415  a library less in memory where there are no users

    return bcrypt.checkpw(password, hashed)
