"""Makes every object of the running exporter, in reading order. Nobody else does."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config, CredentialsSettings
from exporter.gpdb.client import ApiClient
from exporter.gpdb.credentials import Credentials, EnvironmentCredentials, FileCredentials
from exporter.instruments import Instruments
from exporter.poller import Plan, Poller
from exporter.poller.query import Client
from exporter.poller.record import DeadlineRule
from exporter.redaction import Redactor
from exporter.secret import Secret, SecretFile
from exporter.service import Exporter, Loaded
from exporter.sources import Sources


def build(
    config: Config,
    load: Callable[[], Config],
    *,
    environ: Mapping[str, str],
    clock: Clock,
    redactor: Redactor,
) -> Exporter:
    """Return the exporter of a configuration, ready to be scraped.

    Args:
        config: to start with.
        load: reads the configuration again; raises ConfigurationError.
        environ: where access keys may be.
        clock: what time it is.
        redactor: is told of every secret.
    """

    def assemble(config: Config, previous: Loaded | None) -> Loaded:
        sources = Sources(config, previous.sources if previous else None)
        if previous and _calls_alike(previous.config, config):
            client = previous.plan.client  # and its connections
            make_known(config, redactor)
        else:
            client = build_client(config, environ=environ, clock=clock, redactor=redactor)
        return Loaded(config, sources, plan_of(config, sources, client))

    instruments = Instruments(__version__)
    loaded = assemble(config, None)
    poller = Poller(loaded.plan, tally=instruments, clock=clock)
    return Exporter(
        loaded,
        lambda previous: assemble(load(), previous),
        poller=poller,
        instruments=instruments,
        clock=clock,
    )


def build_client(
    config: Config, *, environ: Mapping[str, str], clock: Clock, redactor: Redactor
) -> ApiClient:
    """Return the client of a configuration; every secret that it may use is made known."""
    credentials = _credentials(config.credentials, environ)
    redactor.watch(credentials.secrets())
    make_known(config, redactor)
    return ApiClient(config.api, credentials, connections=config.scrape.concurrency, clock=clock)


def make_known(config: Config, redactor: Redactor) -> None:
    """Tell the redactor of every secret in a configuration."""
    redactor.watch(target.namespace_password for target in config.targets)
    if config.api.proxy is not None:
        password = urlsplit(config.api.proxy.reveal()).password
        redactor.watch([config.api.proxy, Secret(password or "")])


def _calls_alike(before: Config, after: Config) -> bool:
    """Whether a reload can go on with the client. A file of authorities may have changed."""
    return (
        not after.api.ca_file
        and before.api == after.api
        and before.credentials == after.credentials
        and before.scrape.concurrency == after.scrape.concurrency
    )


def plan_of(config: Config, sources: Sources, client: Client) -> Plan:
    """Return what a configuration tells the poller."""
    return Plan(
        scrape=config.scrape,
        deadline=DeadlineRule(config.deadline.entries_per_second, config.deadline.grace),
        calls_per_second=config.api.calls_per_second,
        watched=sources.current,
        client=client,
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
