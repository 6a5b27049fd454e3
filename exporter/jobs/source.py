"""What a source of jobs is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.errors import Problem
from exporter.model import JobRef, PatternReport


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
        problems: what is wrong with the source now, so that jobs are left out.
        warnings: what is unwise, or cannot be found out.
        file_errors: as in ``model.WatchList``.
        patterns: as in ``model.WatchList``.
    """

    version: int
    batches: tuple[Batch, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    file_errors: Mapping[str, bool] = field(default_factory=dict)
    patterns: tuple[PatternReport, ...] = ()


class JobSource(Protocol):
    """Where jobs are named."""

    @property
    def name(self) -> str:
        """The value of the label ``source``; each of its jobs has it as ``JobRef.source``."""

    def refresh(self) -> None:
        """Look for what is named now. It may take long; one thread at a time calls it."""

    def listing(self) -> Listing:
        """Return what is known to be named, at once. Any thread may call it, also meanwhile."""
