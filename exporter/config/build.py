"""From files to the final records: what must hold between several entries, and across files."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import files
from exporter.config import json_source, yaml_file, yaml_source
from exporter.config.advice import keys_such_as
from exporter.config.doubts import doubt_about_region, is_placeholder
from exporter.config.locations import Location, Report, shown, shown_key
from exporter.config.reader import ListOf, Reader, keys_of
from exporter.config.settings import (
    Config,
    ConfigFile,
    FreshnessEntry,
    JobEntry,
    JobFileEntry,
    TargetEntry,
    Token,
    TokenEntry,
)
from exporter.config.yaml_source import Node
from exporter.errors import ConfigurationError, ForbiddenTarget, NoCredentials, Problem
from exporter.gpdb.kinds import KINDS
from exporter.model import CONFIGURED, Freshness, JobRef, Target
from exporter.secret import SecretFile

MOST_ANNOUNCED: Final = 1_000
"""Jobs in one announcement."""
SHORTEST_TOKEN: Final = 16
"""Characters of a bearer token."""

_SHOWN_IN_URL: Final = (
    "the API wants the namespace password in the URL of queries about {kind} jobs, where a proxy "
    "that opens TLS may log it: see docs/credentials.md"
)
_OF_AN_EXAMPLE: Final = "is the value of an example: put your own in its place"


def load(path: str, environ: Mapping[str, str]) -> Config:
    """Return the configuration in a file.

    Relative paths in it begin at the file's directory. The files of secrets and certificates are
    opened once, to report now what would fail later. All files together may take
    ``files.START_PATIENCE``.

    Args:
        path: of the YAML file.
        environ: for ``${NAME}``.

    Raises:
        ConfigurationError: with every problem.
    """
    report = Report(path)
    with files.patience(files.START_PATIENCE):
        root = _root(path)
        reader = Reader(report, ConfigFile, str(Path(path).parent), environ)
        file = reader.read(ConfigFile, Location(root))
    if file is None:
        raise ConfigurationError(report.problems())
    return _config(file, report)


@dataclass(frozen=True, slots=True)
class JobFile:
    """What a job file holds.

    Attributes:
        jobs: of its entries without mistakes, in its order.
        problems: every mistake of the other entries, or the first hundred; those are left out.
        warnings: what is not wrong, but unwise.
        left_out: the job ids of the entries that are left out, where they can be read.
    """

    jobs: tuple[JobRef, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    left_out: frozenset[str] = frozenset()


def read_job_file(path: str, data: bytes, config: Config, source: str) -> JobFile:
    """Return the jobs that a job file lists; none for an empty file.

    A dollar is a dollar there: who may write a job file need not see the environment.

    Args:
        path: for the problems.
        data: what the file holds.
        config: whose targets and job labels the file may use.
        source: the name of the source that reads it.

    Raises:
        ConfigurationError: it is no list, or wrong as a whole.
    """
    report = Report(path, stops=False)
    root = yaml_file.parse(path, data) or yaml_source.Sequence(1, 1)
    reader = Reader(report, JobFileEntry, "", None)
    places = reader.entries(ListOf(), JobFileEntry, Location(root))
    if places is None:
        raise ConfigurationError(report.problems())
    targets = {target.name: target for target in config.targets}
    jobs = _Jobs(report, config.job_labels, source)
    unknown = _Repeated(report)
    left_out: set[str] = set()
    for place in places:
        before = report.count
        entry = reader.read(JobFileEntry, place)
        right = reader.right(place.node)
        name = _text(right.get("target"))
        target = targets.get(name)
        if name and target is None:
            unknown.add(name, place.child("target"))
        is_right = jobs.check_labels(reader.right(right.get("labels")), place)
        report.settle()
        is_right = is_right and report.count == before
        if not (is_right and entry and target and jobs.add(entry, target)):
            entries = place.node.entries if isinstance(place.node, yaml_source.Mapping) else {}
            left_out.add(_text(entries.get("id")))
    for name in unknown.names:
        known = "" if report.is_full else _known(name, targets, "there is none")
        unknown.report_first(name, f"no target is called {shown(name)}: {known}")
    jobs.finish()
    return JobFile(tuple(jobs.refs), report.problems(), report.warnings(), frozenset(left_out))


@dataclass(frozen=True, slots=True)
class AnnouncedEntry:
    """One job of an announcement.

    Attributes:
        ref: the job.
        given: the names of the fields that the announcement gives.
    """

    ref: JobRef
    given: frozenset[str]


def read_announcement(
    data: bytes, config: Config, allowed: Collection[str], source: str
) -> tuple[AnnouncedEntry, ...]:
    """Return the jobs that a request announces: a JSON object, or a list of them.

    Args:
        data: the body of the request.
        config: whose targets and job labels may be used.
        allowed: the names of the targets whose jobs may be announced.
        source: the name of the source of these jobs.

    Raises:
        ConfigurationError: with every mistake; the places are paths such as ``[3].id``.
        ForbiddenTarget: a job is of another target, or of none that there is.
    """
    try:
        root = json_source.parse(data)
    except ValueError as error:
        raise ConfigurationError([Problem("", 0, 0, "", str(error))]) from None
    report = Report("", stops=False)
    reader = Reader(report, JobFileEntry, "", None, "JSON")
    places: list[Location] | None = [Location(root)]
    if isinstance(root, yaml_source.Sequence):
        places = reader.entries(ListOf(), JobFileEntry, Location(root))
        if not 1 <= len(root.items) <= MOST_ANNOUNCED:
            message = f"expected 1 to {MOST_ANNOUNCED:,} jobs, got {len(root.items):,}"
            raise ConfigurationError([Problem("", 0, 0, "", message)])
    targets = {target.name: target for target in config.targets if target.name in allowed}
    jobs = _Jobs(report, config.job_labels, source)
    entries: list[AnnouncedEntry] = []
    for place in places or ():
        entry = reader.read(JobFileEntry, place)
        right = reader.right(place.node)
        name = _text(right.get("target"))
        if name and name not in targets:
            raise ForbiddenTarget(f"this token is not for the target {shown(name)}")
        jobs.check_labels(reader.right(right.get("labels")), place)
        report.settle()
        if entry is not None and jobs.add(entry, targets[entry.target]):
            entries.append(AnnouncedEntry(jobs.refs[-1], frozenset(right)))
    jobs.finish()
    report.finish()
    return tuple(entries)


def _text(node: Node | None) -> str:
    """Return the text of a single value; empty where none stands."""
    return node.text if isinstance(node, yaml_source.Scalar) else ""


def _root(path: str) -> Node:
    """Return the root node of a configuration.

    Raises:
        ConfigurationError: there is none, or it is that of quite another file.
    """
    hint = "write it, or name another file with --config.file"
    root = yaml_file.read(path, if_missing=hint)
    message = ""
    if root is None:
        message = "nothing but comments, or nothing at all: expected at least targets"
    elif isinstance(root, yaml_source.Sequence):
        expected = f"expected {keys_such_as(keys_of(ConfigFile))}, got a list"
        message = f"{expected}: a list of jobs belongs in a file that job_files names"
    elif isinstance(root, yaml_source.Mapping) and {"apiVersion", "kind"} <= root.entries.keys():
        message = "a Kubernetes object: expected the text that it holds below data"
    if root is None or message:
        line, column = (root.line, root.column) if root else (1, 1)
        raise ConfigurationError([Problem(path, line, column, "", message)])
    return root


def _config(file: ConfigFile, report: Report) -> Config:
    targets: dict[str, Target] = {}
    jobs = _Jobs(report, file.job_labels, CONFIGURED)
    for entry in file.targets:
        if entry.name in targets:
            message = f"another target is called {shown(entry.name)}: names are unique"
            report.problem(entry.place.child("name"), message)
        target = _target(entry)
        _doubt(entry, report)
        targets.setdefault(target.name, target)
        for job in entry.jobs:
            jobs.check_labels(job.labels, job.place)
            jobs.add(job, target)
    jobs.finish()
    tokens = _tokens(file.registration.tokens, targets, report)
    freshness = _freshness(file.freshness, targets, report)
    return Config(
        scrape=file.scrape,
        api=file.api,
        credentials=file.credentials,
        deadline=file.deadline,
        page=file.page,
        tokens=tokens,
        registry=file.registry,
        freshness=freshness,
        job_labels=file.job_labels,
        targets=tuple(targets.values()),
        jobs=tuple(jobs.refs),
        job_files=file.job_files,
        warnings=report.finish(),
    )


def _tokens(
    entries: Iterable[TokenEntry], targets: Collection[str], report: Report
) -> tuple[Token, ...]:
    """Return the tokens of those who may announce jobs; report what cannot be."""
    tokens: dict[str, Token] = {}
    for entry in entries:
        if entry.name in tokens:
            message = f"another token is called {shown(entry.name)}: names are unique"
            report.problem(entry.place.child("name"), message)
        for name in entry.targets:
            if name not in targets:
                known = _known(name, targets, "there is none")
                message = f"no target is called {shown(name)}: {known}"
                report.problem(entry.place.child("targets"), message)
        secret = SecretFile(entry.token_file)
        with suppress(NoCredentials):  # the reader has reported it
            if len(secret.reveal()) < SHORTEST_TOKEN:
                message = f"expected a token of at least {SHORTEST_TOKEN} characters: make one by "
                report.problem(entry.place.child("token_file"), message + "openssl rand -hex 32")
        tokens.setdefault(
            entry.name, Token(name=entry.name, secret=secret, targets=frozenset(entry.targets))
        )
    return tuple(tokens.values())


def _freshness(
    entries: Iterable[FreshnessEntry], targets: Mapping[str, Target], report: Report
) -> tuple[Freshness, ...]:
    """Return how old the last success in collections may be; report what cannot be."""
    found: dict[tuple[str, ...], Freshness] = {}
    for entry in entries:
        target = targets.get(entry.target)
        if target is None:
            known = _known(entry.target, targets, "there is none")
            message = f"no target is called {shown(entry.target)}: {known}"
            report.problem(entry.place.child("target"), message)
            continue
        collection = target.job("", entry.collection, kind=entry.kind).collection_identity
        each = Freshness(collection, entry.kind, entry.max_age)
        if found.setdefault((*collection, entry.kind), each) is not each:
            report.problem(entry.place, "another entry is of the same collection and kind")
    return tuple(found.values())


def _target(entry: TargetEntry) -> Target:
    file = entry.namespace_password_file
    return Target(
        name=entry.name,
        region_id=entry.region_id,
        namespace_password=entry.namespace_password or SecretFile(file),
        db_instance_id=entry.db_instance_id,
        workspace_id=entry.workspace_id,
        namespace=entry.namespace,
        endpoint=entry.endpoint,
        network=entry.network,
        time_zone=entry.time_zone,
    )


def _doubt(entry: TargetEntry, report: Report) -> None:
    """Warn of what is hardly meant."""
    if why := doubt_about_region(entry.region_id):
        report.warn(entry.place.child("region_id"), why)
    named = {
        "db_instance_id": entry.db_instance_id,
        "workspace_id": entry.workspace_id,
        "namespace": entry.namespace,
    }
    for key, value in named.items():
        if is_placeholder(value):
            report.warn(entry.place.child(key), f"{shown(value)} {_OF_AN_EXAMPLE}")
    for job in entry.jobs:
        if is_placeholder(job.id):
            report.warn(job.place.child("id"), f"{shown(job.id)} {_OF_AN_EXAMPLE}")


class _Repeated:
    """Reports what is wrong in one way in many places, once, at the first of them."""

    def __init__(self, report: Report) -> None:
        self.names: dict[str, list[Location]] = {}
        self._report = report

    def add(self, name: str, place: Location) -> None:
        self.names.setdefault(name, []).append(place)

    def report_first(self, name: str, message: str) -> None:
        self._report.problem(*self._first(name, message))

    def warn(self, name: str, message: str) -> None:
        self._report.warn(*self._first(name, message))

    def _first(self, name: str, message: str) -> tuple[Location, str]:
        first, *others = self.names[name]
        return first, message + (f" ({len(others)} more below)" if others else "")


class _Jobs:
    """Collects the jobs of one file, each once, with the declared labels."""

    def __init__(self, report: Report, labels: tuple[str, ...], source: str) -> None:
        self.refs: list[JobRef] = []
        self._report = report
        self._labels = labels
        self._declared = frozenset(labels)
        self._source = source
        self._first: dict[tuple[str, ...], Location] = {}
        self._undeclared = _Repeated(report)
        self._in_urls = _Repeated(report)

    def add(self, entry: JobEntry, target: Target) -> bool:
        """Add a job, or report why not. Return whether it was added."""
        ref = target.job(
            entry.id,
            entry.collection,
            kind=entry.kind,
            expected_entries=entry.expected_entries,
            deadline=entry.deadline,
            labels=tuple((name, entry.labels.get(name, "")) for name in self._labels),
            source=self._source,
        )
        kind = KINDS[ref.kind]
        if refused := kind.refusal(ref):
            key, why = refused
            self._report.problem(entry.place.child(key), why)
            return False
        if kind.password_is_in_url:
            self._in_urls.add(kind.name, entry.place.child("kind"))
        first = self._first.setdefault(ref.identity, entry.place)
        if first is entry.place:
            self.refs.append(ref)
            return True
        line = first.node.line if first.node else 0
        where = f"{first.path} in line {line}" if line else first.path
        why = "id, collection, namespace and instance are the same"
        self._report.problem(entry.place, f"the same job as {where}: {why}")
        return False

    def finish(self) -> None:
        """Report what is reported once, at the first place."""
        for name in self._undeclared.names:
            known = "" if self._report.is_full else _known(name, self._declared, "that is empty")
            message = f"a label that is not in job_labels of the configuration: {known}"
            self._undeclared.report_first(name, message)
        for name in self._in_urls.names:
            self._in_urls.warn(name, _SHOWN_IN_URL.format(kind=name))

    def check_labels(self, labels: Mapping[str, object], place: Location) -> bool:
        """Return whether all labels of an entry are declared."""
        if labels.keys() <= self._declared:
            return True
        parent = place.child("labels")
        for name in sorted(labels.keys() - self._declared):
            child = parent.child(name).node
            where = Location(child, parent, shown_key(name, child) if child else "")
            self._undeclared.add(name, where)
        return False


def _known(name: str, known: Collection[str], none: str) -> str:
    """Return what the user may have meant."""
    if near := difflib.get_close_matches(name[:100], known, n=1):
        return f"did you mean {shown(near[0])}?"
    names = ", ".join(shown(each) for each in sorted(known)[:10])
    return f"expected one of {names}" if known else none
