"""Scenario files: YAML that reads into ``Scenario``, strictly. ``demo.yaml`` shows most keys."""

import contextlib
import dataclasses
import itertools
import math
import uuid
from collections import Counter
from collections.abc import Hashable
from typing import TypeVar

import yaml

from exporter import files
from exporter.errors import ConfigurationError, Problem
from exporter.secret import Secret
from exporter.simulator.operations import DEFAULT_KIND, OPERATIONS
from exporter.simulator.reading import (
    Item,
    Mistake,
    Table,
    fraction,
    many,
    one_of,
    pairs,
    positive,
    read,
    seconds,
    signed_seconds,
    table,
    text,
    whole,
)
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

H = TypeVar("H", bound=Hashable)

LARGEST_FILE = 4 * 1024 * 1024  # bytes
DEEPEST_NESTING = 20
MOST_REPETITIONS = 10_000

_FAST_RATE = 10_000.0
_WINDOW_KEYS = ("from", "to", "every")
_STARTED_KEYS = (
    "collection",
    "kind",
    "shape",
    "entries",
    "rate",
    "after",
    "sway",
    "error",
    "error_code",
    "error_while_running",
)
_JOB_KEYS = (
    *_STARTED_KEYS,
    "id",
    "namespace",
    "created",
    "create_time",
    "update_time",
    "fault",
    "repeat",
    "source",
    "expected_entries",
    "labels",
)


def load_scenario(path: str) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: the file cannot be read or is no scenario; with every problem.
    """
    try:
        with files.patience(files.START_PATIENCE):
            _, data = files.read(path, LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise _unreadable(path, "expected at most 4 MiB")
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "cannot be read: expected UTF-8 text") from None
    return parse_scenario(content, path)


def parse_scenario(content: str, file: str) -> Scenario:
    """Return the scenario that a file's text describes.

    Args:
        content: the YAML text.
        file: what problems call it.

    Raises:
        ConfigurationError: with every problem found.
    """
    root = Item(file, _compose(content, file))
    scenario = read(root, _scenario, Scenario((), (), ()))
    if not root.problems:
        _check(scenario, root)
    if root.problems:
        raise ConfigurationError(root.problems)
    return scenario


def _compose(content: str, file: str) -> yaml.Node:
    try:
        _check_nesting(content, file)
        node = yaml.compose(content, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        if mark:  # libyaml 0.2.6 gives up at 1,000 levels, before it hands out the first of them
            with contextlib.suppress(yaml.YAMLError):
                _check_nesting(content[: mark.index], file)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        # The parser's own message quotes the line, which may hold a password.
        raise ConfigurationError([Problem(file, line, column, "", "expected YAML")]) from None
    except yaml.YAMLError:
        raise _unreadable(file, "expected YAML") from None
    if node is None:
        raise _unreadable(file, "expected a scenario, but the file is empty")
    return node


def _check_nesting(content: str, file: str) -> None:
    """Refuse what composing could not survive: it recurses, in C, until the process dies."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST_NESTING:
            raise _unreadable(file, f"expected a nesting of at most {DEEPEST_NESTING} levels")


def _unreadable(file: str, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(file, 0, 0, "", message)])


def _scenario(item: Item) -> Scenario:
    known = (
        "access_keys",
        "namespaces",
        "jobs",
        "started",
        "latency",
        "clock_offset",
        "utc_offset",
        "wrong_password",
        "unknown_job",
        "throttle",
        "server_errors",
    )
    keys = table(item, known)
    return Scenario(
        access_keys=keys.need("access_keys", many(_access_key), ()),
        namespaces=keys.need("namespaces", many(_namespace), ()),
        jobs=tuple(itertools.chain.from_iterable(keys.need("jobs", many(_jobs), ()))),
        started=keys.get("started", many(_started), ()),
        latency=keys.get("latency", seconds, 0.0),
        clock_offset=keys.get("clock_offset", signed_seconds, 0.0),
        utc_offset=keys.get("utc_offset", _utc_offset, 28_800.0),
        wrong_password=keys.get("wrong_password", one_of(Unsaid), Unsaid.ERROR),
        unknown_job=keys.get("unknown_job", one_of(Unsaid), Unsaid.ERROR),
        throttle=keys.get("throttle", _throttle, None),
        server_errors=keys.get("server_errors", _server_errors, None),
    )


def _secret(item: Item) -> Secret:
    return Secret(text(item))


def _utc_offset(item: Item) -> float:
    value = signed_seconds(item)
    if abs(value) >= 86_400:
        raise Mistake("expected less than 24h")
    return value


def _access_key(item: Item) -> AccessKey:
    keys = table(item, ("id", "secret", "security_token"))
    return AccessKey(
        id=keys.need("id", text, ""),
        secret=keys.need("secret", _secret, Secret("")),
        security_token=keys.get("security_token", _secret, None),
    )


def _namespace(item: Item) -> Namespace:
    known = (
        "name",
        "region_id",
        "db_instance_id",
        "workspace_id",
        "namespace",
        "password",
        "told_password",
    )
    keys = table(item, known)
    if ("db_instance_id" in keys.values) == ("workspace_id" in keys.values):
        item.report("expected either db_instance_id or workspace_id")
    return Namespace(
        name=keys.need("name", text, ""),
        region_id=keys.need("region_id", text, ""),
        password=keys.need("password", _secret, Secret("")),
        db_instance_id=keys.get("db_instance_id", text, ""),
        workspace_id=keys.get("workspace_id", text, ""),
        namespace=keys.get("namespace", text, "public"),
        told_password=keys.get("told_password", _secret, None),
    )


def _window(keys: Table) -> Window:
    window = Window(
        start=keys.get("from", seconds, 0.0),
        end=keys.get("to", seconds, math.inf),
        every=keys.get("every", seconds, 0.0),
    )
    if window.end <= window.start:
        keys.item.report("expected `from` to be earlier than `to`")
    return window


def _throttle(item: Item) -> Throttle:
    keys = table(item, ("calls_per_second", "retry_after", *_WINDOW_KEYS))
    return Throttle(
        calls_per_second=keys.need("calls_per_second", whole, 0),
        retry_after=keys.get("retry_after", seconds, 0.0),
        window=_window(keys),
    )


def _server_errors(item: Item) -> ServerErrors:
    keys = table(item, ("probability", *_WINDOW_KEYS))
    return ServerErrors(keys.get("probability", fraction, 1.0), _window(keys))


def _fault(item: Item) -> Fault:
    keys = table(item, ("kind", "latency", "http_status", "code", *_WINDOW_KEYS))
    return Fault(
        kind=keys.need("kind", one_of(FaultKind), FaultKind.SLOW),
        window=_window(keys),
        latency=keys.get("latency", seconds, 0.0),
        http_status=keys.get("http_status", _http_status, 400),
        code=keys.get("code", text, "InvalidParameter"),
    )


def _http_status(item: Item) -> int:
    value = whole(item)
    if not 200 <= value <= 599:
        raise Mistake("expected an HTTP status from 200 to 599")
    return value


def _jobs(item: Item) -> tuple[Job, ...]:
    """Read one job, or the series of jobs that its ``repeat`` makes of it."""
    keys = table(item, _JOB_KEYS)
    job = dataclasses.replace(
        _course(keys),
        id=keys.need("id", text, ""),
        collection=keys.need("collection", text, ""),
        namespace=keys.need("namespace", text, ""),
        created=keys.get("created", signed_seconds, 0.0),
        create_time=keys.get("create_time", text, ""),
        update_time=keys.get("update_time", text, ""),
        fault=keys.get("fault", _fault, None),
        source=keys.get("source", one_of(Source), Source.CONFIG),
        expected_entries=keys.get("expected_entries", whole, None),
        labels=keys.get("labels", pairs, ()),
    )
    every, times = keys.get("repeat", _repeat, (0.0, 1))
    return tuple(_repetition(job, every, number) for number in range(times))


def _started(item: Item) -> Job:
    """Read how the jobs go that somebody starts, in one collection or in all."""
    keys = table(item, _STARTED_KEYS)
    return dataclasses.replace(_course(keys), collection=keys.get("collection", text, ""))


def _course(keys: Table) -> Job:
    """Read how a job goes, whichever it is."""
    shape = keys.get("shape", one_of(Shape), Shape.STEADY)
    job = Job(
        id="",
        collection="",
        namespace="",
        shape=shape,
        entries=keys.get("entries", whole, 100_000),
        rate=keys.get("rate", positive, _FAST_RATE if shape is Shape.FAST else 1000.0),
        after=keys.get("after", seconds, 60.0),
        sway=keys.get("sway", _sway, 0.0),
        error=keys.get("error", text, "Failed to connect database."),
        error_code=keys.get("error_code", text, ""),
        error_while_running=keys.get("error_while_running", text, ""),
        kind=keys.get("kind", _kind, DEFAULT_KIND),
    )
    status = _STATUS_OF_SHAPE.get(shape, "Running")
    if status not in OPERATIONS[job.kind].statuses:
        keys.item.report(f"a job of kind {job.kind} is never {status}: expected another shape")
    return job


_STATUS_OF_SHAPE = {
    Shape.SLOW_START: "Start",
    Shape.PENDING: "Pending",
    Shape.CANCELLING: "Cancelling",
    Shape.CANCELLED: "Cancelled",
}


def _kind(item: Item) -> str:
    value = text(item)
    if value not in OPERATIONS:
        raise Mistake(f"expected one of {', '.join(OPERATIONS)}")
    return value


def _sway(item: Item) -> float:
    value = fraction(item)
    if value > 0.9:
        raise Mistake("expected a number from 0 to 0.9")
    return value


def _repeat(item: Item) -> tuple[float, int]:
    keys = table(item, ("every", "times"))
    times = keys.need("times", whole, 1)
    if not 1 <= times <= MOST_REPETITIONS:
        item.report(f"expected times from 1 to {MOST_REPETITIONS}")
    return keys.need("every", seconds, 0.0), min(times, MOST_REPETITIONS)


def _repetition(job: Job, every: float, count: int) -> Job:
    """Return the count-th job of a series; the first one keeps the id that the file gives."""
    if not count:
        return job
    job_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{job.id} {count}"))
    return dataclasses.replace(job, id=job_id, created=job.created + every * count)


def _check(scenario: Scenario, root: Item) -> None:
    """Collect what is wrong between the parts."""
    if not scenario.access_keys:
        root.report("access_keys: expected at least one")
    if not scenario.namespaces:
        root.report("namespaces: expected at least one")
    for key in _twice([key.id for key in scenario.access_keys]):
        root.report(f"access_keys: the id {key} stands here twice")
    names = [namespace.name for namespace in scenario.namespaces]
    for name in _twice(names):
        root.report(f"namespaces: the name {name} stands here twice")
    for namespace, job_id in _twice([(job.namespace, job.id) for job in scenario.jobs]):
        root.report(f"jobs: the id {job_id} stands twice in the namespace {namespace}")
    for missing in sorted({job.namespace for job in scenario.jobs}.difference(names)):
        root.report(f"jobs: expected a namespace of this file, not {missing}")


def _twice(values: list[H]) -> list[H]:
    return [value for value, count in Counter(values).items() if count > 1]
