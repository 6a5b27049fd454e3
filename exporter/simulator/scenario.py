"""What the simulated API knows and how it misbehaves. Frozen records; all durations in seconds.

``exporter.simulator.scenario_file`` reads them from YAML.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.secret import Secret
from exporter.simulator.operations import DEFAULT_KIND


class Shape(StrEnum):
    """How a job goes. ``after`` is counted from the job's creation."""

    STEADY = "steady"  # Running at one rate until all entries are there, then Success
    FAST = "fast"  # likewise; its default rate is ten times higher
    SLOW_START = "slow_start"  # Start until ``after``, then as steady
    PENDING = "pending"  # Pending until ``after``, then as steady
    STALLED = "stalled"  # Running; from ``after`` on nothing moves
    FAILED = "failed"  # Running, and Failed from ``after`` on
    CANCELLING = "cancelling"  # Running, and Cancelling from ``after`` on, for ever
    CANCELLED = "cancelled"  # Running, a minute of Cancelling from ``after`` on, then Cancelled
    CONTRADICTORY = "contradictory"  # the vendor's sample: Success, not completed, with an Error
    UNKNOWN = "unknown"  # the API never knows this id, but an exporter is configured to ask for it


class FaultKind(StrEnum):
    """How the API treats a job's call while a fault lasts."""

    SLOW = "slow"  # a good answer, ``latency`` later
    SERVER_ERROR = "server_error"  # HTTP 500 InternalError
    THROTTLED = "throttled"  # HTTP 400 Throttling.User
    API_FAIL = "api_fail"  # HTTP 200 with the status ``fail``
    GARBAGE = "garbage"  # HTTP 200 with something that is no JSON
    ERROR = "error"  # ``http_status`` with ``code``, as the API makes it
    PAGE = "page"  # ``http_status`` with a page of HTML, as a gateway makes it


class Unsaid(StrEnum):
    """What comes where the vendor does not say: any of the three is possible."""

    ERROR = "error"  # HTTP 4xx with a Code
    FAIL = "fail"  # HTTP 200 with the status ``fail``
    NO_JOB = "no_job"  # HTTP 200, ``success``, without a Job


class Source(StrEnum):
    """Where ``exporter_configuration`` puts a job."""

    CONFIG = "config"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key that the API knows.

    Attributes:
        id: such as ``LTAI5t...``.
        secret: the key of the HMAC.
        security_token: what a temporary key must come with; None for a lasting key.
    """

    id: str
    secret: Secret
    security_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of one instance or workspace.

    Attributes:
        name: what the scenario's jobs, and an exporter's targets, call it.
        region_id: such as ``cn-hangzhou``.
        password: of the namespace.
        db_instance_id: empty for a workspace.
        workspace_id: empty for an instance.
        namespace: as requests call it.
        told_password: what ``exporter_configuration`` says instead, to be wrong on purpose.
    """

    name: str
    region_id: str
    password: Secret
    db_instance_id: str = ""
    workspace_id: str = ""
    namespace: str = "public"
    told_password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, once or again and again.

    Attributes:
        start: seconds since the simulator's start.
        end: likewise; the first moment after the window.
        every: the window comes again after so many seconds; 0 for once.
    """

    start: float = 0.0
    end: float = math.inf
    every: float = 0.0

    def holds(self, seconds: float) -> bool:
        """Whether the moment lies inside."""
        at = seconds % self.every if self.every else seconds
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Fault:
    """A job that is answered badly for a while.

    Attributes:
        kind: how.
        window: when.
        latency: of each answer, on top of the scenario's; for ``slow``.
        http_status: for ``error`` and ``page``.
        code: such as ``OperationDenied.DBInstanceStatus``; for ``error``.
    """

    kind: FaultKind
    window: Window = Window()
    latency: float = 0.0
    http_status: int = 400
    code: str = "InvalidParameter"


@dataclass(frozen=True, slots=True)
class Throttle:
    """A limit for all calls of one access key together.

    Attributes:
        calls_per_second: the calls beyond are refused with ``Throttling.User``.
        retry_after: sent in the header ``x-acs-retry-after``; 0 to leave it out.
        window: when the limit is in force.
    """

    calls_per_second: int
    retry_after: float = 0.0
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class ServerErrors:
    """HTTP 500 for any call.

    Attributes:
        probability: of a call in the window, 0 to 1; its nonce is the die.
        window: when.
    """

    probability: float = 1.0
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        id: as requests ask for it.
        collection: the job's collection.
        namespace: the name of its namespace.
        shape: how it goes.
        entries: how many the upload holds; of a percentage, how many parts make the whole.
        rate: entries per second.
        created: seconds since the simulator's start; negative for before. Until then the API
            does not know the job.
        after: seconds since its creation; what happens then is the shape's to say.
        sway: how far the rate swings around ``rate``, as a share of it, below 1.
        error: the text of Error where the shape has one.
        error_code: the text of ErrorCode beside it, where the kind has one; empty for none.
        error_while_running: a text of Error while the job is Running; empty for none.
        create_time: a CreateTime to answer word by word; empty to send the true one.
        update_time: an UpdateTime likewise.
        fault: how its calls are answered for a while.
        source: where ``exporter_configuration`` puts it.
        expected_entries: what is configured; None for nothing.
        labels: the job labels that are configured.
        kind: the name of its row in ``operations.OPERATIONS``.
    """

    id: str
    collection: str
    namespace: str
    shape: Shape = Shape.STEADY
    entries: int = 100_000
    rate: float = 1000.0
    created: float = 0.0
    after: float = 60.0
    sway: float = 0.0
    error: str = "Failed to connect database."
    error_code: str = ""
    error_while_running: str = ""
    create_time: str = ""
    update_time: str = ""
    fault: Fault | None = None
    source: Source = Source.CONFIG
    expected_entries: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    kind: str = DEFAULT_KIND


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a simulator knows.

    Attributes:
        access_keys: at least one.
        namespaces: at least one.
        jobs: in the file's order, repetitions included.
        started: how the jobs go that somebody starts: the first one of the same kind and
            collection, or without a collection, counts. Id, namespace and creation are the job's.
        latency: seconds that every call takes.
        clock_offset: seconds that the API's clock is ahead.
        utc_offset: of the zone in which times are sent, in seconds east of UTC.
        wrong_password: what a wrong namespace or password gives.
        unknown_job: what an unknown job gives.
        throttle: a limit of calls, if any.
        server_errors: a time of failure, if any.
        access_key: by id.
        job: by the name of its namespace and its id.
    """

    access_keys: tuple[AccessKey, ...]
    namespaces: tuple[Namespace, ...]
    jobs: tuple[Job, ...]
    started: tuple[Job, ...] = ()
    latency: float = 0.0
    clock_offset: float = 0.0
    utc_offset: float = 28_800.0
    wrong_password: Unsaid = Unsaid.ERROR
    unknown_job: Unsaid = Unsaid.ERROR
    throttle: Throttle | None = None
    server_errors: ServerErrors | None = None
    access_key: Mapping[str, AccessKey] = field(init=False, repr=False, compare=False)
    job: Mapping[tuple[str, str], Job] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = {key.id: key for key in self.access_keys}
        jobs = {(job.namespace, job.id): job for job in self.jobs}
        object.__setattr__(self, "access_key", keys)  # the way in for a frozen record
        object.__setattr__(self, "job", jobs)

    def course(self, kind: str, collection: str) -> Job:
        """Return how a job goes that somebody starts."""
        fitting = (
            each
            for each in self.started
            if each.kind == kind and each.collection in ("", collection)
        )
        return next(fitting, Job("", "", "", entries=20_000, kind=kind))
