"""The configuration as pydantic models. Each key's kind and meaning stand in its annotation.

The checks, the messages, the JSON Schema and the reference are all made from here, so that a new
key is one new field. Durations are seconds, sizes are bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Annotated, Literal

from pydantic import Field

from exporter.config import addresses, kinds, units
from exporter.config.credentials import CredentialsSettings
from exporter.config.reader import Entry, Labels, ListOf, Section
from exporter.errors import Problem
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, starters
from exporter.model import BEIJING, Freshness, JobRef, Target
from exporter.secret import Secret, SecretFile


class ScrapeSettings(Section):
    """How jobs are queried when Prometheus scrapes."""

    min_interval: Annotated[
        float,
        kinds.duration("0s", "1d"),
        Field(description="No job is queried again sooner. The API's own advice is 5s."),
    ] = 5.0
    max_age: Annotated[
        float,
        kinds.duration("1ms", "30d"),
        Field(
            description=(
                "An older answer is no longer shown as the state of a job that is under way."
            )
        ),
    ] = 300.0
    concurrency: Annotated[
        int, kinds.whole(1, 512), Field(description="Calls in flight at once.")
    ] = 32
    max_jobs: Annotated[
        int,
        kinds.whole(1, 1_000_000),
        Field(
            description=(
                "Of more, those that have not ended are watched first, then those that ended last. "
                "The others are counted and logged."
            )
        ),
    ] = 10_000
    timeout: Annotated[
        float,
        kinds.duration("1ms", "10m"),
        Field(
            description="Budget of a scrape that brings no `X-Prometheus-Scrape-Timeout-Seconds`."
        ),
    ] = 9.0
    timeout_offset: Annotated[
        float,
        kinds.duration("0s", "10m"),
        Field(description="Taken off that header, so that the answer is back in time."),
    ] = 0.5

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if self.timeout_offset >= self.timeout:
            timeout = units.format_duration(self.timeout)
            yield "timeout_offset", f"expected less than timeout, which is {timeout}"
        if self.max_age < self.min_interval:
            interval = units.format_duration(self.min_interval)
            yield "max_age", f"expected at least min_interval, which is {interval}"


class ApiSettings(Section):
    """How the API is called."""

    connect_timeout: Annotated[
        float,
        kinds.duration("1ms", "10m"),
        Field(description="For name, connection and TLS handshake."),
    ] = 3.0
    request_timeout: Annotated[
        float,
        kinds.duration("1ms", "10m"),
        Field(description="Total for one call, whatever the server does."),
    ] = 5.0
    max_response_bytes: Annotated[
        int, kinds.size("1KiB", "64MiB"), Field(description="A longer answer is refused.")
    ] = 256 << 10
    calls_per_second: Annotated[
        int, kinds.whole(1, 10_000), Field(description="At most, for each host.")
    ] = 100
    ca_file: Annotated[
        str,
        addresses.certificates_path(),
        Field(
            description=(
                "Certificates to trust in place of the usual ones, for the API and for role keys. "
                "Without it `REQUESTS_CA_BUNDLE` counts, then `SSL_CERT_FILE` and `SSL_CERT_DIR`."
            )
        ),
    ] = ""
    proxy: Annotated[
        Secret | None,
        addresses.proxy(),
        Field(
            description=(
                "Proxy for all calls over HTTPS. Without it the first of `https_proxy`, "
                "`HTTPS_PROXY`, `all_proxy` and `ALL_PROXY` counts, there also as `host:port`. "
                "`NO_PROXY` names hosts that need no proxy, whoever names it."
            )
        ),
    ] = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if self.connect_timeout > self.request_timeout:
            total = units.format_duration(self.request_timeout)
            yield "connect_timeout", f"expected at most request_timeout, which is {total}"


class DeadlineSettings(Section):
    """When a job should have ended, from its turn on; a job's own `deadline` comes first.

    Of an upload of entries: its expected entries at this speed, and grace.
    """

    entries_per_second: Annotated[
        float,
        kinds.number(0.001, 1e9),
        Field(description="The speed to expect. The vendor names 1000."),
    ] = 1000.0
    grace: Annotated[
        float, kinds.duration("0s", "1y"), Field(description="Added to the time expected.")
    ] = 1800.0
    documents: Annotated[
        float,
        kinds.duration("1s", "1y"),
        Field(
            description=(
                "How long the upload of a document may take. The vendor says that 2 hours are "
                "rarely exceeded."
            )
        ),
    ] = 7200.0


class PageSettings(Section):
    """What the page for people shows."""

    error_text: Annotated[
        bool,
        kinds.boolean(),
        Field(
            description=(
                "Whether the page shows the API's error texts of jobs, the first 300 characters of "
                "each. They can quote your data, to whoever can reach the port."
            )
        ),
    ] = True


class JobEntry(Entry):
    """One job, below its target."""

    id: Annotated[
        str, kinds.identifier(), Field(description=f"The job id that {starters()} returned.")
    ]
    collection: Annotated[
        str, kinds.identifier(), Field(description="The collection that it works on.")
    ]
    kind: Annotated[
        str,
        kinds.choice(*KINDS),
        Field(
            description="What the job does: "
            + ", ".join(f"`{kind.name}` {kind.does}" for kind in KINDS.values())
            + "."
        ),
    ] = DEFAULT_KIND
    expected_entries: Annotated[
        int | None,
        kinds.whole(1, 10**15),
        Field(
            description=(
                "How many entries an upload of vectors holds: gives its progress a total, and the "
                "job a planned end. Other kinds have a percentage."
            )
        ),
    ] = None
    deadline: Annotated[
        float | None,
        kinds.duration("1s", "1y"),
        Field(
            description=(
                "How long the job may take from its turn on, in place of what `deadline` says of "
                "its kind."
            )
        ),
    ] = None
    labels: Annotated[
        Mapping[str, Annotated[str, kinds.label_value()]],
        Labels(),
        Field(description="Values of `job_labels`. One that is not given is the empty text."),
    ] = {}


class JobFileEntry(JobEntry):
    """One job in a job file."""

    target: Annotated[
        str, kinds.text(1, 100), Field(description="The `name` of a target of the configuration.")
    ]


class TargetEntry(Entry):
    """A namespace of one instance or workspace, and the jobs there."""

    exactly_one = (
        ("db_instance_id", "workspace_id"),
        ("namespace_password", "namespace_password_file"),
    )

    name: Annotated[
        str,
        kinds.text(1, 100),
        Field(description="What job files and the metrics call it; unique."),
    ]
    region_id: Annotated[str, kinds.text(), Field(description="Such as `cn-hangzhou`.")]
    db_instance_id: Annotated[
        str, kinds.text(), Field(description="The instance. This or `workspace_id`.")
    ] = ""
    workspace_id: Annotated[
        str, kinds.text(), Field(description="The workspace. This or `db_instance_id`.")
    ] = ""
    namespace: Annotated[
        str, kinds.text(), Field(description="The namespace. Without it the API takes `public`.")
    ] = ""
    namespace_password: Annotated[
        Secret | None,
        kinds.password(),
        Field(description="Its password, best as `${NAME}`. This or `namespace_password_file`."),
    ] = None
    namespace_password_file: Annotated[
        str,
        addresses.secret_path(),
        Field(
            description=(
                "The file of its password, read again when it changes. This or "
                "`namespace_password`."
            )
        ),
    ] = ""
    endpoint: Annotated[
        str,
        addresses.endpoint(),
        Field(
            description="Where the API is. Without it, that follows from the region. "
            "`http://` only to a loopback address."
        ),
    ] = ""
    network: Annotated[
        Literal["public", "vpc"],
        kinds.choice("public", "vpc"),
        Field(description="Which of the region's endpoints to call."),
    ] = "public"
    time_zone: Annotated[
        tzinfo,
        addresses.time_zone(),
        Field(description="In which the API's times are read, since they name no zone."),
    ] = BEIJING
    jobs: Annotated[
        tuple[JobEntry, ...], ListOf(), Field(description="The jobs to watch there.")
    ] = ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if not self.endpoint and not addresses.is_region(self.region_id):
            yield "region_id", "expected lower-case letters, digits and '-', such as cn-hangzhou"


class TokenEntry(Entry):
    """A bearer token, and what may be done with it."""

    name: Annotated[str, kinds.text(1, 100), Field(description="What the log calls it; unique.")]
    token_file: Annotated[
        str,
        addresses.secret_path(),
        Field(
            description="The file of the token, read again when it changes: 16 characters and more."
        ),
    ]
    targets: Annotated[
        tuple[Annotated[str, kinds.text(1, 100)], ...],
        ListOf(minimum=1, unique=True),
        Field(description="The `name` of each target of which jobs may be announced."),
    ]


class RegistrationSettings(Section):
    """Who may announce jobs over HTTP. Without tokens nobody may, and its paths answer 404."""

    tokens: Annotated[
        tuple[TokenEntry, ...], ListOf(), Field(description="Who may announce jobs.")
    ] = ()


class RegistrySettings(Section):
    """Where announced jobs and the history are kept, and how long jobs are watched."""

    store: Annotated[
        Literal["memory", "sqlite", "postgresql"],
        kinds.choice("memory", "sqlite", "postgresql"),
        Field(
            description=(
                "`memory` forgets at a restart. `sqlite` is a file of one exporter. `postgresql` is"
                " shared by several, and needs the extra `[postgresql]`. Takes effect at a start "
                "only."
            )
        ),
    ] = "memory"
    path: Annotated[
        str,
        addresses.written_path(),
        Field(description="The file of `sqlite`, on a local disk; made if it is not there."),
    ] = ""
    dsn_file: Annotated[
        str,
        addresses.secret_path(),
        Field(
            description=(
                "The file with the connection string of `postgresql`, read again at each "
                "connection."
            )
        ),
    ] = ""
    keep_ended: Annotated[
        float,
        kinds.duration("1s", "1y"),
        Field(
            description="Announced jobs, and those of job files, are shown so long after their end."
        ),
    ] = 86_400.0
    keep_unseen: Annotated[
        float,
        kinds.duration("1s", "1y"),
        Field(
            description=(
                "An announced job, or one whose job file has gone, is given up when its queries "
                "have failed for so long."
            )
        ),
    ] = 21_600.0

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        for key, store in (("path", "sqlite"), ("dsn_file", "postgresql")):
            if getattr(self, key) and self.store != store:
                yield key, f"only with store: {store}"
            elif not getattr(self, key) and self.store == store:
                yield "store", f"{store} needs {key}"


class FreshnessEntry(Entry):
    """How old the last success in a collection may be."""

    target: Annotated[str, kinds.text(1, 100), Field(description="The `name` of a target.")]
    collection: Annotated[str, kinds.text(), Field(description="The collection.")]
    kind: Annotated[
        str, kinds.choice(*KINDS), Field(description="Of which jobs the last one counts.")
    ] = DEFAULT_KIND
    max_age: Annotated[
        float,
        kinds.duration("1m", "1y"),
        Field(description="`AdbpgCollectionStale` fires when the last success is longer ago."),
    ]


class ConfigFile(Section):
    """The configuration file as it is written."""

    scrape: ScrapeSettings = ScrapeSettings.model_construct()
    api: ApiSettings = ApiSettings.model_construct()
    credentials: CredentialsSettings = CredentialsSettings.model_construct()
    deadline: DeadlineSettings = DeadlineSettings.model_construct()
    page: PageSettings = PageSettings.model_construct()
    registration: RegistrationSettings = RegistrationSettings.model_construct()
    registry: RegistrySettings = RegistrySettings.model_construct()
    freshness: Annotated[
        tuple[FreshnessEntry, ...],
        ListOf(),
        Field(description="Collections that must be loaded again and again."),
    ] = ()
    job_labels: Annotated[
        tuple[Annotated[str, kinds.label_name()], ...],
        ListOf(unique=True),
        Field(description="Labels that jobs may carry, shown on `adbpg_job_info`."),
    ] = ()
    targets: Annotated[
        tuple[TargetEntry, ...],
        ListOf(minimum=1),
        Field(description="The instances and workspaces of the jobs. At least one."),
    ]
    job_files: Annotated[
        tuple[Annotated[str, addresses.path_pattern()], ...],
        ListOf(),
        Field(description="Lists of jobs, each with its target; read again when they change."),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token with which jobs may be announced.

    Attributes:
        name: for the log.
        secret: the token.
        targets: the names of those of which jobs may be announced.
    """

    name: str
    secret: SecretFile
    targets: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration, checked as a whole.

    Attributes:
        scrape: how jobs are queried.
        api: how the API is called.
        credentials: where the access key comes from.
        deadline: when a job should have ended.
        page: what the page for people shows.
        tokens: of those who may announce jobs.
        registry: where jobs and history are kept, and how long jobs are watched.
        freshness: how old the last success in collections may be.
        job_labels: names of the labels that jobs may carry.
        targets: in the file's order; their names are unique.
        jobs: of all targets, in the file's order, each one once.
        job_files: patterns of paths, as ``glob`` takes them.
        warnings: what is not wrong, but unwise.
    """

    scrape: ScrapeSettings = field(default_factory=ScrapeSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    credentials: CredentialsSettings = field(default_factory=CredentialsSettings)
    deadline: DeadlineSettings = field(default_factory=DeadlineSettings)
    page: PageSettings = field(default_factory=PageSettings)
    tokens: tuple[Token, ...] = ()
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    freshness: tuple[Freshness, ...] = ()
    job_labels: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    jobs: tuple[JobRef, ...] = ()
    job_files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
