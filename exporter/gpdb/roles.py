"""Temporary keys of a RAM role: one at a time is asked for, in time, by a thread of its own."""

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter import files
from exporter.backoff import Backoff
from exporter.clock import Clock
from exporter.errors import NoCredentials
from exporter.gpdb.credentials import AccessKey, Credentials
from exporter.secret import RecentSecrets, Secret, Watched

logger = logging.getLogger(__name__)

_OF_ITS_LIFE = 2 / 3  # after so much of it a key is renewed
_SOONEST = 60.0  # seconds after which it is renewed at the earliest, unless it ends before
_LATEST = 3600.0  # seconds after which it is renewed, however long it would be good
_UNKNOWN = 600.0  # seconds after which one is renewed that does not say when it ends
_FAILED = Backoff(first=5.0, longest=60.0)  # until the next attempt to get a key
_LAST_RESORT = 30.0  # seconds over its time after which the process that asks ends by itself
_FILES = {
    "oidc_token_file": "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
    "profile_file": "ALIBABA_CLOUD_CREDENTIALS_FILE",
}
"""What the process reads: our keys, and the variables that stand in for them."""
_RENEWAL_PAUSE = 60.0  # seconds between two keys that are asked for because the API refused one


@dataclass(frozen=True, slots=True)
class RoleKey:
    """A key as it came.

    Attributes:
        key: to sign with.
        ends: Unix seconds; None where that is not known.
    """

    key: AccessKey
    ends: float | None


def ask_for_key(
    settings: Mapping[str, str | Secret], environ: Mapping[str, str], timeout: float
) -> RoleKey:
    """Return a key that ``role_key`` got, in a process that is killed when its time is up.

    Args:
        settings: see ``role_key``.
        environ: what the vendor's package may look at.
        timeout: seconds for the whole.

    Raises:
        NoCredentials: there is none; the text holds no secret.
    """
    plain = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in settings.items()
    }
    _check_that_files_answer(plain, environ)
    times = {"timeout": str(timeout), "lifetime": str(timeout + _LAST_RESORT)}
    request = json.dumps({**plain, **times})
    # The same modules as in this process, whatever lies in the working directory.
    environ = {**environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if sys.pycache_prefix:  # compiling the vendor's package anew takes a second
        environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    command = [sys.executable, "-P", "-m", "exporter.gpdb.role_key"]
    try:
        child = subprocess.Popen(  # noqa: S603  our own program, nothing from outside
            command,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the package's loggers write there
            text=True,
            start_new_session=True,
        )
    except (OSError, MemoryError):
        raise NoCredentials("no process could be started to ask for a role's key") from None
    with child:
        try:
            output, _ = child.communicate(request, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise NoCredentials(_no_answer(timeout)) from None
    return _read(output)


def _check_that_files_answer(settings: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Look at the files that the process will read: it could only hang, and not say why.

    Raises:
        NoCredentials: one of them does not answer.
    """
    for key, variable in _FILES.items():
        path = settings.get(key) or environ.get(variable)
        try:
            if path:
                files.read(path, 1, regular=True)
        except TimeoutError as error:
            raise NoCredentials(f"file {path}: {error.strerror}") from None
        except (OSError, ValueError):
            continue  # the process says so


def _no_answer(timeout: float) -> str:
    return f"the service that gives the role's key did not answer within {timeout:g} s"


def _read(output: str) -> RoleKey:
    try:
        answer = json.loads(output)
    except ValueError:
        raise NoCredentials("the process that asks for a role's key failed") from None
    if "error" in answer:
        raise NoCredentials(answer["error"])
    token = Secret(answer["token"]) if answer["token"] else None
    return RoleKey(AccessKey(answer["id"], Secret(answer["secret"]), token), answer["ends"])


class RoleCredentials(Credentials):
    """The key of a role, renewed before it ends.

    Nothing is asked for unless the key is used: a use finds what there is, and has a new key
    asked for when that is due. All callers together have one request under way at most.

    Args:
        fetch: gets a key; raises NoCredentials. Takes seconds, and may be called in any thread.
        clock: what time it is.
    """

    def __init__(self, fetch: Callable[[], RoleKey], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._changed = threading.Condition()
        self._secrets = RecentSecrets()
        self._key: AccessKey | None = None
        self._refused: AccessKey | None = None  # by the API
        self._ends = -math.inf  # monotonic seconds, as are the others
        self._due = -math.inf
        self._renewed = -math.inf
        self._offset: float | None = None  # of the clock by which _ends was reckoned
        self._is_fetching = False
        self._failures = 0
        self._why = ""  # of the last failure; empty after a success

    def prefetch(self) -> None:
        """Have the first key asked for, so that it is there when it is needed."""
        with self._changed:
            self._ask_if_due()

    def current(self) -> AccessKey:
        """See ``Credentials``."""
        with self._changed:
            self._ask_if_due()
            return self._usable()

    def awaited(self, seconds: float, /) -> AccessKey:
        """See ``Credentials``."""
        with self._changed:
            self._ask_if_due()
            self._changed.wait_for(lambda: self._is_hopeful or not self._is_fetching, seconds)
            return self._usable()

    def renewed(self, refused: AccessKey, seconds: float, /) -> AccessKey | None:
        """See ``Credentials``. Whoever comes first has it asked for; the others wait for that."""
        with self._changed:
            if self._key == refused and not self._is_fetching:
                now = self._clock.monotonic()
                if now < self._renewed + _RENEWAL_PAUSE:
                    return None
                self._renewed, self._refused = now, refused
                self._begin()
            self._changed.wait_for(lambda: self._key != refused or not self._is_fetching, seconds)
            return self._key if self._is_good and self._key != refused else None

    def secrets(self) -> tuple[Watched, ...]:
        """See ``Credentials``."""
        return (self._secrets,)

    @property
    def _is_good(self) -> bool:
        return self._key is not None and self._clock.monotonic() < self._ends

    @property
    def _is_hopeful(self) -> bool:
        return self._is_good and self._key != self._refused

    def _usable(self) -> AccessKey:
        if self._key is None or not self._is_good:
            raise NoCredentials(self._why or "the role's key was asked for, and is not there yet")
        return self._key

    def _ask_if_due(self) -> None:
        if self._is_fetching:
            return
        # Where the wall clock was stepped, the key may end sooner or later than was reckoned.
        if self._clock.monotonic() >= self._due or self._clock.offset() != self._offset:
            self._begin()

    def _begin(self) -> None:
        self._is_fetching = True
        self._offset = self._clock.offset()
        try:
            threading.Thread(target=self._work, name="role key", daemon=True).start()
        except (RuntimeError, MemoryError):
            self._is_fetching = False
            self._fail("no thread could be started to ask for a role's key")

    def _work(self) -> None:
        outcome: RoleKey | str
        try:
            outcome = self._fetch()
        except NoCredentials as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001  who waits would wait for ever
            outcome = f"unexpected {type(error).__name__} while a role's key was asked for"
        with self._changed:
            self._is_fetching = False
            if isinstance(outcome, RoleKey):
                self._take(outcome)
            else:
                self._fail(outcome)
            self._changed.notify_all()

    def _take(self, found: RoleKey) -> None:
        key, now = found.key, self._clock.monotonic()
        self._secrets.add(key.secret, *filter(None, [key.security_token]))
        left = math.inf if found.ends is None else found.ends - self._clock.wall()
        if left <= 0:
            self._fail("the role's key that came has already ended: check this machine's clock")
            return
        if self._key is None or self._why:
            seconds = None if found.ends is None else round(left)
            logger.info("role key received", extra={"seconds_left": seconds})
        life = _UNKNOWN if found.ends is None else max(left * _OF_ITS_LIFE, _SOONEST)
        self._key, self._ends, self._due = key, now + left, now + min(life, left, _LATEST)
        self._failures, self._why = 0, ""

    def _fail(self, why: str) -> None:
        # Once for each new reason: it is asked for again and again while the reason lasts.
        level = logging.DEBUG if why == self._why else logging.WARNING
        logger.log(level, "no new role key", extra={"error": why, "old_key_is_good": self._is_good})
        self._why = why
        self._due = self._clock.monotonic() + _FAILED.pause(self._failures)
        self._failures += 1
