"""Airflow: a task starts an upload and announces it, the next one waits for its end.

The second task fails where the job does, with the API's error text in its log. Airflow must not try
the first one again for it: what failed is the job, and not the start.
"""

import os
import subprocess

from airflow.sdk import dag, task  # of Airflow 3; of Airflow 2: from airflow.decorators import …


@task(retries=0)
def start() -> str:
    """Start the upload, and return the job's id."""
    from upload import main_client, upload  # noqa: PLC0415  upload.py beside this file

    return str(upload(main_client(), os.environ["COLLECTION"], os.environ["FILE_URL"]))


@task(retries=0)
def wait(job_id: str) -> None:
    """End as the job does."""
    command = ["adbpg-job-exporter", "wait", job_id, "--target=rag-prod"]
    subprocess.run([*command, f"--collection={os.environ['COLLECTION']}"], check=True)


@dag(schedule="@daily", catchup=False)
def nightly_upload() -> None:
    """Upload each night."""
    wait(start())


nightly_upload()
