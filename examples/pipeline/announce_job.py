#!/usr/bin/env python3
"""Tell the exporter of an upload job: call it right after UpsertCollectionDataAsync.

    announce_job.py FOLDER TARGET COLLECTION JOB_ID [EXPECTED_ENTRIES]

FOLDER is one that ``job_files`` of the configuration names, with ``/*.yaml`` behind it. Each job
has a file of its own there; take it away when nobody needs to see the job any more. A job id is
no secret: the file is readable for all, since the exporter runs as another user.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path


def announce(
    folder: Path, target: str, collection: str, job_id: str, expected_entries: int | None = None
) -> Path:
    """Write the job's file, whole or not at all, and return its path."""
    job: dict[str, object] = {"target": target, "id": job_id, "collection": collection}
    if expected_entries is not None:
        job["expected_entries"] = expected_entries
    # Not the names themselves: they may be long, hold any character, or begin with a dot.
    mark = hashlib.sha256(json.dumps([target, collection, job_id]).encode()).hexdigest()[:16]
    path = folder / f"job-{mark}.yaml"
    # In the same folder, since a rename is atomic only within a file system; without the ending
    # .yaml, so that job_files does not find it half written.
    descriptor, fresh = tempfile.mkstemp(dir=folder, prefix=".announce-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump([job], file, ensure_ascii=False)  # JSON is YAML, with any text well quoted
        os.fchmod(descriptor, 0o644)
        file.flush()
        os.fsync(descriptor)
    Path(fresh).replace(path)
    return path


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit("usage: announce_job.py FOLDER TARGET COLLECTION JOB_ID [EXPECTED_ENTRIES]")
    folder, target, collection, job_id, *total = sys.argv[1:]
    print(announce(Path(folder), target, collection, job_id, *map(int, total)))
