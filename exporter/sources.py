"""Where jobs come from: the configuration, and files that other programs write.

A look at files that have not changed costs a directory listing and a stat for each.
"""

import errno
import glob
import hashlib
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from exporter.config import Config, read_job_file
from exporter.config.yaml_source import LARGEST_FILE
from exporter.errors import ConfigurationError, Problem
from exporter.model import DEFAULT_NAMESPACE, EVERYTHING, JobRef, Shard, Target, WatchList

_log = logging.getLogger(__name__)

# A file that changes twice within one tick of its clock looks the same after the second time.
# Network file systems tick in seconds.
_SETTLED: Final = 3_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class _Seen:
    """What we know of one job file.

    Attributes:
        mark: its stat; None if it is to be read at the next look in any case.
        digest: of its content; empty if it could not be read.
        jobs: of its last good content.
        problems: of its content now; empty if it is good.
        is_missing: it was listed, but was not there when we came to it.
    """

    mark: tuple[int, ...] | None = None
    digest: bytes = b""
    jobs: tuple[JobRef, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_missing: bool = False


class Sources:
    """The jobs to watch. May be called from several threads.

    Args:
        config: its targets and jobs, and which job files there are.
        previous: of the configuration before a reload; hands over the last good list of each file
            that is broken now.
        shard: only its jobs are watched, out of all that are named.
        clock: the wall clock, in nanoseconds.
        read: opens and reads a file; ``read_regular_file`` by default.
    """

    def __init__(
        self,
        config: Config,
        previous: "Sources | None" = None,
        *,
        shard: Shard = EVERYTHING,
        clock: Callable[[], int] = time.time_ns,
        read: Callable[[str], tuple[os.stat_result, bytes]] | None = None,
    ) -> None:
        self._config = config
        self._shard = shard
        self._clock = clock
        self._read = read or read_regular_file
        self._lock = threading.Lock()
        handed_over = previous.last_good(config) if previous else {}
        self._files = {path: _Seen(jobs=jobs) for path, jobs in handed_over.items()}
        self._dropped = 0
        self._doubles: Mapping[str, frozenset[tuple[str, ...]]] = {}
        self._list: WatchList | None = None

    @property
    def dropped(self) -> int:
        """How many jobs are over ``scrape.max_jobs`` and so not watched."""
        return self._dropped

    def current(self) -> WatchList:
        """Return what is to be watched now. It is the same object while nothing has changed."""
        with self._lock:
            changed = self._look()
            if changed or self._list is None:
                self._list = self._merged()
            return self._list

    def problems(self) -> tuple[Problem, ...]:
        """Return every problem of every job file, as they are now."""
        self.current()
        with self._lock:
            return tuple(problem for seen in self._files.values() for problem in seen.problems)

    def last_good(self, config: Config) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, as it reads with another configuration."""
        targets = {target.name: target for target in config.targets}
        with self._lock:
            return {
                path: tuple(
                    _rebased(job, targets[job.target], config.job_labels)
                    for job in seen.jobs
                    if job.target in targets
                )
                for path, seen in self._files.items()
            }

    def lists(self) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, by path."""
        with self._lock:
            return {path: seen.jobs for path, seen in self._files.items()}

    def _look(self) -> bool:
        """Bring ``_files`` up to date. Return whether anything is different."""
        before = self._files
        looked = {path: self._looked_at(path, before.get(path)) for path in self._paths()}
        self._files = {path: seen for path, seen in looked.items() if seen is not None}
        return _summary(before) != _summary(self._files)

    def _paths(self) -> list[str]:
        patterns = self._config.job_files
        return sorted({path for pattern in patterns for path in glob.glob(pattern)})  # noqa: PTH207  Path.glob takes no absolute pattern

    def _looked_at(self, path: str, known: _Seen | None) -> _Seen | None:
        """Return what is known of a file now; None if it is gone, or is a directory."""
        try:
            status = Path(path).stat()
            if stat.S_ISDIR(status.st_mode):
                return None
            if known is not None and known.mark == _mark(status):
                return known
            status, data = self._read(path)
        except FileNotFoundError:
            # Perhaps just now, or a symlink is being swapped: gone if it is so the next time too.
            if known is None or known.is_missing:
                return None
            return replace(known, mark=None, is_missing=True)
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
            return self._broken(known, None, why.encode(), [Problem(path, 0, 0, "", why)])
        return self._taken(path, known, status, data)

    def _taken(self, path: str, known: _Seen | None, status: os.stat_result, data: bytes) -> _Seen:
        """Return what is known of a file that was read."""
        is_settled = self._clock() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED
        mark = _mark(status) if is_settled else None
        digest = hashlib.sha256(data).digest()
        if known is not None and known.digest == digest:
            return replace(known, mark=mark, is_missing=False)
        try:
            jobs = read_job_file(path, data, self._config)
        except ConfigurationError as error:
            return self._broken(known, mark, digest, error.problems)
        if known is not None and known.problems:
            _log.info("job file is good again", extra={"file": path, "jobs": len(jobs)})
        return _Seen(mark, digest, jobs)

    def _broken(
        self,
        known: _Seen | None,
        mark: tuple[int, ...] | None,
        digest: bytes,
        problems: Sequence[Problem],
    ) -> _Seen:
        """Return what is known of a file that cannot be used: its last good list stays."""
        if known is None or known.digest != digest:
            for problem in problems:
                _log.error("job file refused", extra={"problem": str(problem)})
        return _Seen(mark, digest, known.jobs if known else (), tuple(problems))

    def _merged(self) -> WatchList:
        jobs = {job.identity: job for job in self._config.jobs}
        doubles: dict[str, list[JobRef]] = {}
        for path, seen in self._files.items():
            for job in seen.jobs:
                if jobs.setdefault(job.identity, job) is not job:
                    doubles.setdefault(path, []).append(job)
        self._tell_doubles(doubles)
        ours = [job for job in jobs.values() if self._shard.holds(job.job_id)]
        most = self._config.scrape.max_jobs
        self._tell_dropped(max(0, len(ours) - most))
        return WatchList(
            targets={target.name: target for target in self._config.targets},
            jobs=tuple(ours[:most]),
            file_errors={path: bool(seen.problems) for path, seen in self._files.items()},
        )

    def _tell_doubles(self, doubles: Mapping[str, Sequence[JobRef]]) -> None:
        told = {path: frozenset(job.identity for job in jobs) for path, jobs in doubles.items()}
        for path, jobs in doubles.items():
            if told[path] != self._doubles.get(path):
                facts = {"file": path, "jobs": len(jobs), "job_id": jobs[0].job_id}
                _log.warning("jobs of a job file are watched already", extra=facts)
        self._doubles = told

    def _tell_dropped(self, dropped: int) -> None:
        if dropped and dropped != self._dropped:
            facts = {"dropped": dropped, "max_jobs": self._config.scrape.max_jobs}
            _log.warning("more jobs than scrape.max_jobs", extra=facts)
        self._dropped = dropped


def read_regular_file(path: str) -> tuple[os.stat_result, bytes]:
    """Return a file's status and its content, up to one byte more than is taken.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    # Without O_NONBLOCK, a named pipe would hang every scrape.
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return status, file.read(LARGEST_FILE + 1)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_dev,
        status.st_ino,
        status.st_size,
    )


def _summary(files: Mapping[str, _Seen]) -> list[tuple[str, int, bool]]:
    """Return what of the files the watch list shows; the jobs by their list's identity."""
    return [(path, id(seen.jobs), bool(seen.problems)) for path, seen in files.items()]


def _rebased(job: JobRef, target: Target, labels: Sequence[str]) -> JobRef:
    values = dict(job.labels)
    return replace(
        job,
        region_id=target.region_id,
        collection_namespace=target.namespace or DEFAULT_NAMESPACE,
        db_instance_id=target.db_instance_id,
        workspace_id=target.workspace_id,
        labels=tuple((name, values.get(name, "")) for name in labels),
    )
