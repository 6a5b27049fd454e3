"""Scenario files: YAML that reads into ``Scenario``, strictly. ``demo.yaml`` shows most keys.

Each section is a pydantic model, read by the configuration's ``Reader``: what holds there for
problems, quotes and secrets holds here.
"""

import math
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field

from exporter import files
from exporter.config import kinds, units, yaml_file
from exporter.config.kinds import Kind
from exporter.config.locations import Location, Report, shown
from exporter.config.reader import Entry, Labels, ListOf, Reader, Section
from exporter.config.yaml_source import Node
from exporter.errors import ConfigurationError, Problem
from exporter.secret import Secret
from exporter.simulator.operations import DEFAULT_KIND, OPERATIONS
from exporter.simulator.scenario import (
    AccessKey,
    Fault,
    FaultKind,
    Job,
    Namespace,
    Scenario,
    ServerErrors,
    Shape,
    Source,
    Throttle,
    Unsaid,
    Window,
)

_FAST_RATE: Final = 10_000.0
_SPAN: Final = kinds.duration("0s", "100y")
_COUNT: Final = kinds.whole(0, 10**15)
_STATUS_OF_SHAPE: Final = {
    Shape.SLOW_START: "Start",
    Shape.PENDING: "Pending",
    Shape.CANCELLING: "Cancelling",
    Shape.CANCELLED: "Cancelled",
}


def _moment(furthest: str) -> Kind:
    """Span of time that may be negative, such as ``-2h``, read as seconds."""
    span = kinds.duration("0s", furthest)

    def read(value: str) -> object:
        seconds: Any = span.read(value.removeprefix("-"))
        return -seconds if value.startswith("-") else seconds

    return replace(span, name=f"duration, -{furthest} to {furthest}", read=read)


def _secret() -> Kind:
    """Secret text, which may well stand in the file: it is made up."""
    return replace(kinds.password(), warning=None)


class _AccessKey(Entry):
    id: Annotated[str, kinds.text()]
    secret: Annotated[Secret, _secret()]
    security_token: Annotated[Secret | None, _secret()] = None


class _Namespace(Entry):
    exactly_one = (("db_instance_id", "workspace_id"),)

    name: Annotated[str, kinds.text()]
    region_id: Annotated[str, kinds.text()]
    password: Annotated[Secret, _secret()]
    db_instance_id: Annotated[str, kinds.text()] = ""
    workspace_id: Annotated[str, kinds.text()] = ""
    namespace: Annotated[str, kinds.text()] = "public"
    told_password: Annotated[Secret | None, _secret()] = None


class _Windowed(Section):
    start: Annotated[float, _SPAN, Field(alias="from")] = 0.0
    end: Annotated[float, _SPAN, Field(alias="to")] = math.inf
    every: Annotated[float, _SPAN] = 0.0

    @property
    def window(self) -> Window:
        """When it is."""
        return Window(self.start, self.end, self.every)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        if self.end <= self.start:
            yield "to", f"expected more than from, which is {units.format_duration(self.start)}"


class _Throttle(_Windowed):
    calls_per_second: Annotated[int, _COUNT]
    retry_after: Annotated[float, _SPAN] = 0.0


class _ServerErrors(_Windowed):
    probability: Annotated[float, kinds.number(0, 1)] = 1.0


class _Fault(_Windowed):
    kind: Annotated[FaultKind, kinds.member(FaultKind)]
    latency: Annotated[float, _SPAN] = 0.0
    http_status: Annotated[int, kinds.whole(200, 599)] = 400
    code: Annotated[str, kinds.text()] = "InvalidParameter"


class _Repeat(Section):
    every: Annotated[float, _SPAN]
    times: Annotated[int, kinds.whole(1, 10_000)]


class _Started(Entry):
    """How the jobs go that somebody starts, in one collection or in all."""

    collection: Annotated[str, kinds.text()] = ""
    kind: Annotated[str, kinds.choice(*OPERATIONS)] = DEFAULT_KIND
    shape: Annotated[Shape, kinds.member(Shape)] = Shape.STEADY
    entries: Annotated[int, _COUNT] = 100_000
    rate: Annotated[float | None, kinds.number(0.001, 1e9)] = None
    after: Annotated[float, _SPAN] = 60.0
    sway: Annotated[float, kinds.number(0, 0.9)] = 0.0
    error: Annotated[str, kinds.text()] = "Failed to connect database."
    error_code: Annotated[str, kinds.text()] = ""
    error_while_running: Annotated[str, kinds.text()] = ""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        status = _STATUS_OF_SHAPE.get(self.shape, "Running")
        if status not in OPERATIONS[self.kind].statuses:
            yield "shape", f"a job of kind {self.kind} is never {status}: expected another shape"

    def course(self) -> Job:
        """Return how a job goes, whichever it is."""
        return Job(
            id="",
            collection=self.collection,
            namespace="",
            kind=self.kind,
            shape=self.shape,
            entries=self.entries,
            rate=self.rate or (_FAST_RATE if self.shape is Shape.FAST else 1000.0),
            after=self.after,
            sway=self.sway,
            error=self.error,
            error_code=self.error_code,
            error_while_running=self.error_while_running,
        )


class _Job(_Started):
    id: Annotated[str, kinds.text()]
    collection: Annotated[str, kinds.text()]
    namespace: Annotated[str, kinds.text()]
    created: Annotated[float, _moment("100y")] = 0.0
    create_time: Annotated[str, kinds.text()] = ""
    update_time: Annotated[str, kinds.text()] = ""
    fault: _Fault | None = None
    repeat: _Repeat | None = None
    source: Annotated[Source, kinds.member(Source)] = Source.CONFIG
    expected_entries: Annotated[int | None, _COUNT] = None
    labels: Annotated[Mapping[str, Annotated[str, kinds.label_value()]], Labels()] = {}

    def jobs(self) -> Iterator[Job]:
        """Yield the job, or the series of jobs that its ``repeat`` makes of it."""
        job = replace(
            self.course(),
            id=self.id,
            namespace=self.namespace,
            created=self.created,
            create_time=self.create_time,
            update_time=self.update_time,
            fault=_fault(self.fault) if self.fault else None,
            source=self.source,
            expected_entries=self.expected_entries,
            labels=tuple(self.labels.items()),
        )
        yield job  # the first one keeps the id that the file gives
        for number in range(1, self.repeat.times if self.repeat else 1):
            job_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{job.id} {number}"))
            every = self.repeat.every if self.repeat else 0.0
            yield replace(job, id=job_id, created=job.created + every * number)


class ScenarioFile(Section):
    """A scenario as it is written."""

    access_keys: Annotated[tuple[_AccessKey, ...], ListOf(minimum=1)]
    namespaces: Annotated[tuple[_Namespace, ...], ListOf(minimum=1)]
    jobs: Annotated[tuple[_Job, ...], ListOf()]
    started: Annotated[tuple[_Started, ...], ListOf()] = ()
    latency: Annotated[float, _SPAN] = 0.0
    clock_offset: Annotated[float, _moment("100y")] = 0.0
    utc_offset: Annotated[float, _moment("23h59m")] = 28_800.0
    wrong_password: Annotated[Unsaid, kinds.member(Unsaid)] = Unsaid.ERROR
    unknown_job: Annotated[Unsaid, kinds.member(Unsaid)] = Unsaid.ERROR
    throttle: _Throttle | None = None
    server_errors: _ServerErrors | None = None


def load_scenario(path: str) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: the file cannot be read or is no scenario; with every problem.
    """
    with files.patience(files.START_PATIENCE):
        return _scenario(yaml_file.read(path), path)


def parse_scenario(data: bytes, path: str) -> Scenario:
    """Return the scenario that a file's text describes.

    Args:
        data: the YAML text.
        path: what problems call it.

    Raises:
        ConfigurationError: with every problem found.
    """
    return _scenario(yaml_file.parse(path, data), path)


def _scenario(root: Node | None, path: str) -> Scenario:
    if root is None:
        message = "nothing but comments, or nothing at all: expected a scenario"
        raise ConfigurationError([Problem(path, 1, 1, "", message)])
    report = Report(path)
    file = Reader(report, ScenarioFile, "", None).read(ScenarioFile, Location(root))
    if file is None:
        raise ConfigurationError(report.problems())
    if not report.count:  # else what is left out would seem to be missing
        _check(file, report)
    report.finish()
    return Scenario(
        access_keys=tuple(
            AccessKey(key.id, key.secret, key.security_token) for key in file.access_keys
        ),
        namespaces=tuple(map(_namespace, file.namespaces)),
        jobs=tuple(job for entry in file.jobs for job in entry.jobs()),
        started=tuple(entry.course() for entry in file.started),
        latency=file.latency,
        clock_offset=file.clock_offset,
        utc_offset=file.utc_offset,
        wrong_password=file.wrong_password,
        unknown_job=file.unknown_job,
        throttle=_throttle(file.throttle) if file.throttle else None,
        server_errors=_server_errors(file.server_errors) if file.server_errors else None,
    )


def _namespace(entry: _Namespace) -> Namespace:
    return Namespace(
        name=entry.name,
        region_id=entry.region_id,
        password=entry.password,
        db_instance_id=entry.db_instance_id,
        workspace_id=entry.workspace_id,
        namespace=entry.namespace,
        told_password=entry.told_password,
    )


def _fault(entry: _Fault) -> Fault:
    return Fault(entry.kind, entry.window, entry.latency, entry.http_status, entry.code)


def _throttle(entry: _Throttle) -> Throttle:
    return Throttle(entry.calls_per_second, entry.retry_after, entry.window)


def _server_errors(entry: _ServerErrors) -> ServerErrors:
    return ServerErrors(entry.probability, entry.window)


def _check(file: ScenarioFile, report: Report) -> None:
    """Report what is wrong between the parts."""
    _check_unique(file.access_keys, "id", [key.id for key in file.access_keys], report)
    _check_unique(file.namespaces, "name", [each.name for each in file.namespaces], report)
    _check_unique(file.jobs, "id", [(job.namespace, job.id) for job in file.jobs], report)
    known = {namespace.name for namespace in file.namespaces}
    for job in file.jobs:
        if job.namespace not in known:
            message = f"no namespace of this file is called {shown(job.namespace)}"
            report.problem(job.place.child("namespace"), message)


def _check_unique(
    entries: Iterable[Entry], key: str, names: Collection[object], report: Report
) -> None:
    seen: set[object] = set()
    for entry, name in zip(entries, names, strict=True):
        if name in seen:
            report.problem(entry.place.child(key), f"another entry above has this {key}")
        seen.add(name)
