"""The commands ``announce`` and ``forget``: for pipelines of any language."""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from exporter import pipeline
from exporter.cli.printing import plain
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.model import Unit
from exporter.pipeline import Answer, Outcome

_TIMEOUT = 10.0  # seconds
# Of a folder; a disk that is full is none of the pipeline's.
_MISTAKES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def announce(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Announce a job by HTTP or by a job file, and return the exit code."""
    if _lacks_token(options):
        return 2
    facts = {
        "target": options.target,
        "id": options.id,
        "collection": options.collection,
        "kind": options.kind,
        "expected_entries": options.expected_entries,
        "deadline": options.deadline,
        "labels": dict(options.labels),
    }
    job = {name: value for name, value in facts.items() if value}
    kind = options.kind or DEFAULT_KIND
    if options.file is not None:
        try:
            job["expected_entries"] = _lines(options.file)
        except OSError as error:
            return _ended(options, Answer(Outcome.REFUSED, f"{options.file}: {error.strerror}"))
    if options.job_folder and "expected_entries" in job and KINDS[kind].unit is Unit.PERCENT:
        message = f"a job of kind {kind} has a percentage and no entries: leave the number out"
        answer = Answer(Outcome.REFUSED, message)
    elif options.job_folder:
        answer = _written(options.job_folder, job)
    else:
        answer = pipeline.submit(
            job, url=options.url, token_file=options.token_file, timeout=_TIMEOUT
        )
    return _ended(options, answer)


def forget(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Have a job watched no longer, and return the exit code."""
    if _lacks_token(options):
        return 2
    if options.job_folder:
        answer = _removed(_job_file(options.job_folder, options.target, options.id))
    else:
        answer = pipeline.withdraw(
            options.id,
            options.target,
            url=options.url,
            token_file=options.token_file,
            timeout=_TIMEOUT,
        )
    return _ended(options, answer)


def _lacks_token(options: argparse.Namespace) -> bool:
    """Say so where the flags do not go together: a job file takes no token, a URL one."""
    if bool(options.url) == bool(options.token_file):
        return False
    print("adbpg-job-exporter: --token-file goes with --url, and only with it", file=sys.stderr)
    return True


def _ended(options: argparse.Namespace, answer: Answer) -> int:
    """Say what went wrong. An exporter that is away fails a pipeline only where that is wanted."""
    if answer.outcome is Outcome.ACCEPTED:
        return 0
    is_refused = answer.outcome is Outcome.REFUSED
    level = "" if is_refused else "warning: "
    print(f"adbpg-job-exporter: {level}{plain(answer.message)}", file=sys.stderr)
    return 1 if is_refused or options.strict else 0


def _lines(path: str) -> int:
    """Return how many lines of a file have something on them: each is a vector.

    Raises:
        OSError: the file cannot be read, or has none.
    """
    with Path(path).open("rb") as file:
        lines = sum(not line.isspace() for line in file)
    if not lines:
        raise OSError(0, "expected lines, one for each vector, but there is none")
    return lines


def _job_file(folder: str, target: str, job_id: str) -> Path:
    """Return the path of a job's own file.

    The names are readable where they can be, and the hash keeps two apart whatever they are.
    """
    mark = hashlib.sha256(json.dumps([target, job_id]).encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{target}-{job_id}")[:120].lstrip("-")
    return Path(folder) / f"{readable}-{mark}.yaml"


def _written(folder: str, job: Mapping[str, object]) -> Answer:
    """Write a job's file, whole or not at all."""
    path = _job_file(folder, str(job["target"]), str(job["id"]))
    try:
        # In the same folder, since a rename is atomic only within a file system; without the
        # ending .yaml, so that job_files does not find it half written.
        descriptor, fresh = tempfile.mkstemp(dir=folder, prefix=".announce-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                # JSON is YAML, with any text well quoted. A job id is no secret, and the exporter
                # runs as another user.
                json.dump([job], file, ensure_ascii=False)
                os.fchmod(descriptor, 0o644)
                file.flush()
                os.fsync(descriptor)
            Path(fresh).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(fresh).unlink()
            raise
    except OSError as error:
        return _failed(folder, error)
    return Answer(Outcome.ACCEPTED)


def _removed(path: Path) -> Answer:
    try:
        if path.parent.stat():
            path.unlink(missing_ok=True)
    except OSError as error:
        return _failed(str(path.parent), error)
    return Answer(Outcome.ACCEPTED)


def _failed(folder: str, error: OSError) -> Answer:
    why = error.strerror
    if isinstance(error, FileNotFoundError):
        why = "there is no such folder: create it, and name it in job_files of the exporter"
    elif isinstance(error, PermissionError):
        why = "this user may not write there: docs/deployment.md says how pipelines may"
    outcome = Outcome.REFUSED if isinstance(error, _MISTAKES) else Outcome.AWAY
    return Answer(outcome, f"--job-file={folder}: {why}")
