#!/usr/bin/env python3
"""Announce a job to the exporter: call it right after the operation that started the job.

FOLDER is one that ``job_files`` of the configuration names, with ``/*.yaml`` behind it. Each job
has a file of its own there; remove it when nobody needs to see the job any more. A job id is no
secret: the file is readable for all, since the exporter runs as another user.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn


def announce(
    folder: Path,
    target: str,
    collection: str,
    job_id: str,
    expected_entries: int | None = None,
    labels: Mapping[str, str] | None = None,
    kind: str = "",
) -> Path:
    """Write the job's file, whole or not at all, and return its path.

    Raises:
        OSError: the folder is missing, or cannot be written to.
    """
    job: dict[str, object] = {"target": target, "id": job_id, "collection": collection}
    if kind:
        job["kind"] = kind
    if expected_entries is not None:
        job["expected_entries"] = expected_entries
    if labels:
        job["labels"] = dict(labels)
    # Not the names themselves: they may be long, hold any character, or begin with a dot.
    mark = hashlib.sha256(json.dumps([target, collection, job_id]).encode()).hexdigest()[:16]
    path = folder / f"job-{mark}.yaml"
    # In the same folder, since a rename is atomic only within a file system; without the ending
    # .yaml, so that job_files does not find it half written.
    descriptor, fresh = tempfile.mkstemp(dir=folder, prefix=".announce-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump([job], file, ensure_ascii=False)  # JSON is YAML, with any text well quoted
            os.fchmod(descriptor, 0o644)
            file.flush()
            os.fsync(descriptor)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
    return path


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _text(value: str) -> str:
    """Return a text that the exporter takes as an id or a name."""
    shown = value.encode(errors="surrogateescape")[:60].decode(errors="replace")
    if not value.strip():
        raise argparse.ArgumentTypeError("expected a text, got an empty one")
    if len(value) > 256 or not value.isprintable():
        message = f"expected at most 256 printable characters, got {shown!r}"
        raise argparse.ArgumentTypeError(message)
    return value


def _count(value: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,14}", value):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {value!r}")
    return int(value)


def _label(value: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {value!r}")
    if len(text) > 200 or not (text + " ").isprintable():
        raise argparse.ArgumentTypeError(f"expected at most 200 printable characters for {name}")
    return name, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Announce the job that the command line names. Return the exit code."""
    parser = _Parser(
        prog="announce_job.py",
        description="Write the file of a job into a folder that the exporter watches.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="that job_files names")
    parser.add_argument("target", metavar="TARGET", type=_text, help="its name there")
    parser.add_argument("collection", metavar="COLLECTION", type=_text)
    parser.add_argument("job_id", metavar="JOB_ID", type=_text, help="as that operation gave it")
    parser.add_argument(
        "expected_entries",
        metavar="EXPECTED_ENTRIES",
        type=_count,
        nargs="?",
        help="how many there will be: for a percentage and a deadline",
    )
    parser.add_argument(
        "--kind",
        choices=["upsert_collection_data", "upload_document", "create_index", "graph_rag"],
        default="",
        help="what the job does (default: upsert_collection_data)",
    )
    parser.add_argument(
        "--label",
        metavar="NAME=VALUE",
        type=_label,
        action="append",
        default=[],
        help="a label that job_labels names; may be given several times",
    )
    options = parser.parse_args(arguments)
    job = (options.target, options.collection, options.job_id, options.expected_entries)
    try:
        print(announce(options.folder, *job, dict(options.label), options.kind))
    except FileNotFoundError:
        why = "there is no such folder: create it, and name it in job_files of the exporter"
    except PermissionError:
        why = "this user may not write there: see docs/deployment.md for the folder's group"
    except OSError as error:
        why = f"cannot be written to: {error.strerror}"
    else:
        return 0
    print(f"announce_job.py: {options.folder}: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
