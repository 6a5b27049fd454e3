"""Where targets and jobs stand in their files, for what is found out about them later."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

from exporter.config import yaml_file, yaml_source
from exporter.config.locations import Location
from exporter.config.settings import Config
from exporter.config.yaml_source import Node
from exporter.errors import ConfigurationError, Problem
from exporter.model import JobRef


class Located:
    """The places in a configuration and its job files. Read anew: no record carries its place.

    A file that was changed meanwhile, so that it cannot be read, has no places.

    Args:
        path: of the configuration.
        config: that was read from there.
        lists: the jobs of each job file by its path, in the file's order.
    """

    def __init__(
        self, path: str, config: Config, lists: Mapping[str, Sequence[JobRef]] | None = None
    ) -> None:
        self._path = path
        self._root = Location(_parsed(path))
        self._targets = {
            target.name: _item(self._root.child("targets"), index)
            for index, target in enumerate(config.targets)
        }
        self._jobs: dict[tuple[str, ...], tuple[str, Location]] = {}
        for file, jobs in (lists or {}).items():
            root = Location(_parsed(file))
            for index, job in enumerate(jobs):
                self._jobs[job.identity] = (file, _item(root, index))
        self._add_configured(config.jobs)

    def _add_configured(self, jobs: Sequence[JobRef]) -> None:
        of_target: dict[str, list[JobRef]] = defaultdict(list)
        for job in jobs:
            of_target[job.target].append(job)
        for name, its in of_target.items():
            entries = self._targets[name].child("jobs")
            for index, job in enumerate(its):
                self._jobs[job.identity] = (self._path, _item(entries, index))

    def of_job(self, job: JobRef, message: str) -> Problem:
        """Return a problem with a job."""
        file, place = self._jobs.get(job.identity, (self._path, self._targets[job.target]))
        return _problem(file, place, message)

    def of_target(self, name: str, keys: Sequence[str], message: str) -> Problem:
        """Return a problem with a target.

        Args:
            name: of the target.
            keys: of the target; the first that is given, or else the first, is the place. Without
                any it is the target as a whole.
            message: what is wrong.
        """
        return _problem(self._path, _below(self._targets[name], keys), message)

    def of_all(self, key: str, message: str) -> Problem:
        """Return a problem with a top-level key, or with an empty one for none."""
        root = self._root.node
        if isinstance(root, yaml_source.Mapping) and key in root.entries:
            return _problem(self._path, self._root.child(key), message)
        return Problem(self._path, 0, 0, key, message)


def _parsed(path: str) -> Node | None:
    with suppress(ConfigurationError):
        return yaml_file.read(path)
    return None


def _item(parent: Location, index: int) -> Location:
    node = parent.node
    if isinstance(node, yaml_source.Sequence) and index < len(node.items):
        return Location(node.items[index], parent, index)
    return Location(None, parent, index)


def _below(place: Location, keys: Sequence[str]) -> Location:
    if not keys:
        return place
    given = place.node.entries if isinstance(place.node, yaml_source.Mapping) else {}
    return place.child(next((key for key in keys if key in given), keys[0]))


def _problem(file: str, place: Location, message: str) -> Problem:
    line, column = (place.node.line, place.node.column) if place.node else (0, 0)
    return Problem(file, line, column, place.path, message)
