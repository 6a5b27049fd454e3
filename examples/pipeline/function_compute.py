"""Function Compute: a handler that starts an upload, announces it, and ends as the job does.

Give the function a timeout that the job fits into, and let it be invoked asynchronously: its
destination on failure then hears of an upload that failed. For longer jobs return the id, and leave
the end to the exporter's alerts.
"""

import json
import os
import subprocess

from upload import main_client, upload  # upload.py beside this file


def handler(event: bytes, _context: object) -> str:
    """Upload the file that the event names, and return the job's id.

    Raises:
        RuntimeError: the job has not ended well; with what `wait` says of it.
    """
    file_url = json.loads(event)["file_url"]
    job_id = upload(main_client(), os.environ["COLLECTION"], file_url)
    command = ["adbpg-job-exporter", "wait", job_id, "--target=rag-prod"]
    done = subprocess.run(
        [*command, f"--collection={os.environ['COLLECTION']}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return job_id
