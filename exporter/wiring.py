"""Makes every object of the running exporter, in reading order. Nobody else does."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import exporter
from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config, CredentialsSettings, RamSettings, RegistrySettings
from exporter.errors import (
    ConfigurationError,
    NoCredentials,
    Problem,
    StoreFailed,
    StoreUnusable,
)
from exporter.gpdb import proxies
from exporter.gpdb.authorities import authorities
from exporter.gpdb.credentials import Credentials, EnvironmentCredentials, FileCredentials
from exporter.gpdb.deferred import DeferredClient
from exporter.gpdb.roles import RoleCredentials, ask_for_key
from exporter.instruments import Instruments
from exporter.jobs import (
    ConfiguredJobs,
    JobFiles,
    Registry,
    StoredSource,
)
from exporter.model import EVERYTHING, Shard
from exporter.polling import Poller, PollSettings
from exporter.polling.journal import Journal
from exporter.polling.query import Client
from exporter.redaction import Redactor
from exporter.secret import Secret, SecretFile
from exporter.service import Exporter, Runtime
from exporter.store import ANNOUNCED, DRAINED, Books, Ledger, Store, postgresql
from exporter.store.database import Database
from exporter.store.sqlite import MEMORY, SqliteDatabase

if TYPE_CHECKING:
    from exporter.gpdb.client import ApiClient
    from exporter.jobs import JobSource
    from exporter.polling.settings import Observer

_NOT_SHARED = (
    "shards can only share announced jobs in PostgreSQL: set registry.store to postgresql, or "
    "remove registration.tokens"
)
_AT_A_START = "takes effect at a start only: restart the exporter"
_PATIENCE = 10.0  # seconds that a reload waits for the job files


def build(
    config: Config,
    load: Callable[[], Config],
    *,
    environ: Mapping[str, str],
    clock: Clock,
    redactor: Redactor,
    shard: Shard = EVERYTHING,
) -> Exporter:
    """Return the exporter of a configuration, ready to be scraped.

    Args:
        config: to start with.
        load: reads the configuration again; raises ConfigurationError.
        environ: where access keys may be.
        clock: what time it is.
        redactor: masks every secret in the log.
        shard: which of the jobs to watch.
    """
    keys = Keys(environ, clock, redactor)
    instruments = Instruments(__version__, _revision(), shard=shard)
    ledger = _ledger(config.registry, instruments, clock=clock, redactor=redactor, shard=shard)

    def assemble(config: Config, previous: Runtime | None) -> Runtime:
        if config.tokens and shard.of > 1 and config.registry.store != "postgresql":
            raise ConfigurationError([Problem("--shard", 0, 0, "", _NOT_SHARED)])
        if previous and _store_of(previous.config) != _store_of(config):
            raise ConfigurationError([Problem("", 0, 0, "registry.store", _AT_A_START)])
        files = JobFiles(config, previous.files if previous else None)
        registry = registry_of(
            config, files, ledger, previous=previous.registry if previous else None, shard=shard
        )
        if previous:
            registry.refresh(_PATIENCE)
        make_known(config, environ, redactor)
        if previous and _calls_alike(previous.config, config, environ):
            client = previous.poll_settings.client  # and its connections
        else:
            client = _client(config, keys, clock)
        return Runtime(config, registry, files, poll_settings(config, registry, client))

    runtime = assemble(config, None)
    try:
        ledger.begin(config)
    except StoreUnusable as error:
        raise ConfigurationError([Problem("", 0, 0, "registry", str(error))]) from None
    observers: list[Observer] = [instruments, Journal(), ledger]
    poller = Poller(runtime.poll_settings, observers=observers, clock=clock, recall=ledger.memory)
    return Exporter(
        runtime,
        lambda previous: assemble(load(), previous),
        poller=poller,
        instruments=instruments,
        ledger=ledger,
        clock=clock,
    )


def _ledger(
    settings: RegistrySettings,
    instruments: Instruments,
    *,
    clock: Clock,
    redactor: Redactor,
    shard: Shard,
) -> Ledger:
    is_durable = settings.store != "memory"
    store = Store(lambda: _connect(settings, redactor), is_durable=is_durable, redactor=redactor)
    books = Books(is_durable=is_durable, shards=shard.of)
    return Ledger(
        store, books, clock=clock, on_error=instruments.registry_failed, is_quick=not is_durable
    )


def _connect(settings: RegistrySettings, redactor: Redactor) -> Database:
    """Return a connection to the store.

    Raises:
        StoreFailed: there can be none now.
    """
    if settings.store != "postgresql":
        return SqliteDatabase(settings.path if settings.store == "sqlite" else MEMORY)
    try:
        dsn = SecretFile(settings.dsn_file).reveal()
    except NoCredentials as error:
        raise StoreFailed(str(error)) from None
    password = postgresql.password_of(dsn)
    redactor.watch([Secret(dsn), *([password] if password else [])])
    return postgresql.PostgresqlDatabase(dsn)


def _store_of(config: Config) -> tuple[str, str, str]:
    registry = config.registry
    return registry.store, registry.path, registry.dsn_file


def _revision() -> str:
    """Return the commit of this source, which builds of images and packages write down."""
    file = Path(exporter.__file__).with_name("revision.txt")
    return file.read_text("utf-8").strip() if file.is_file() else ""


def build_client(
    config: Config, *, environ: Mapping[str, str], clock: Clock, redactor: Redactor
) -> DeferredClient:
    """Return the client of a command that ends; every secret that it may use is made known."""
    # Such a command prints why there is no key: the log need not say so too.
    logging.getLogger("exporter.gpdb.roles").setLevel(logging.ERROR)
    make_known(config, environ, redactor)
    return _client(config, Keys(environ, clock, redactor), clock)


def make_known(config: Config, environ: Mapping[str, str], redactor: Redactor) -> None:
    """Make every secret of a configuration, and of the environment's proxy, known to the log."""
    redactor.watch(target.namespace_password for target in config.targets)
    redactor.watch(token.secret for token in config.tokens)
    if config.credentials.ram.uri is not None:
        redactor.watch([config.credentials.ram.uri])
    with suppress(ValueError):  # of a variable that nobody uses, see ``loading``
        redactor.watch(proxies.secrets(proxies.configured(config.api.proxy, environ)))


def _calls_alike(before: Config, after: Config, environ: Mapping[str, str]) -> bool:
    """Whether a reload can go on with the client. A file of authorities may have changed."""
    return (
        authorities(after.api.ca_file, environ).are_usual
        and before.api == after.api
        and before.credentials == after.credentials
        and before.scrape.concurrency == after.scrape.concurrency
    )


def registry_of(
    config: Config,
    files: JobFiles,
    ledger: Ledger | None = None,
    *,
    previous: Registry | None = None,
    shard: Shard = EVERYTHING,
) -> Registry:
    """Return the registry of all sources of jobs, in the order in which they count."""
    sources: list[JobSource] = [ConfiguredJobs(config), files]
    if ledger and config.tokens:
        sources.append(StoredSource(ANNOUNCED, config, ledger))
    if ledger:
        sources.append(StoredSource(DRAINED, config, ledger))
    return Registry(config, sources, previous=previous, shard=shard, outcomes=ledger)


def poll_settings(config: Config, registry: Registry, client: Client) -> PollSettings:
    """Return the settings of the poller, from a configuration."""
    return PollSettings(
        scrape=config.scrape,
        time_limits=config.deadline,
        calls_per_second=config.api.calls_per_second,
        watched=registry.current,
        client=client,
    )


def _client(config: Config, keys: "Keys", clock: Clock) -> DeferredClient:
    credentials, connections = keys.for_calls(config), config.scrape.concurrency

    def make() -> "ApiClient":
        from exporter.gpdb.client import ApiClient  # noqa: PLC0415  no start waits for requests

        return ApiClient(
            config.api, credentials, connections=connections, clock=clock, environ=keys.environ
        )

    return DeferredClient(credentials, make)


def lasting_credentials(
    settings: CredentialsSettings, environ: Mapping[str, str]
) -> Credentials | None:
    """Return what gives a key that is already there; None for a role, whose keys are temporary."""
    if settings.provider == "ram":
        return None
    if settings.provider == "environment":
        return EnvironmentCredentials(environ)
    token = settings.security_token_file
    return FileCredentials(
        SecretFile(settings.access_key_id_file),
        SecretFile(settings.access_key_secret_file),
        SecretFile(token) if token else None,
    )


class Keys:
    """Makes what gives the access key, and keeps it over reloads: a role's key stays good.

    Args:
        environ: where access keys may be.
        clock: what time it is.
        redactor: masks every secret in the log.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock, redactor: Redactor) -> None:
        self.environ = environ
        self._clock = clock
        self._redactor = redactor
        self._made: tuple[tuple[CredentialsSettings, Secret | None, str], Credentials] | None = None

    def for_calls(self, config: Config) -> Credentials:
        """Return what gives the key that a configuration describes."""
        needs = (config.credentials, config.api.proxy, config.api.ca_file)
        if self._made is None or self._made[0] != needs:
            made = self._credentials(*needs)
            self._redactor.watch(made.secrets())
            self._made = (needs, made)
        return self._made[1]

    def _credentials(
        self, settings: CredentialsSettings, proxy: Secret | None, ca_file: str
    ) -> Credentials:
        lasting = lasting_credentials(settings, self.environ)
        return lasting or self._role(settings.ram, proxy, ca_file)

    def _role(self, settings: RamSettings, proxy: Secret | None, ca_file: str) -> Credentials:
        values: dict[str, str | Secret] = {
            "kind": settings.kind,
            "role_arn": settings.role_arn,
            "oidc_provider_arn": settings.oidc_provider_arn,
            "oidc_token_file": settings.oidc_token_file,
            "sts_endpoint": settings.sts_endpoint,
            "role_name": settings.role_name,
            "profile": settings.profile,
            "profile_file": settings.profile_file,
            "uri": settings.uri or "",
            "proxy": proxy or "",
            "ca_file": ca_file,
        }
        credentials = RoleCredentials(
            lambda: ask_for_key(values, self.environ, settings.key_timeout), self._clock
        )
        credentials.prefetch()
        return credentials
