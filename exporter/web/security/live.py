"""The web configuration in force: read again when a file changes, the last good one kept."""

import logging
import threading
from collections.abc import Iterable
from typing import Protocol

from exporter import files
from exporter.errors import ConfigurationError, Problem
from exporter.web.security.file import WebConfig, build, parse

_log = logging.getLogger(__name__)
_Fingerprint = files.Fingerprint | None
_NO_ANSWER: _Fingerprint = ()
_RESTART = "cannot be taken away while serving, since a cut-off file looks like that: restart"


class ReadObserver(Protocol):
    """Observes whether readings work."""

    def __call__(self, *, good: bool) -> None:
        """Take note."""


class LiveWebConfig:
    """A web configuration file that may change at any time.

    Args:
        path: of the file.

    Raises:
        ConfigurationError: it cannot be used to begin with.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._observer: ReadObserver = _nobody
        self._seen: dict[str, _Fingerprint] = {}
        self._problems: tuple[Problem, ...] = ()
        self._reading = threading.Lock()
        with files.patience(files.START_PATIENCE):
            self._config = self._read()

    def begin(self, observer: ReadObserver) -> None:
        """Take it into force: log what is unwise, and report each reading to the observer."""
        self._observer = observer
        observer(good=True)
        _warn(self._config)

    def current(self) -> WebConfig:
        """Return the last good configuration, after a look at the files.

        Costs one stat for each file. While one caller reads, or a file does not answer, the others
        get the previous one.
        """
        seen = self._seen
        if _fingerprints(seen) != seen and self._reading.acquire(blocking=False):
            try:
                self._read_again()
            finally:
                self._reading.release()
        return self._config

    def _read_again(self) -> None:
        try:
            config = self._read()
            self._refuse_weaker(config)
        except ConfigurationError as error:
            self._observer(good=False)
            if error.problems != self._problems:
                self._problems = error.problems
                for problem in error.problems:
                    _log.error("web configuration not reloaded", extra={"problem": str(problem)})
            return
        self._config = config
        self._problems = ()
        self._observer(good=True)
        _warn(config)
        _log.info("web configuration reloaded")

    def _read(self) -> WebConfig:
        """Read all files, and note as what they were found.

        A mark is taken before its file is read, so that a change meanwhile is seen the next time.
        """
        self._seen = own = _fingerprints([self._path])
        parsed = parse(self._path)
        self._seen = own | _fingerprints(parsed.files)
        return build(parsed)

    def _refuse_weaker(self, config: WebConfig) -> None:
        if lost := _lost(self._config, config):
            raise ConfigurationError([Problem(self._path, 0, 0, lost, _RESTART)])


def _fingerprints(paths: Iterable[str]) -> dict[str, _Fingerprint]:
    """Return by path what changes when a file is written, is replaced, or stops answering."""
    return {path: _fingerprint(path) for path in paths}


def _fingerprint(path: str) -> _Fingerprint:
    try:
        found = files.stat(path)
        if files.hangs(path):  # when it was read
            return _NO_ANSWER
    except TimeoutError:
        return _NO_ANSWER
    except (OSError, ValueError):
        return None
    return files.fingerprint(found)


def _lost(before: WebConfig, after: WebConfig) -> str:
    """Return the key of a protection that was there before and is not after; empty for none."""
    was, now = _protections(before), _protections(after)
    return next((key for key in was if was[key] and not now[key]), "")


def _protections(config: WebConfig) -> dict[str, bool]:
    """Return which protections there are, by their keys."""
    return {
        "tls_server_config": config.tls is not None,
        "basic_auth_users": bool(config.users),
        "tls_server_config.client_auth_type": config.verifies_clients,
        "tls_server_config.client_ca_file": config.has_authority,
        "tls_server_config.client_allowed_sans": bool(config.tls and config.tls.allowed_sans),
        "rate_limit": bool(config.rate_limit.interval),
    }


def _nobody(*, good: bool) -> None:
    """Take no note."""


def _warn(config: WebConfig) -> None:
    for warning in config.warnings:
        _log.warning("web configuration", extra={"problem": str(warning)})
