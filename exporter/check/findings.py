"""From the results to one line for each thing that is wrong. Pure."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from exporter.advice import Scope
from exporter.check.diagnosis import Case, Diagnosis, clock_advice, diagnose
from exporter.check.live_check import Results
from exporter.config import Config
from exporter.config.located import Located
from exporter.errors import ApiError, ClockSkewed, Problem, QueryError
from exporter.gpdb.kinds import KINDS, JobKind
from exporter.model import JobRef, JobState, Target

_MOST_JOBS: Final = 10  # listed one by one, of one target and one cause
_MOST_NAMES: Final = 5
_CLOCK_TOLERANCE: Final = 60.0  # seconds; past that, ages and deadlines are visibly wrong
_HALF_HOUR: Final = 1800


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or is to be known.

    Attributes:
        problem: its place, and what to do.
        reason: as in ``errors``, or ``clock``, ``time_zone``, ``not_asked``, ``no_jobs``.
        targets: that it is about.
        job_ids: that it is about; those of whole targets are left out.
        is_fault: something has to be changed; else it is a note.
    """

    problem: Problem
    reason: str
    targets: tuple[str, ...]
    job_ids: tuple[str, ...] = ()
    is_fault: bool = True


@dataclass(slots=True)
class _Cause:
    """Failures that one change will end."""

    diagnosis: Diagnosis
    reason: str
    jobs: list[JobRef] = field(default_factory=list)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(job.target for job in self.jobs))


class Examiner:
    """Finds what is wrong.

    Args:
        config: that was checked.
        targets: by name.
        located: where they stand.
        results: what the API said.
        is_proxied: the environment names a proxy.
        redact: takes the known secrets out of the API's words.
    """

    def __init__(
        self,
        config: Config,
        located: Located,
        results: Results,
        *,
        is_proxied: bool,
        redact: Callable[[str], str],
    ) -> None:
        self._config = config
        self._targets = {target.name: target for target in config.targets}
        self._located = located
        self._results = results
        self._is_proxied = is_proxied or config.api.proxy is not None
        self._redact = redact
        self._probes = {job.identity for job in results.probes}
        self._kinds_of = _kinds(results.jobs)
        self._jobs_of: Mapping[str, int] = _counted(job.target for job in results.jobs)

    def findings(self) -> list[Finding]:
        """Return all, those about everything first."""
        causes, probed = self._causes()
        found = [finding for cause in causes for finding in self._told(cause)]
        skewed = {name for each in found if each.reason == "clock_skew" for name in each.targets}
        found += self._clocks(skewed)
        found += self._time_zones()
        found += self._not_queried()
        found += [self._no_jobs(job) for job in probed]
        return found

    def _causes(self) -> tuple[list[_Cause], list[JobRef]]:
        """Return the failures by cause, and the made-up jobs that were answered well enough."""
        causes: dict[tuple[object, ...], _Cause] = {}
        probed = []
        for job in (*self._results.jobs, *self._results.probes):
            outcome = self._results.outcomes.get(job.identity)
            is_probe = job.identity in self._probes
            if not isinstance(outcome, QueryError):
                probed += [job] if is_probe and outcome else []
                continue
            diagnosis = diagnose(self._case(job, outcome))
            if is_probe and diagnosis.scope is Scope.JOB and outcome.reason != "internal":
                probed.append(job)
                continue
            key = _key(job, outcome, diagnosis)
            causes.setdefault(key, _Cause(diagnosis, outcome.reason)).jobs.append(job)
        return sorted(causes.values(), key=_is_local), probed

    def _case(self, job: JobRef, error: QueryError) -> Case:
        target = self._targets[job.target]
        return Case(
            error=error,
            target=target,
            collection=job.collection,
            kinds=self._kinds_of.get(job.target, (KINDS[job.kind],)),
            provider=self._config.credentials.provider,
            request_timeout=self._config.api.request_timeout,
            is_proxied=self._is_proxied and not target.endpoint.startswith("http://"),
            central=self._results.central.get(job.target),
            redact=self._redact,
        )

    def _told(self, cause: _Cause) -> Iterator[Finding]:
        diagnosis, names = cause.diagnosis, cause.targets
        if diagnosis.scope is Scope.JOB and not self._is_of_all(cause):
            yield from self._told_by_job(cause)
            return
        if diagnosis.scope is Scope.ALL:
            message = f"{_listed('target', names)}: {diagnosis}"
            yield Finding(
                self._located.of_all(next(iter(diagnosis.keys), ""), message), cause.reason, names
            )
            return
        if diagnosis.scope is Scope.JOB:
            diagnosis = replace(diagnosis, text=diagnosis.text_for_all)
        message = f"{self._whom(cause)}: {diagnosis}"
        problem = self._located.of_target(names[0], diagnosis.keys, message)
        is_whole = len(cause.jobs) == self._jobs_of.get(names[0], 1)
        ids = () if is_whole else tuple(job.job_id for job in cause.jobs)
        yield Finding(problem, cause.reason, names, ids)

    def _is_of_all(self, cause: _Cause) -> bool:
        """Whether it is likelier that one thing is wrong than each of several jobs."""
        total = self._jobs_of.get(cause.jobs[0].target, 0)
        return bool(cause.diagnosis.text_for_all) and len(cause.jobs) == total > 1

    def _told_by_job(self, cause: _Cause) -> Iterator[Finding]:
        for job in cause.jobs[:_MOST_JOBS]:
            problem = self._located.of_job(job, f"{_named(job)}: {cause.diagnosis}")
            yield Finding(problem, cause.reason, (job.target,), (job.job_id,))
        if others := cause.jobs[_MOST_JOBS:]:
            name = others[0].target
            message = f"target {name}: likewise for {len(others)} more of its jobs"
            ids = tuple(job.job_id for job in others)
            yield Finding(self._located.of_target(name, (), message), cause.reason, (name,), ids)

    def _whom(self, cause: _Cause) -> str:
        name, total = cause.targets[0], self._jobs_of.get(cause.targets[0], 0)
        if total <= 1 or len(cause.jobs) == total:
            return f"target {name}"
        if len(cause.jobs) == 1:
            return _named(cause.jobs[0])
        return f"target {name}, {len(cause.jobs)} of {total} jobs, such as {cause.jobs[0].job_id}"

    def _clocks(self, reported: set[str]) -> Iterator[Finding]:
        skewed = {
            name: health.clock_skew
            for name, health in self._results.health.items()
            if health.clock_skew is not None
            and abs(health.clock_skew) > _CLOCK_TOLERANCE
            and name not in reported
        }
        if skewed:
            names = tuple(skewed)
            message = f"{_listed('target', names)}: {clock_advice(skewed[names[0]])}"
            yield Finding(self._located.of_all("", message), "clock", names)

    def _time_zones(self) -> Iterator[Finding]:
        for name, health in self._results.health.items():
            if not health.time_zone_suspect:
                continue
            now = self._results.at + (health.clock_skew or 0.0)
            ahead, job = max(self._ahead(name, now), key=lambda pair: pair[0])
            fitting = _zone_that_fits(self._targets[name], now, ahead)
            message = (
                f"{_named(job)}: it is under way, and was updated {ahead / 60:.0f} minutes in the "
                f"future, so the API's times are of another zone: {fitting}"
            )
            problem = self._located.of_target(name, ("time_zone",), message)
            yield Finding(problem, "time_zone", (name,), (job.job_id,))

    def _ahead(self, target: str, now: float) -> Iterator[tuple[float, JobRef]]:
        for job in self._results.jobs:
            state = self._results.outcomes.get(job.identity)
            if job.target != target or not isinstance(state, JobState) or state.status.is_final:
                continue
            if state.updated is not None:
                yield state.updated - now, job

    def _not_queried(self) -> Iterator[Finding]:
        missing: dict[str, list[JobRef]] = defaultdict(list)
        for job in (*self._results.jobs, *self._results.probes):
            if job.identity not in self._results.outcomes:
                missing[job.target].append(job)
        for name, jobs in missing.items():
            total = self._jobs_of.get(name, 0)
            which = f"{len(jobs)} of {total} jobs" if total else "a made-up job"
            why = (
                f"no answer {self._results.cut}"
                if self._results.cut
                else "not queried, since the API had refused the access key, or throttled"
            )
            message = f"target {name}: {which}: {why}"
            problem = self._located.of_target(name, (), message)
            ids = tuple(job.job_id for job in jobs) if total else ()
            yield Finding(problem, "not_asked", (name,), ids, is_fault=bool(self._results.cut))

    def _no_jobs(self, job: JobRef) -> Finding:
        message = (
            f"target {job.target}: no jobs yet, so a made-up one was queried, and the API "
            "answered: host, access key and permission seem good; namespace and password show "
            "with the first job"
        )
        problem = self._located.of_target(job.target, (), message)
        return Finding(problem, "no_jobs", (job.target,), is_fault=False)


def _key(job: JobRef, error: QueryError, diagnosis: Diagnosis) -> tuple[object, ...]:
    """Return what is equal for failures of one cause."""
    if isinstance(error, ClockSkewed):  # each answer measures it a little otherwise
        return (error.reason,)
    target = None if diagnosis.scope is Scope.ALL else job.target
    code = error.code if isinstance(error, ApiError) else ""
    return (target, error.reason, code, diagnosis.text, diagnosis.keys)


def _is_local(cause: _Cause) -> bool:
    return cause.diagnosis.scope is not Scope.ALL


def _kinds(jobs: Iterable[JobRef]) -> Mapping[str, tuple[JobKind, ...]]:
    """Return the kinds of the jobs of each target."""
    found: dict[str, dict[str, JobKind]] = defaultdict(dict)
    for job in jobs:
        found[job.target][job.kind] = KINDS[job.kind]
    return {target: tuple(kinds.values()) for target, kinds in found.items()}


def _counted(names: Iterable[str]) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return dict(counts)


def _named(job: JobRef) -> str:
    return f"target {job.target}, job {job.job_id} of collection {job.collection}"


def _listed(noun: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{noun} {names[0]}"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{noun}s {', '.join(names[:_MOST_NAMES])}{more}"


def _zone_that_fits(target: Target, now: float, ahead: float) -> str:
    """Return which ``time_zone`` to set.

    The job was updated a moment ago, so the true zone is so far east of the one that is set; the
    next half hour, since that moment is not known. Clocks may differ by the tolerance.
    """
    offset = datetime.fromtimestamp(now, target.time_zone).utcoffset()
    seconds = offset.total_seconds() if offset else 0.0
    fitting = math.ceil((seconds + ahead - _CLOCK_TOLERANCE) / _HALF_HOUR) * _HALF_HOUR
    if fitting > 14 * 3600:
        return "no zone fits, so look at the job's times with the command query"
    sign, minutes = "-" if fitting < 0 else "+", abs(fitting) // 60
    return f'likely time_zone: "{sign}{minutes // 60:02}:{minutes % 60:02}" fits'
