"""Makes every object of the running exporter, in reading order. Nobody else does."""

from collections.abc import Callable, Mapping

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config, CredentialsSettings
from exporter.gpdb.client import ApiClient
from exporter.gpdb.credentials import Credentials, EnvironmentCredentials, FileCredentials
from exporter.instruments import Instruments
from exporter.poller import Plan, Poller
from exporter.poller.record import DeadlineRule
from exporter.secret import SecretFile
from exporter.service import Exporter, Loaded
from exporter.sources import Sources


def build(
    config: Config,
    load: Callable[[], Config],
    *,
    environ: Mapping[str, str],
    clock: Clock,
) -> Exporter:
    """Return the exporter of a configuration, ready to be scraped.

    Args:
        config: to start with.
        load: reads the configuration again; raises ConfigurationError.
        environ: where access keys may be.
        clock: what time it is.
    """

    def assemble(config: Config, previous: Sources | None) -> Loaded:
        sources = Sources(config, previous)
        return Loaded(config, sources, _plan(config, sources, environ, clock))

    instruments = Instruments(__version__)
    loaded = assemble(config, None)
    poller = Poller(loaded.plan, tally=instruments, clock=clock)
    return Exporter(
        loaded,
        lambda old: assemble(load(), old.sources),
        poller=poller,
        instruments=instruments,
        clock=clock,
    )


def build_client(config: Config, *, environ: Mapping[str, str], clock: Clock) -> ApiClient:
    """Return the client of a configuration."""
    return ApiClient(
        config.api,
        _credentials(config.credentials, environ),
        connections=config.scrape.concurrency,
        clock=clock,
    )


def _plan(config: Config, sources: Sources, environ: Mapping[str, str], clock: Clock) -> Plan:
    return Plan(
        scrape=config.scrape,
        deadline=DeadlineRule(config.deadline.entries_per_second, config.deadline.grace),
        calls_per_second=config.api.calls_per_second,
        watched=sources.current,
        client=build_client(config, environ=environ, clock=clock),
    )


def _credentials(settings: CredentialsSettings, environ: Mapping[str, str]) -> Credentials:
    if settings.provider == "environment":
        return EnvironmentCredentials(environ)
    token = settings.security_token_file
    return FileCredentials(
        SecretFile(settings.access_key_id_file),
        SecretFile(settings.access_key_secret_file),
        SecretFile(token) if token else None,
    )
