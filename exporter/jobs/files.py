"""Job files: lists of jobs that other programs write.

A look at files that have not changed costs a listing of their folders and a stat of some. A file
that is new, or that was replaced by a rename, is noticed at once, by its folder's entry. An edit in
place shows in the file's own stat only: up to ``_STATS`` of those are made at a look, in turns.
"""

import hashlib
import itertools
import logging
import operator
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from exporter.config import Config, JobFile, read_job_file
from exporter.config.yaml_source import LARGEST_FILE
from exporter.errors import ConfigurationError, Problem
from exporter.files import fingerprint, read_here
from exporter.jobs.patterns import UNTRUSTED, Found, Pattern
from exporter.jobs.source import Batch, Listing
from exporter.model import JobRef, PatternReport

_log = logging.getLogger(__name__)

# A file that changes twice within one tick of its clock looks the same after the second time.
# Network file systems tick in seconds.
_SETTLED: Final = 3_000_000_000  # nanoseconds
_STATS: Final = 2_000  # files that are looked at although their folder's entry is the same
_SHARE: Final = 500  # files that are read before the list so far is shown
_MOST_ERRORS: Final = 100  # of files with a series of their own, and log lines of a look
_TRIES: Final = 3  # to follow a symlink that is being swapped
_PATIENCE: Final = 60.0  # seconds without progress, after which the file system is taken for dead


@dataclass(frozen=True, slots=True)
class _FileState:
    """What we know of one job file.

    Attributes:
        fingerprint: of the file; None forces a re-read.
        inode: by its folder's entry; ``UNTRUSTED`` where that does not show a replacement.
        digest: of its content; empty if it could not be read.
        jobs: of its last good content, entry by entry.
        problems: of its content now; empty if it is good.
        warnings: likewise.
        has_failed: there were problems since it was first read.
    """

    fingerprint: tuple[int, ...] | None = None
    inode: int = UNTRUSTED
    digest: bytes = b""
    jobs: tuple[JobRef, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    has_failed: bool = False

    def shows_as(self, other: "_FileState | None") -> bool:
        """Whether all that others see of the file is the same."""
        return other is self or (
            other is not None
            and self.digest == other.digest
            and self.jobs == other.jobs
            and self.problems == other.problems
        )


class _Changes:
    """What one look found to be different, for one line in the log."""

    def __init__(self) -> None:
        self._files = {"files_new": 0, "files_gone": 0, "files_changed": 0}
        self._jobs = {"jobs_new": 0, "jobs_gone": 0}
        self._first = ""

    @property
    def files(self) -> int:
        """How many files differ."""
        return sum(self._files.values())

    def note(self, path: str, before: _FileState | None, after: _FileState | None) -> bool:
        """Compare what was and is known of a file. Return whether it differs."""
        if before is after or (after is not None and after.shows_as(before)):
            return False
        kind = "files_gone" if after is None else "files_changed" if before else "files_new"
        self._files[kind] += 1
        self._first = self._first or path
        old = {job.identity for job in before.jobs} if before else set()
        new = {job.identity for job in after.jobs} if after else set()
        self._jobs["jobs_new"] += len(new - old)
        self._jobs["jobs_gone"] += len(old - new)
        return True

    def log(self) -> None:
        """Log the line, if there is something to say."""
        if self._first:
            facts = {name: number for name, number in (self._files | self._jobs).items() if number}
            _log.info("job files changed", extra={**facts, "file": self._first})


class JobFiles:
    """The job files that match the patterns of a configuration.

    Args:
        config: which files there are, and the targets and labels that they may use.
        previous: of the configuration before a reload; hands over the last good list of each
            file, which stays until the file is read.
        clock: the wall clock, in nanoseconds.
        monotonic: seconds.
        read: opens and reads a file; ``read_regular_file`` by default.
    """

    name: Final = "file"

    def __init__(
        self,
        config: Config,
        previous: "JobFiles | None" = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        read: Callable[[str], tuple[os.stat_result, bytes]] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._read = read or read_regular_file
        self._patterns = [Pattern(text) for text in config.job_files]
        self._found = [Found({}) for _ in self._patterns]
        self._is_new = True
        self._paths: dict[str, int] = {}  # the inodes of all files to look at, in order
        handed_over = previous.last_good(config) if previous else {}
        self._states = {path: _FileState(jobs=jobs) for path, jobs in handed_over.items()}
        self._failed_patterns: set[str] = set()
        self._turn = 0  # where the files begin that are looked at next
        self._lines = 0  # logged in this look
        self._refreshing = threading.Lock()
        self._progress_at: float | None = None  # monotonic seconds; None between two looks
        self._versions = itertools.count(1)
        self._listing = self._listed(self._states)
        self._stuck: tuple[Listing, Listing] | None = None

    def refresh(self) -> None:
        """Look at all files, and read those that have changed."""
        with self._refreshing:
            try:
                self._progress_at = self._monotonic()
                self._refresh()
            finally:
                self._progress_at = None

    def listing(self) -> Listing:
        """Return what the files list; those of the last look, or of what is done of the next."""
        at = self._progress_at
        if at is None or self._monotonic() - at < _PATIENCE:
            return self._listing
        return self._listing_of_a_dead_file_system(self._listing)

    def last_good(self, config: Config) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, as it reads with another configuration."""
        targets = {target.name: target for target in config.targets}
        return {
            path: tuple(
                targets[job.target].rebased(job, config.job_labels)
                for job in jobs
                if job.target in targets
            )
            for path, jobs in self.lists().items()
        }

    def lists(self) -> dict[str, tuple[JobRef, ...]]:
        """Return each file's last good list, by path."""
        return {path: state.jobs for path, state in self._states.items()}

    def _refresh(self) -> None:
        self._lines = 0
        found = [pattern.find() for pattern in self._patterns]
        differs = self._is_new or any(map(operator.is_not, found, self._found))
        if differs:
            self._log_patterns(found)
            self._found = found
            self._paths = self._to_look_at()
        before, changes = self._states, _Changes()
        self._states = self._look_at_all(before, changes)
        for path in before.keys() - self._states.keys():
            changes.note(path, before[path], None)
        if differs or changes.files:
            self._listing = self._listed(self._states)
        if self._lines > _MOST_ERRORS:
            more = self._lines - _MOST_ERRORS
            _log.warning("more is wrong with job files", extra={"not_shown": more})
        if not self._is_new:
            changes.log()
        self._is_new = False

    def _look_at_all(
        self, before: Mapping[str, _FileState], changes: _Changes
    ) -> dict[str, _FileState]:
        after: dict[str, _FileState] = {}
        due = self._due()
        for path, inode in self._paths.items():
            known = before.get(path)
            if known is not None and inode and known.inode == inode and path not in due:
                after[path] = known
                continue
            state = self._looked_at(path, inode, known)
            if state is not None:
                after[path] = state
            if changes.note(path, known, state) and changes.files % _SHARE == 0:
                self._progress_at = self._monotonic()
                self._listing = self._listed({**before, **after})
        return after

    def _due(self) -> set[str]:
        """Return the files whose turn it is to be looked at, whatever their folder says."""
        paths = itertools.chain(self._paths, self._paths)
        due = set(itertools.islice(paths, self._turn, self._turn + _STATS))
        self._turn = (self._turn + _STATS) % max(1, len(self._paths))
        return due

    def _to_look_at(self) -> dict[str, int]:
        """Return the files that are found, and those that may be in unreadable folders."""
        paths = {path: inode for each in self._found for path, inode in each.files.items()}
        unreadable = [each for each in self._found if each.unreadable]
        for path in self._states.keys() - paths.keys() if unreadable else ():
            if any(each.may_hold(path) for each in unreadable):
                paths[path] = UNTRUSTED
        return dict(sorted(paths.items()))

    def _looked_at(self, path: str, inode: int, known: _FileState | None) -> _FileState | None:
        """Return what is known of a file now; None if it is gone, or is a folder that matches."""
        for _ in range(_TRIES):
            try:
                status = os.stat(path)  # noqa: PTH116  Path costs as much again
                if stat.S_ISDIR(status.st_mode):
                    return known if self._may_be_there(path) else None
                inode = inode if inode == status.st_ino else UNTRUSTED
                if known is not None and known.fingerprint == fingerprint(status):
                    return known if known.inode == inode else replace(known, inode=inode)
                status, data = self._read(path)
            except FileNotFoundError:
                if not os.path.lexists(path):
                    return known if self._may_be_there(path) else None
            except OSError as error:
                return self._unreadable(path, known, f"cannot be read: {error.strerror}")
            else:
                return self._taken(path, inode, known, status, data)
        return self._unreadable(path, known, "cannot be read: a symlink to what does not exist")

    def _may_be_there(self, path: str) -> bool:
        """Whether no pattern finds a file, though it may be in a folder that cannot be listed."""
        return not _is_found(path, self._found) and any(f.may_hold(path) for f in self._found)

    def _unreadable(self, path: str, known: _FileState | None, why: str) -> _FileState | None:
        if self._may_be_there(path):  # its folder is the problem, and reported as such
            return known
        digest = why.encode()
        if known is not None and known.digest == digest:
            return known
        problem = Problem(path, 0, 0, "", why)
        self._log(logging.ERROR, "job file cannot be used", problem)
        jobs = known.jobs if known else ()
        return _FileState(digest=digest, jobs=jobs, problems=(problem,), has_failed=True)

    def _taken(
        self,
        path: str,
        inode: int,
        known: _FileState | None,
        status: os.stat_result,
        data: bytes,
    ) -> _FileState:
        """Return what is known of a file that was read."""
        is_settled = self._clock() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED
        settled = fingerprint(status) if is_settled else None
        inode = inode if is_settled else UNTRUSTED
        digest = hashlib.sha256(data).digest()
        if known is not None and known.digest == digest:
            return replace(known, fingerprint=settled, inode=inode)
        known = known or _FileState()
        try:
            file = read_job_file(path, data, self._config, self.name)
        except ConfigurationError as error:
            file = JobFile(problems=error.problems)
            jobs = known.jobs
        else:
            jobs = (*file.jobs, *_still_good(known.jobs, file))
        for problem in file.problems:
            self._log(logging.ERROR, "job file refused", problem)
        for warning in file.warnings:
            self._log(logging.WARNING, "job file", warning)
        if known.problems and not file.problems:
            _log.info("job file is good again", extra={"file": path, "jobs": len(jobs)})
        return _FileState(
            settled,
            inode,
            digest,
            jobs,
            file.problems,
            file.warnings,
            known.has_failed or bool(file.problems),
        )

    def _log(self, level: int, message: str, problem: Problem) -> None:
        self._lines += 1
        if self._lines <= _MOST_ERRORS:
            _log.log(level, message, extra={"problem": str(problem)})

    def _log_patterns(self, found: Sequence[Found]) -> None:
        """Log which patterns cannot be read any more, or can be again."""
        for pattern, old, new in zip(self._patterns, self._found, found, strict=True):
            if new.unreadable and new.unreadable != old.unreadable:
                self._failed_patterns.add(pattern.text)
                for folder, why in itertools.islice(new.unreadable.items(), _MOST_ERRORS):
                    self._log(
                        logging.ERROR,
                        "job files cannot be found: the last list stays",
                        Problem(folder, 0, 0, "", why),
                    )
            if old.unreadable and not new.unreadable:
                facts = {"pattern": pattern.text, "files": len(new.files)}
                _log.info("job files can be found again", extra=facts)

    def _listed(self, states: Mapping[str, _FileState]) -> Listing:
        shown = dict(sorted(states.items()))
        patterns = tuple(
            _report(pattern, found, shown, self._found)
            for pattern, found in zip(self._patterns, self._found, strict=True)
        )
        return Listing(
            next(self._versions),
            tuple(Batch(path, state.jobs) for path, state in shown.items()),
            tuple(problem for state in shown.values() for problem in state.problems),
            tuple(
                itertools.chain(
                    _warnings(patterns, self._found),
                    (warning for state in shown.values() for warning in state.warnings),
                )
            ),
            _errors(patterns, self._failed_patterns, shown),
            patterns,
        )

    def _listing_of_a_dead_file_system(self, last: Listing) -> Listing:
        if self._stuck is None or self._stuck[0] is not last:
            why = f"the file system has not answered for {_PATIENCE:.0f} seconds"
            _log.error("job files cannot be read: the last list stays", extra={"error": why})
            self._failed_patterns |= {pattern.text for pattern in self._patterns}
            patterns = tuple(replace(report, error=why) for report in last.patterns)
            errors = dict(last.file_errors) | dict.fromkeys((p.pattern for p in patterns), True)
            stuck = replace(
                last, version=next(self._versions), file_errors=errors, patterns=patterns
            )
            self._stuck = last, stuck
        return self._stuck[1]


def _still_good(before: Iterable[JobRef], file: JobFile) -> list[JobRef]:
    """Return the jobs of before whose entries are wrong now: as they were."""
    ids = {job.job_id for job in file.jobs}
    return [job for job in before if job.job_id in file.left_out and job.job_id not in ids]


def _is_found(path: str, found: Iterable[Found]) -> bool:
    return any(path in each.files for each in found)


def _report(
    pattern: Pattern,
    found: Found,
    states: Mapping[str, _FileState],
    all_found: Sequence[Found],
) -> PatternReport:
    paths = [path for path in found.files if path in states]
    if found.unreadable:
        paths += [p for p in states if found.may_hold(p) and not _is_found(p, all_found)]
    return PatternReport(
        pattern.text,
        len(paths),
        sum(bool(states[path].problems) for path in paths),
        "; ".join(
            f"{folder} {why}" for folder, why in itertools.islice(found.unreadable.items(), 3)
        ),
    )


def _warnings(reports: Sequence[PatternReport], found: Sequence[Found]) -> Iterable[Problem]:
    """Yield what check-config has to say about the patterns."""
    for report, matches in zip(reports, found, strict=True):
        message = report.error
        if not report.files and not message:
            message = "matches no file"
            if matches.folders:
                message += f", but a folder: expected files, such as {matches.folders[0]}/*.yaml"
        if message:
            yield Problem(report.pattern, 0, 0, "job_files", message)


def _errors(
    patterns: Sequence[PatternReport],
    failed_patterns: set[str],
    states: Mapping[str, _FileState],
) -> dict[str, bool]:
    errors = {p.pattern: bool(p.error) for p in patterns if p.pattern in failed_patterns}
    broken = [path for path, state in states.items() if state.problems]
    mended = [path for path, state in states.items() if state.has_failed and not state.problems]
    for path in broken:
        errors[path] = True
    for path in mended:
        errors.setdefault(path, False)
    worst_first = sorted(errors.items(), key=lambda item: not item[1])
    return dict(worst_first[:_MOST_ERRORS])


def read_regular_file(path: str) -> tuple[os.stat_result, bytes]:
    """Return a file's status and its content, up to one byte more than is taken.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    return read_here(path, LARGEST_FILE + 1, regular=True)
