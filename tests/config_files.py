"""The sample files of the configuration and job file tests, and what they are read with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.config import Config
from exporter.errors import Problem
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.jobs import ConfiguredJobs, JobFiles, Registry
from exporter.model import EVERYTHING, JobRef, Shard, Target, WatchList
from exporter.secret import Secret

DATA = Path(__file__).parent / "data"
PLANTED = ("planted", "7351902846")  # every secret in the sample files has one of these in it
ENVIRON = {
    "PASSWORD": "planted-in-the-environment",
    "EMPTY": "",
    "NOT_UTF8": "planted\udcff",
    "COLLECTION": "c d",
    "CALLS": "7",
}
CONFIG = Config(
    job_labels=("team",),
    targets=(
        Target("rag", "cn-hangzhou", Secret("planted"), db_instance_id="gp-1"),
        Target("twin", "cn-hangzhou", Secret("planted"), db_instance_id="gp-1"),
    ),
)


# The same as a file, with job files.
CONFIG_OF_JOB_FILES = """\
job_labels: [team]
targets:
  - name: rag
    region_id: cn-hangzhou
    db_instance_id: gp-1
    namespace_password: ${PASSWORD}
    endpoint: http://127.0.0.1:9
  - name: twin
    region_id: cn-hangzhou
    db_instance_id: gp-1
    namespace_password: ${PASSWORD}
    endpoint: http://127.0.0.1:9
job_files: [jobs/*.yaml]
"""


BROKEN = "- {target: rag, id: 'job-"  # a job file that is cut off


def names(kind: str, pattern: str) -> list[str]:
    """Return the sample files below a folder, in order."""
    return sorted(path.name for path in (DATA / kind).glob(pattern))


BAD_JOB_FILES = names("jobs", "bad-*.yaml")


def told(kind: str, text: str) -> str:
    """Return a message with the sample folder's path left out."""
    return text.replace(f"{DATA / kind}/", "")


def jobs(*ids: str, target: str = "rag") -> str:
    """Return a job file."""
    return "".join(f"- {{target: {target}, id: {each}, collection: c}}\n" for each in ids)


def configured(folder: Path, *ids: str, **changes: object) -> Config:
    """Return a configuration with a folder of job files, and jobs of its own."""
    own = tuple(
        JobRef(
            "rag",
            "cn-hangzhou",
            each,
            "c",
            db_instance_id="gp-1",
            labels=(("team", ""),),
            kind=UPSERT_COLLECTION_DATA,
        )
        for each in ids
    )
    config = replace(CONFIG, jobs=own, job_files=(str(folder / "*.yaml"),))
    return replace(config, **changes)  # type: ignore[arg-type]


class Watched:
    """The registry of a configuration and its job files.

    Args:
        config: of them.
        previous: of the configuration before a reload.
        shard: which of the jobs.
        options: of ``JobFiles``.
    """

    def __init__(
        self,
        config: Config,
        previous: "Watched | None" = None,
        *,
        shard: Shard = EVERYTHING,
        **options: Any,
    ) -> None:
        files: JobFiles | None = previous.files if previous else None
        registry: Registry | None = previous.registry if previous else None
        self.files: JobFiles = JobFiles(config, files, **options)
        sources = (ConfiguredJobs(config), self.files)
        self.registry: Registry = Registry(config, sources, previous=registry, shard=shard)

    def current(self) -> WatchList:
        """Read the files, and return what the registry says then."""
        self.files.refresh()
        return self.registry.current(lambda _identity, _target: None)

    def problems(self) -> tuple[Problem, ...]:
        """Read the files, and return what the registry says then."""
        self.files.refresh()
        return self.registry.problems()


def ids(watched: WatchList) -> list[str]:
    """Return the jobs that are watched, in order."""
    return [job.job_id for job in watched.jobs]


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return what was logged at a level."""
    return [record.message for record in caplog.records if record.levelno == level]
