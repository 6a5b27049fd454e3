"""The command ``serve``: start, wait for signals, stop without losing a scrape."""

import argparse
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from exporter import __version__
from exporter.cli.invocation import Surroundings
from exporter.cli.loading import doubts_about_key, load_both, load_config
from exporter.cli.printing import print_line
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigurationError, Problem
from exporter.service import Exporter
from exporter.signals import RELOAD, Signals
from exporter.web.addresses import Address, explain_listen_error, format_address
from exporter.web.app import App, Settings, prefix_of
from exporter.web.messages import Handler
from exporter.web.registration import Registration
from exporter.web.security import Guard, LiveWebConfig, Passwords, TlsEndpoint
from exporter.web.server import Server
from exporter.wiring import build

logger = logging.getLogger(__name__)

GRACE = 10.0  # seconds that scrapes under way may take once a stop was asked for


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads.

    Raises:
        ConfigurationError: the configuration cannot be used, or an address not be listened on.
    """

    def load() -> Config:
        return load_config(options.config_file, environ)

    loaded, web = load_both(load, options.web_config_file)
    for warning in (*loaded.warnings, *doubts_about_key(loaded, environ)):
        logger.warning("configuration", extra={"problem": str(warning)})
    exporter = build(
        loaded,
        load,
        environ=environ,
        clock=Clock(),
        redactor=options.redactor,
        shard=options.shard,
    )
    command = Surroundings.observe(environ).query_command(options.config_file)
    servers = start_servers(exporter, options, web, command, lifecycle=options.lifecycle)
    facts = {"version": __version__, "config_file": options.config_file}
    # How many jobs the other sources name is logged once they have been read.
    counts = {"targets": len(loaded.targets), "jobs_config": len(loaded.jobs)}
    logger.info("started", extra={**facts, **counts})
    wait(exporter, servers, options.signals)
    return 0


def start_servers(
    exporter: Exporter,
    options: argparse.Namespace,
    web: LiveWebConfig | None,
    query_command: tuple[str, ...],
    *,
    lifecycle: bool,
) -> list[Server]:
    """Listen on every address of the flags, and print where.

    Args:
        exporter: answers.
        options: the flags.
        web: TLS and users; None for neither.
        query_command: the words of ``query`` that work for this process, for the page.
        lifecycle: whether POST /-/reload is allowed.

    Raises:
        ConfigurationError: one of them cannot be listened on.
    """
    app = App(
        exporter,
        Settings(
            __version__,
            options.telemetry_path,
            lifecycle,
            options.shard,
            query_command,
            route_prefix=route_prefix(options),
            external_url=options.external_url,
        ),
        lambda: exporter.config.scrape,
        lambda text: options.redactor(text) if exporter.config.page.error_text else "",
        Registration(exporter.announcer, options.redactor, time.monotonic),
    )
    addresses = options.listen_addresses or options.default_addresses
    handler, tls = _secured(app, exporter, web)
    servers = [_bind(address, handler, app, tls) for address in addresses]
    exporter.begin()
    options.signals.take()  # from here on, scrapes may be under way
    for wanted, server in zip(addresses, servers, strict=True):
        server.start()
        logger.info("listening", extra={"address": format_address(server.address)})
        if wanted[1] == 0:  # whoever asks for any port reads here which one it is
            print_line(f"listening on {format_address(server.address)}")
    return servers


def route_prefix(options: argparse.Namespace) -> str:
    """Return what comes before every path: as Prometheus has it, the external URL's path."""
    given: str | None = options.route_prefix
    return prefix_of(options.external_url) if given is None else given


def wait(exporter: Exporter, servers: Sequence[Server], signals: Signals) -> None:
    """Serve until a signal to stop; a second one cuts what is still under way."""
    reloader = Reloader(exporter.reload)
    while (number := signals.next()) == RELOAD:
        reloader.request()
    reloader.close()
    logger.info("stopping", extra={"signal": number})
    exporter.stop()
    # All servers at once, so that they share the grace.
    stopping = [threading.Thread(target=s.stop, args=(GRACE,), daemon=True) for s in servers]
    with suppress(RuntimeError, MemoryError):  # no thread to be had: nothing is waited for
        for thread in stopping:
            thread.start()
    while any(thread.is_alive() for thread in stopping):
        if signals.next(0.05) not in (None, RELOAD):
            break
    exporter.close()
    logger.info("stopped")


class Reloader:
    """Reloads in a thread of its own, so that no reload holds up a stop, however long it takes.

    Requests that come during a reload are one: it is followed by another.

    Args:
        reload: raises ConfigurationError, which it has logged.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._lock = threading.Lock()
        self._is_wanted = False
        self._is_busy = False
        self._is_closed = False

    def close(self) -> None:
        """Begin no further reload: what a process that stops needs may be gone already."""
        with self._lock:
            self._is_closed = True

    def request(self) -> None:
        """Reload soon."""
        with self._lock:
            self._is_wanted = True
            if self._is_busy:
                return
            self._is_busy = True
        try:
            threading.Thread(target=self._work, name="reload", daemon=True).start()
        except (RuntimeError, MemoryError):
            self._is_busy = False
            logger.error("configuration not reloaded: no thread could be started")  # noqa: TRY400  no fault of ours

    def _work(self) -> None:
        while self._takes_one():
            try:
                self._reload()
            except ConfigurationError:
                continue  # it is in the log, and in a gauge
            except Exception:
                logger.exception("configuration not reloaded")

    def _takes_one(self) -> bool:
        with self._lock:
            self._is_busy = self._is_wanted and not self._is_closed
            self._is_wanted = False
            return self._is_busy


Tls = Callable[[], TlsEndpoint | None]


def _secured(app: App, exporter: Exporter, web: LiveWebConfig | None) -> tuple[Handler, Tls]:
    """Return what answers, and how TLS is spoken."""
    if web is None:
        return app, lambda: None
    web.begin(exporter.web_config_read)
    guard = Guard(
        app,
        web.current,
        Passwords(secrets.token_bytes(32)),
        app.probes,
        token_paths=app.token_paths,
    )
    return guard, lambda: web.current().tls


def _bind(address: Address, handler: Handler, app: App, tls: Tls) -> Server:
    try:
        return Server(address, handler, body_limit=app.body_limit, tls=tls)
    except OSError as error:
        flag = f"--web.listen-address={format_address(address)}"
        problem = Problem(flag, 0, 0, "", explain_listen_error(address, error))
        raise ConfigurationError([problem]) from None
