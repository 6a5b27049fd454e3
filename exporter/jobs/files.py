"""Job files: lists of jobs that other programs write.

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
from exporter.jobs.source import Batch, Listing
from exporter.model import DEFAULT_NAMESPACE, JobRef, Target

_log = logging.getLogger(__name__)

# A file that changes twice within one tick of its clock looks the same after the second time.
# Network file systems tick in seconds.
_SETTLED: Final = 3_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class _FileState:
    """What we know of one job file.

    Attributes:
        fingerprint: of its stat; None forces a re-read.
        digest: of its content; empty if it could not be read.
        jobs: of its last good content.
        problems: of its content now; empty if it is good.
        is_missing: it was listed, but was not there when we came to it.
    """

    fingerprint: tuple[int, ...] | None = None
    digest: bytes = b""
    jobs: tuple[JobRef, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_missing: bool = False


class JobFiles:
    """The job files that match the patterns of a configuration.

    Args:
        config: which files there are, and the targets and labels that they may use.
        previous: of the configuration before a reload; hands over the last good list of each file
            that is broken now.
        clock: the wall clock, in nanoseconds.
        read: opens and reads a file; ``read_regular_file`` by default.
    """

    name: Final = "file"

    def __init__(
        self,
        config: Config,
        previous: "JobFiles | None" = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        read: Callable[[str], tuple[os.stat_result, bytes]] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._read = read or read_regular_file
        self._lock = threading.Lock()  # a reload looks at what a scrape may be changing
        handed_over = previous.last_good(config) if previous else {}
        self._files = {path: _FileState(jobs=jobs) for path, jobs in handed_over.items()}
        self._listing = Listing(0, ())

    def listing(self) -> Listing:
        """Return what the files list now."""
        with self._lock:
            if self._look() or not self._listing.version:
                self._listing = Listing(
                    self._listing.version + 1,
                    tuple(Batch(path, state.jobs) for path, state in self._files.items()),
                    tuple(p for state in self._files.values() for p in state.problems),
                    {path: bool(state.problems) for path, state in self._files.items()},
                )
            return self._listing

    def last_good(self, config: Config) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, as it reads with another configuration."""
        targets = {target.name: target for target in config.targets}
        with self._lock:
            return {
                path: tuple(
                    _rebased(job, targets[job.target], config.job_labels)
                    for job in state.jobs
                    if job.target in targets
                )
                for path, state in self._files.items()
            }

    def lists(self) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, by path."""
        with self._lock:
            return {path: state.jobs for path, state in self._files.items()}

    def _look(self) -> bool:
        """Bring ``_files`` up to date. Return whether anything is different."""
        before = self._files
        looked = {path: self._looked_at(path, before.get(path)) for path in self._paths()}
        self._files = {path: state for path, state in looked.items() if state is not None}
        return _summary(before) != _summary(self._files)

    def _paths(self) -> list[str]:
        patterns = self._config.job_files
        return sorted({path for pattern in patterns for path in glob.glob(pattern)})  # noqa: PTH207  Path.glob takes no absolute pattern

    def _looked_at(self, path: str, known: _FileState | None) -> _FileState | None:
        """Return what is known of a file now; None if it is gone, or is a directory."""
        try:
            status = Path(path).stat()
            if stat.S_ISDIR(status.st_mode):
                return None
            if known is not None and known.fingerprint == _fingerprint(status):
                return known
            status, data = self._read(path)
        except FileNotFoundError:
            # Perhaps just now, or a symlink is being swapped: gone if it is so the next time too.
            if known is None or known.is_missing:
                return None
            return replace(known, fingerprint=None, is_missing=True)
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
            return self._broken(known, None, why.encode(), [Problem(path, 0, 0, "", why)])
        return self._taken(path, known, status, data)

    def _taken(
        self, path: str, known: _FileState | None, status: os.stat_result, data: bytes
    ) -> _FileState:
        """Return what is known of a file that was read."""
        is_settled = self._clock() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED
        fingerprint = _fingerprint(status) if is_settled else None
        digest = hashlib.sha256(data).digest()
        if known is not None and known.digest == digest:
            return replace(known, fingerprint=fingerprint, is_missing=False)
        try:
            jobs = read_job_file(path, data, self._config, self.name)
        except ConfigurationError as error:
            return self._broken(known, fingerprint, digest, error.problems)
        if known is not None and known.problems:
            _log.info("job file is good again", extra={"file": path, "jobs": len(jobs)})
        return _FileState(fingerprint, digest, jobs)

    def _broken(
        self,
        known: _FileState | None,
        fingerprint: tuple[int, ...] | None,
        digest: bytes,
        problems: Sequence[Problem],
    ) -> _FileState:
        """Return what is known of a file that cannot be used: its last good list stays."""
        if known is None or known.digest != digest:
            for problem in problems:
                _log.error("job file refused", extra={"problem": str(problem)})
        return _FileState(fingerprint, digest, known.jobs if known else (), tuple(problems))


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


def _fingerprint(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_dev,
        status.st_ino,
        status.st_size,
    )


def _summary(files: Mapping[str, _FileState]) -> list[tuple[str, int, bool]]:
    """Return what of the files the watch list shows; the jobs by their list's identity."""
    return [(path, id(state.jobs), bool(state.problems)) for path, state in files.items()]


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
