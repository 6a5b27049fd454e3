"""Where a value stands, and the list of what is wrong with it."""

import re
from collections.abc import Collection, Iterable
from typing import ClassVar, Final

from exporter.config.yaml_source import Mapping, Node, Scalar
from exporter.errors import ConfigurationError, Problem

MOST_PROBLEMS: Final = 100  # more are of no help, and a hostile file could hold millions
_LONGEST_SHOWN: Final = 60  # characters
_PERHAPS_SECRET: Final = re.compile(r":\s|[\r\n]|(?i:password|secret|token|proxy|endpoint|://)")


# No dataclass, which pydantic would look into. One is made for every value of a file.
class Location:
    """A node and the way to it. It is not printed: the node may hold a secret.

    Attributes:
        node: None for a value that does not come from a file.
        parent: of the list or mapping around it; None for the root.
        key: its name or its index there; empty for a name that is not shown.
    """

    __slots__ = ("key", "node", "parent")

    NOWHERE: ClassVar["Location"]

    def __init__(
        self, node: Node | None, parent: "Location | None" = None, key: str | int = ""
    ) -> None:
        self.node = node
        self.parent = parent
        self.key = key

    @property
    def path(self) -> str:
        """The way from the root such as ``targets[0].jobs[1].id``."""
        if self.parent is None:
            return ""
        before = self.parent.path
        if isinstance(self.key, int):
            return f"{before}[{self.key}]"
        if not self.key:
            return before
        return f"{before}.{self.key}" if before else self.key

    def child(self, key: str) -> "Location":
        """Return the place of a key; where it is not given, that of the mapping it misses from."""
        node = self.node
        if isinstance(node, Mapping):
            node = node.entries.get(key, node)
        return Location(node, self, key)


Location.NOWHERE = Location(None)


class Report:
    """Collects problems and warnings of one file.

    Args:
        file: its path.
        stops: whether the reading of the file ends once there are too many problems. Otherwise
            the further ones are counted only.

    Attributes:
        count: how many problems there are, those that are not shown included.
    """

    def __init__(self, file: str, *, stops: bool = True) -> None:
        self.count = 0
        self._file = file
        self._stops = stops
        self._problems: list[Problem] = []
        self._missing: list[tuple[frozenset[str], Problem]] = []
        self._misplaced: set[str] = set()
        self._warnings: list[Problem] = []

    def problem(self, place: Location, message: str) -> None:
        """Note a mistake.

        Raises:
            ConfigurationError: there are so many that the rest does not matter.
        """
        if not self.is_full:
            self._problems.append(self._located(place, message))
        self._count(place)

    def missing(self, place: Location, names: Collection[str], message: str) -> None:
        """Note that one of these keys should be given. Dropped if it stands where it cannot be.

        Raises:
            ConfigurationError: as ``problem``.
        """
        if not self.is_full:
            self._missing.append((frozenset(names), self._located(place, message)))
        self._count(place)

    def misplaced(self, names: Iterable[str]) -> None:
        """Note that these keys stand where they cannot be, which is reported as a problem."""
        self._misplaced.update(names)

    @property
    def is_full(self) -> bool:
        """Whether a further problem would not be shown."""
        return self.count >= MOST_PROBLEMS

    def _count(self, place: Location) -> None:
        self.count += 1
        if self.count == MOST_PROBLEMS:
            self._problems.append(self._located(place, "too many problems: the rest is not shown"))
            if self._stops:
                self.finish()

    def warn(self, place: Location, message: str) -> None:
        """Note something that is not wrong, but unwise."""
        if len(self._warnings) < MOST_PROBLEMS:
            self._warnings.append(self._located(place, message))

    def settle(self) -> None:
        """End a part of the file: what is misplaced in it is not missing from another part."""
        self._problems += [t for names, t in self._missing if names.isdisjoint(self._misplaced)]
        self._missing.clear()
        self._misplaced.clear()

    def finish(self) -> tuple[Problem, ...]:
        """Return the warnings.

        Raises:
            ConfigurationError: there are problems.
        """
        if problems := self.problems():
            raise ConfigurationError(problems)
        return self.warnings()

    def problems(self) -> tuple[Problem, ...]:
        """Return the problems, in the file's order."""
        self.settle()
        return tuple(sorted(self._problems))

    def warnings(self) -> tuple[Problem, ...]:
        """Return what is not wrong, but unwise, in the file's order."""
        return tuple(sorted(self._warnings))

    def _located(self, place: Location, message: str) -> Problem:
        line, column = (place.node.line, place.node.column) if place.node else (1, 1)
        return Problem(self._file, line, column, place.path, message)


def shown(text: str) -> str:
    """Return a value as a message shows it: in quotes, escaped, not too long.

    An open quote or a wrong indentation makes the next lines a part of it, secret and all.
    """
    if another := _PERHAPS_SECRET.search(text):
        text = text[: another.start()] + "…"
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def shown_key(key: str, value: Node) -> str:
    """Return a user's key as a message shows it; empty where it may be a part of a value.

    ``{password: ab,cd}`` makes a key of ``cd``, and so does a forgotten space or quote.
    """
    bare = isinstance(value, Scalar) and value.plain and not value.text
    return "" if bare or not re.fullmatch("[A-Za-z_][A-Za-z0-9_-]{0,63}", key) else key
