"""The configuration as typed records. Each key's kind and meaning stand in its annotation.

The checks, the messages, the JSON Schema and the reference are all made from here, so that a new
key is one new field. Durations are seconds, sizes are bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Annotated, Final, Literal

from exporter.config import addresses, kinds, units
from exporter.config.credentials import CredentialsSettings
from exporter.config.locations import Location
from exporter.config.shapes import Labels, ListOf, Record
from exporter.errors import Problem
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, starters
from exporter.model import BEIJING, Freshness, JobRef, Target
from exporter.secret import Secret, SecretFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeSettings:
    """How jobs are queried when Prometheus scrapes."""

    min_interval: Annotated[
        float,
        kinds.duration("0s", "1d"),
        "No job is queried again sooner. The API's own advice is 5s.",
    ] = 5.0
    max_age: Annotated[
        float,
        kinds.duration("1ms", "30d"),
        "An older answer is no longer shown as the state of a job that is under way.",
    ] = 300.0
    concurrency: Annotated[int, kinds.whole(1, 512), "Calls in flight at once."] = 32
    max_jobs: Annotated[
        int,
        kinds.whole(1, 1_000_000),
        "Of more, those that have not ended are watched first, then those that ended last. "
        "The others are counted and logged.",
    ] = 10_000
    timeout: Annotated[
        float,
        kinds.duration("1ms", "10m"),
        "Budget of a scrape that brings no `X-Prometheus-Scrape-Timeout-Seconds`.",
    ] = 9.0
    timeout_offset: Annotated[
        float,
        kinds.duration("0s", "10m"),
        "Taken off that header, so that the answer is back in time.",
    ] = 0.5

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if self.timeout_offset >= self.timeout:
            timeout = units.format_duration(self.timeout)
            yield "timeout_offset", f"expected less than timeout, which is {timeout}"
        if self.max_age < self.min_interval:
            interval = units.format_duration(self.min_interval)
            yield "max_age", f"expected at least min_interval, which is {interval}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the API is called."""

    connect_timeout: Annotated[
        float, kinds.duration("1ms", "10m"), "For name, connection and TLS handshake."
    ] = 3.0
    request_timeout: Annotated[
        float,
        kinds.duration("1ms", "10m"),
        "Total for one call, whatever the server does.",
    ] = 5.0
    max_response_bytes: Annotated[
        int, kinds.size("1KiB", "64MiB"), "A longer answer is refused."
    ] = 256 << 10
    calls_per_second: Annotated[int, kinds.whole(1, 10_000), "At most, for each host."] = 100
    ca_file: Annotated[
        str,
        addresses.certificates_path(),
        "Certificates to trust in place of the usual ones, for the API and for role keys. Without "
        "it `REQUESTS_CA_BUNDLE` counts, then `SSL_CERT_FILE` and `SSL_CERT_DIR`.",
    ] = ""
    proxy: Annotated[
        Secret | None,
        addresses.proxy(),
        "Proxy for all calls over HTTPS. Without it the first of `https_proxy`, `HTTPS_PROXY`, "
        "`all_proxy` and `ALL_PROXY` counts, there also as `host:port`. `NO_PROXY` names hosts "
        "that need no proxy, whoever names it.",
    ] = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if self.connect_timeout > self.request_timeout:
            total = units.format_duration(self.request_timeout)
            yield "connect_timeout", f"expected at most request_timeout, which is {total}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineSettings:
    """When a job should have ended, from its turn on; a job's own `deadline` comes first.

    Of an upload of entries: its expected entries at this speed, and grace.
    """

    entries_per_second: Annotated[
        float, kinds.number(0.001, 1e9), "The speed to expect. The vendor names 1000."
    ] = 1000.0
    grace: Annotated[float, kinds.duration("0s", "1y"), "Added to the time expected."] = 1800.0
    documents: Annotated[
        float,
        kinds.duration("1s", "1y"),
        "How long the upload of a document may take. The vendor says that 2 hours are rarely "
        "exceeded.",
    ] = 7200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """What the page for people shows."""

    error_text: Annotated[
        bool,
        kinds.boolean(),
        "Whether the page shows the API's error texts of jobs, the first 300 characters of each. "
        "They can quote your data, to whoever can reach the port.",
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """One job, below its target."""

    id: Annotated[str, kinds.identifier(), f"The job id that {starters()} returned."]
    collection: Annotated[str, kinds.identifier(), "The collection that it works on."]
    kind: Annotated[
        str,
        kinds.choice(*KINDS),
        "What the job does: "
        + ", ".join(f"`{kind.name}` {kind.does}" for kind in KINDS.values())
        + ".",
    ] = DEFAULT_KIND
    expected_entries: Annotated[
        int | None,
        kinds.whole(1, 10**15),
        "How many entries an upload of vectors holds: gives its progress a total, and the job a "
        "planned end. Other kinds have a percentage.",
    ] = None
    deadline: Annotated[
        float | None,
        kinds.duration("1s", "1y"),
        "How long the job may take from its turn on, in place of what `deadline` says of its kind.",
    ] = None
    labels: Annotated[
        Mapping[str, str],
        Labels(kinds.label_value()),
        "Values of `job_labels`. One that is not given is the empty text.",
    ] = field(default_factory=dict)
    place: Location = Location.NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFileEntry(JobEntry):
    """One job in a job file."""

    target: Annotated[str, kinds.text(1, 100), "The `name` of a target of the configuration."]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEntry:
    """A namespace of one instance or workspace, and the jobs there."""

    name: Annotated[str, kinds.text(1, 100), "What job files and the metrics call it; unique."]
    region_id: Annotated[str, kinds.text(), "Such as `cn-hangzhou`."]
    db_instance_id: Annotated[str, kinds.text(), "The instance. This or `workspace_id`."] = ""
    workspace_id: Annotated[str, kinds.text(), "The workspace. This or `db_instance_id`."] = ""
    namespace: Annotated[str, kinds.text(), "The namespace. Without it the API takes `public`."] = (
        ""
    )
    namespace_password: Annotated[
        Secret | None,
        kinds.password(),
        "Its password, best as `${NAME}`. This or `namespace_password_file`.",
    ] = None
    namespace_password_file: Annotated[
        str,
        addresses.secret_path(),
        "The file of its password, read again when it changes. This or `namespace_password`.",
    ] = ""
    endpoint: Annotated[
        str,
        addresses.endpoint(),
        "Where the API is. Without it, that follows from the region. "
        "`http://` only to a loopback address.",
    ] = ""
    network: Annotated[
        Literal["public", "vpc"],
        kinds.choice("public", "vpc"),
        "Which of the region's endpoints to call.",
    ] = "public"
    time_zone: Annotated[
        tzinfo,
        addresses.time_zone(),
        "In which the API's times are read, since they name no zone.",
    ] = BEIJING
    jobs: Annotated[
        tuple[JobEntry, ...], ListOf(Record(JobEntry, placed=True)), "The jobs to watch there."
    ] = ()
    place: Location = Location.NOWHERE

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if not self.endpoint and not addresses.is_region(self.region_id):
            yield "region_id", "expected lower-case letters, digits and '-', such as cn-hangzhou"


_TARGET = Record(
    TargetEntry,
    placed=True,
    exactly_one=(
        ("db_instance_id", "workspace_id"),
        ("namespace_password", "namespace_password_file"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """A bearer token, and what may be done with it."""

    name: Annotated[str, kinds.text(1, 100), "What the log calls it; unique."]
    token_file: Annotated[
        str,
        addresses.secret_path(),
        "The file of the token, read again when it changes: 16 characters and more.",
    ]
    targets: Annotated[
        tuple[str, ...],
        ListOf(kinds.text(1, 100), minimum=1, unique=True),
        "The `name` of each target of which jobs may be announced.",
    ]
    place: Location = Location.NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSettings:
    """Who may announce jobs over HTTP. Without tokens nobody may, and its paths answer 404."""

    tokens: Annotated[
        tuple[TokenEntry, ...], ListOf(Record(TokenEntry, placed=True)), "Who may announce jobs."
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Where announced jobs and the history are kept, and how long jobs are watched."""

    store: Annotated[
        Literal["memory", "sqlite", "postgresql"],
        kinds.choice("memory", "sqlite", "postgresql"),
        "`memory` forgets at a restart. `sqlite` is a file of one exporter. `postgresql` is "
        "shared by several, and needs the extra `[postgresql]`. Takes effect at a start only.",
    ] = "memory"
    path: Annotated[
        str,
        addresses.written_path(),
        "The file of `sqlite`, on a local disk; made if it is not there.",
    ] = ""
    dsn_file: Annotated[
        str,
        addresses.secret_path(),
        "The file with the connection string of `postgresql`, read again at each connection.",
    ] = ""
    keep_ended: Annotated[
        float,
        kinds.duration("1s", "1y"),
        "Announced jobs, and those of job files, are shown so long after their end.",
    ] = 86_400.0
    keep_unseen: Annotated[
        float,
        kinds.duration("1s", "1y"),
        "An announced job, or one whose job file has gone, is given up when its queries have "
        "failed for so long.",
    ] = 21_600.0

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        for key, store in (("path", "sqlite"), ("dsn_file", "postgresql")):
            if getattr(self, key) and self.store != store:
                yield key, f"only with store: {store}"
            elif not getattr(self, key) and self.store == store:
                yield "store", f"{store} needs {key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessEntry:
    """How old the last success in a collection may be."""

    target: Annotated[str, kinds.text(1, 100), "The `name` of a target."]
    collection: Annotated[str, kinds.text(), "The collection."]
    kind: Annotated[str, kinds.choice(*KINDS), "Of which jobs the last one counts."] = DEFAULT_KIND
    max_age: Annotated[
        float,
        kinds.duration("1m", "1y"),
        "`AdbpgCollectionStale` fires when the last success is longer ago.",
    ]
    place: Location = Location.NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """The configuration file as it is written."""

    scrape: Annotated[ScrapeSettings, Record(ScrapeSettings), ""] = ScrapeSettings()
    api: Annotated[ApiSettings, Record(ApiSettings), ""] = ApiSettings()
    credentials: Annotated[CredentialsSettings, Record(CredentialsSettings), ""] = field(
        default_factory=CredentialsSettings
    )
    deadline: Annotated[DeadlineSettings, Record(DeadlineSettings), ""] = DeadlineSettings()
    page: Annotated[PageSettings, Record(PageSettings), ""] = PageSettings()
    registration: Annotated[RegistrationSettings, Record(RegistrationSettings), ""] = (
        RegistrationSettings()
    )
    registry: Annotated[RegistrySettings, Record(RegistrySettings), ""] = RegistrySettings()
    freshness: Annotated[
        tuple[FreshnessEntry, ...],
        ListOf(Record(FreshnessEntry, placed=True)),
        "Collections that must be loaded again and again.",
    ] = ()
    job_labels: Annotated[
        tuple[str, ...],
        ListOf(kinds.label_name(), unique=True),
        "Labels that jobs may carry, shown on `adbpg_job_info`.",
    ] = ()
    targets: Annotated[
        tuple[TargetEntry, ...],
        ListOf(_TARGET, minimum=1),
        "The instances and workspaces of the jobs. At least one.",
    ]
    job_files: Annotated[
        tuple[str, ...],
        ListOf(addresses.path_pattern()),
        "Lists of jobs, each with its target; read again when they change.",
    ] = ()
    place: Location = Location.NOWHERE


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
        scrape: how jobs are asked about.
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

    scrape: ScrapeSettings = ScrapeSettings()
    api: ApiSettings = ApiSettings()
    credentials: CredentialsSettings = field(default_factory=CredentialsSettings)
    deadline: DeadlineSettings = DeadlineSettings()
    page: PageSettings = PageSettings()
    tokens: tuple[Token, ...] = ()
    registry: RegistrySettings = RegistrySettings()
    freshness: tuple[Freshness, ...] = ()
    job_labels: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    jobs: tuple[JobRef, ...] = ()
    job_files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


CONFIG_FILE: Final = Record(ConfigFile, placed=True)
JOB_FILE_ENTRY: Final = Record(JobFileEntry, placed=True)
JOB_FILE: Final = ListOf(JOB_FILE_ENTRY)
