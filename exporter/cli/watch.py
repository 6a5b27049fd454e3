"""The command ``watch``: jobs in a terminal, from an exporter's page or from a configuration."""

import argparse
import base64
import logging
import os
import re
import select
import sys
import termios
import threading
import time
import tty
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from exporter.cli.loading import load_config
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigurationError, Problem
from exporter.overview import Line, Overview
from exporter.wiring import build

try:
    from exporter.cli.screen import Screen
except ModuleNotFoundError as error:
    if not (error.name or "rich").startswith("rich"):
        raise
    _HAS_RICH = False
else:
    _HAS_RICH = True

_INTERVAL = 5.0  # seconds between two pages
_TIMEOUT = 10.0  # seconds for a page
_LARGEST_PAGE = 256 << 20  # bytes
_TICK = 0.2  # seconds until a signal, or a new size of the terminal, is noticed
_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|.", re.DOTALL)  # several may come at once
_QUIT = {"q", "Q"}
_STEPS = {"j": 1, "k": -1, "\x1b[B": 1, "\x1b[A": -1, " ": 10, "\x1b[6~": 10, "\x1b[5~": -10}

Fetch = Callable[[], str]


class _Unreadable(Exception):
    """No page came. The text says why."""


def watch(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show the jobs until somebody quits; once, where standard output is no terminal.

    Raises:
        ConfigurationError: the library is missing, or there is nothing to watch.
    """
    if bool(options.user) != bool(options.password_file) or (options.user and not options.url):
        print(
            "adbpg-job-exporter watch: --user, --password-file and --url go together",
            file=sys.stderr,
        )
        return 2
    if not _HAS_RICH:
        message = "needs the extra `terminal`: pip install 'adbpg-job-exporter[terminal]'"
        raise ConfigurationError([Problem("watch", 0, 0, "", message)])
    with _source(options, environ) as fetch:
        overview = Overview()
        if not sys.stdout.isatty():
            try:
                Screen().print(_read(overview, fetch))
            except _Unreadable as error:
                raise ConfigurationError([Problem("watch", 0, 0, "", str(error))]) from None
            return 0
        options.signals.take()  # the terminal is to be given back as it was
        _follow(overview, fetch, options.signals.next)
    return 0


@contextmanager
def _source(options: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Fetch]:
    """Yield what fetches a page: from the URL or, without one, from an exporter in this process."""
    if options.url:
        yield lambda: _fetched(options)
        return

    logging.getLogger("exporter").setLevel(logging.CRITICAL)  # the screen says what is wrong

    def load() -> Config:
        loaded = load_config(options.config_file, environ)
        # The store is that of the exporter, which may be running beside this.
        return replace(
            loaded, registry=loaded.registry.model_copy(update={"store": "memory"}), tokens=()
        )

    exporter = build(
        load(),
        load,
        environ=environ,
        clock=Clock(),
        redactor=options.redactor,
    )
    exporter.begin()
    try:
        yield lambda: str(exporter.scrape("", (), _TIMEOUT)[1], "utf-8")
    finally:
        exporter.stop()
        exporter.close()


def _fetched(options: argparse.Namespace) -> str:
    """Return the page of an exporter.

    Raises:
        _Unreadable: there is none.
    """
    headers = {}
    if options.user:
        try:
            password = Path(options.password_file).read_text("utf-8").strip()
        except (OSError, ValueError):
            raise _Unreadable(f"{options.password_file} cannot be read") from None
        pair = base64.b64encode(f"{options.user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    try:
        request = urllib.request.Request(options.url, headers=headers)  # noqa: S310  checked by the flag
        # No proxy of the environment either: that is for other hosts.
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_TIMEOUT) as answer:
            page: bytes = answer.read(_LARGEST_PAGE)
    except urllib.error.HTTPError as error:
        with error:
            raise _Unreadable(f"{options.url} answered {error.code}") from None
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        raise _Unreadable(f"{options.url} cannot be read: {why}") from None
    return page.decode("utf-8", "replace")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the password is for this host."""

    def redirect_request(self, *_: object) -> None:
        """Leave the answer as it is."""


def _read(overview: Overview, fetch: Fetch) -> tuple[Line, ...]:
    try:
        return overview.read(fetch(), time.time())
    except (ValueError, KeyError):
        raise _Unreadable("what answers is no metrics page of this exporter") from None


def _follow(overview: Overview, fetch: Fetch, next_signal: Callable[[float], int | None]) -> None:
    """Show one page after the other, and scroll, until a key or a signal ends it.

    A thread fetches the pages: one that is slow holds up no key.
    """
    stopping = threading.Event()
    with _keys() as keys, closing(Screen()) as screen:
        screen.open()

        def work() -> None:
            while not stopping.is_set():
                try:
                    screen.lines, screen.notice = _read(overview, fetch), ""
                except _Unreadable as error:
                    screen.notice = str(error)
                stopping.wait(_INTERVAL)

        threading.Thread(target=work, name="pages", daemon=True).start()
        while next_signal(0) is None:
            screen.draw()
            for key in _KEY.findall(keys(_TICK)):
                if key in _QUIT:
                    stopping.set()
                    return
                screen.scroll(_STEPS.get(key, 0))
        stopping.set()


def _no_key(seconds: float) -> str:
    """Wait, where there is no keyboard."""
    time.sleep(seconds)
    return ""


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield what waits so many seconds for a key; it is read at once, without a line's end."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield _no_key
        return
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def key(seconds: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 64).decode("ascii", "replace") if ready else ""

    try:
        yield key
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
