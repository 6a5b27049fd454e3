"""The command ``serve``: start, wait for signals, stop without losing a scrape."""

import argparse
import ctypes
import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from exporter import __version__
from exporter.cli.build import build
from exporter.cli.loading import load_both, load_config
from exporter.cli.stopping import RELOAD, Signals
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigurationError, Problem
from exporter.service import Exporter
from exporter.web.addresses import Address, explain_listen_error, format_address
from exporter.web.app import App, ScrapeTimeouts, Settings, prefix_of
from exporter.web.messages import Handler
from exporter.web.security import Guard, LiveWebConfig, Passwords, TlsEndpoint
from exporter.web.server import Server

logger = logging.getLogger(__name__)

GRACE = 10.0  # seconds that scrapes under way may take when we are told to stop
_M_ARENA_MAX = -8  # of glibc's malloc.h


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads.

    Raises:
        ConfigurationError: the configuration cannot be used, or an address not be listened on.
    """

    def load() -> Config:
        return load_config(options.config_file, environ)

    loaded, web = load_both(load, options.web_config_file)
    for warning in loaded.warnings:
        logger.warning("configuration", extra={"problem": str(warning)})
    signals = Signals()
    exporter = build(
        loaded,
        load,
        environ=environ,
        clock=Clock(),
        redactor=options.redactor,
        shard=options.shard,
    )
    servers = start_servers(exporter, options, web, lifecycle=options.lifecycle)
    wait(exporter, servers, signals)
    return 0


def start_servers(
    exporter: Exporter,
    options: argparse.Namespace,
    web: LiveWebConfig | None,
    *,
    lifecycle: bool,
) -> list[Server]:
    """Listen on every address of the flags, and tell where.

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
            route_prefix=route_prefix(options),
            external_url=options.external_url,
        ),
        lambda: ScrapeTimeouts(
            exporter.config.scrape.timeout, exporter.config.scrape.timeout_offset
        ),
    )
    addresses = options.listen_addresses or options.default_addresses
    handler, tls = _secured(app, exporter, web)
    servers = [_bind(address, handler, tls) for address in addresses]
    _share_one_heap()
    for asked, server in zip(addresses, servers, strict=True):
        server.start()
        logger.info("listening", extra={"address": format_address(server.address)})
        if asked[1] == 0:  # whoever asks for any port reads here which one it is
            _tell(f"listening on {format_address(server.address)}")
    return servers


def route_prefix(options: argparse.Namespace) -> str:
    """Return what comes before every path: as Prometheus has it, the external URL's path."""
    given: str | None = options.route_prefix
    return prefix_of(options.external_url) if given is None else given


def _tell(line: str) -> None:
    """Print a line; whoever started us may have closed standard output, or its disk is full."""
    try:
        print(line, flush=True)
    except OSError as error:
        logger.warning("standard output is of no use", extra={"error": error.strerror})
        # What is still buffered would make the interpreter end with an exit code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wait(exporter: Exporter, servers: Sequence[Server], signals: Signals) -> None:
    """Serve until told to stop; a second signal cuts what is still under way."""
    while (number := signals.next()) == RELOAD:
        try:
            exporter.reload()
        except ConfigurationError:
            continue  # it is in the log, and in a gauge
    logger.info("stopping", extra={"signal": number})
    exporter.stop()
    stopping = threading.Thread(target=_stop, args=(servers,), daemon=True)
    stopping.start()
    while stopping.is_alive() and signals.next(0.05) in (None, RELOAD):
        pass
    exporter.close()
    logger.info("stopped")


def _share_one_heap() -> None:
    """Have glibc give all threads to come one heap.

    Each scrape is written in another thread. With a heap for each, up to 8 for a processor, each
    keeps the size of a page: 85 MB instead of 60 at 10,000 jobs after twenty scrapes.
    """
    with suppress(OSError, AttributeError):  # another C library has no mallopt, or no such heaps
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _stop(servers: Sequence[Server]) -> None:
    """Stop all servers at once, so that they share the grace."""
    threads = [threading.Thread(target=s.stop, args=(GRACE,), daemon=True) for s in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


Tls = Callable[[], TlsEndpoint | None]


def _secured(app: App, exporter: Exporter, web: LiveWebConfig | None) -> tuple[Handler, Tls]:
    """Return what answers, and how TLS is spoken."""
    if web is None:
        return app, lambda: None
    web.begin(exporter.web_config_read)
    guard = Guard(app, web.current, Passwords(secrets.token_bytes(32)), app.probes)
    return guard, lambda: web.current().tls


def _bind(address: Address, handler: Handler, tls: Tls) -> Server:
    try:
        return Server(address, handler, tls=tls)
    except OSError as error:
        flag = f"--web.listen-address={format_address(address)}"
        problem = Problem(flag, 0, 0, "", explain_listen_error(address, error))
        raise ConfigurationError([problem]) from None
