"""What a source of jobs is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.errors import Problem
from exporter.model import JobRef


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that a source got together, such as those of one file.

    Attributes:
        origin: where they are named, for the log; empty where the source is one place.
        jobs: each once.
    """

    origin: str
    jobs: tuple[JobRef, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source names at one moment.

    Attributes:
        version: another number whenever anything else in here differs.
        batches: in order; of a job that is in two, the first counts.
        problems: what is wrong with the source now.
        file_errors: as in ``model.WatchList``.
    """

    version: int
    batches: tuple[Batch, ...]
    problems: tuple[Problem, ...] = ()
    file_errors: Mapping[str, bool] = field(default_factory=dict)


class JobSource(Protocol):
    """Where jobs are named."""

    @property
    def name(self) -> str:
        """The value of the label ``source``; each of its jobs has it as ``JobRef.source``."""

    def listing(self) -> Listing:
        """Return what it names now. One thread at a time calls it."""
