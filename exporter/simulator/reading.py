"""A strict reader of small YAML files: every mistake with its place, and no value in any text."""

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import yaml

from exporter.errors import Problem

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_TAG = "tag:yaml.org,2002:"
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
_WHOLE = re.compile(r"\d{1,15}")


class Mistake(Exception):
    """What was expected at one place. Never leaves the readers."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value in the file.

    Attributes:
        file: the file's path as the user gave it.
        node: the value as YAML parsed it.
        path: such as ``jobs[1].id``; empty for the file as a whole.
        problems: where mistakes are collected, of the whole file.
    """

    file: str
    node: yaml.Node = field(repr=False)  # a password may stand there
    path: str = ""
    problems: list[Problem] = field(default_factory=list)

    def report(self, message: str) -> None:
        """Collect a mistake at this place."""
        mark = self.node.start_mark
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, self.path, message))

    def at(self, node: yaml.Node, path: str) -> "Item":
        """Return a value inside this one."""
        return Item(self.file, node, path, self.problems)


Read = Callable[[Item], T]


def read(item: Item, reader: Read[T], otherwise: T) -> T:
    """Return what the reader makes of the item; collect its mistake and return ``otherwise``."""
    try:
        return reader(item)
    except Mistake as mistake:
        item.report(str(mistake))
        return otherwise


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys.

    Attributes:
        item: the mapping itself.
        values: by key, the known ones only.
    """

    item: Item
    values: dict[str, Item] = field(repr=False)

    def get(self, key: str, reader: Read[T], default: T) -> T:
        """Return the key's value, or the default where the file does not name the key."""
        item = self.values.get(key)
        return default if item is None else read(item, reader, default)

    def need(self, key: str, reader: Read[T], otherwise: T) -> T:
        """Return the key's value; a missing key is a mistake."""
        if key not in self.values:
            self.item.report(f"expected the key {key}")
        return self.get(key, reader, otherwise)


def table(item: Item, known: Collection[str]) -> Table:
    """Return a mapping, and collect its unknown and repeated keys."""
    if not isinstance(item.node, yaml.MappingNode):
        raise Mistake("expected keys and values")
    values: dict[str, Item] = {}
    for key_node, value_node in item.node.value:
        key = str(key_node.value)
        place = item.at(value_node, f"{item.path}.{key}".lstrip("."))
        if key not in known:
            item.at(key_node, item.path).report(f"unknown key{_nearest(key, known)}")
        elif key in values:
            place.report("the key stands here twice")
        else:
            values[key] = place
    return Table(item, values)


def _nearest(key: str, known: Collection[str]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    return f": did you mean {matches[0]}?" if matches else f": expected one of {', '.join(known)}"


def many(reader: Read[T]) -> Read[tuple[T, ...]]:
    """Return a reader of lists whose members the given reader reads; it leaves bad ones out."""

    def members(item: Item) -> tuple[T, ...]:
        if not isinstance(item.node, yaml.SequenceNode):
            raise Mistake("expected a list")
        values: list[T] = []
        for index, node in enumerate(item.node.value):
            member = item.at(node, f"{item.path}[{index}]")
            try:
                values.append(reader(member))
            except Mistake as mistake:
                member.report(str(mistake))
        return tuple(values)

    return members


def pairs(item: Item) -> tuple[tuple[str, str], ...]:
    """Read a mapping of texts to texts, in the file's order."""
    if not isinstance(item.node, yaml.MappingNode):
        raise Mistake("expected keys and values")
    return tuple(
        (str(key.value), read(item.at(value, f"{item.path}.{key.value}"), text, ""))
        for key, value in item.node.value
    )


def _scalar(item: Item, expected: str) -> str:
    if not isinstance(item.node, yaml.ScalarNode):
        raise Mistake(f"expected {expected}")
    return str(item.node.value)


def text(item: Item) -> str:
    """Read a text of 1 to 256 characters."""
    value = _scalar(item, "text")
    if item.node.tag != f"{_TAG}str":
        raise Mistake("expected text: put it in quotes")
    if not 1 <= len(value) <= 256:
        raise Mistake("expected 1 to 256 characters")
    return value


def seconds(item: Item) -> float:
    """Read a duration such as ``1m30s``, into seconds."""
    value = signed_seconds(item)
    if value < 0:
        raise Mistake("expected a duration that is not negative")
    return value


def signed_seconds(item: Item) -> float:
    """Read a duration that may lie in the past, such as ``-2h``, into seconds."""
    value = _scalar(item, "a duration such as 500ms or 1m30s")
    if not _DURATION.fullmatch(value):
        raise Mistake("expected a duration such as 500ms or 1m30s")
    total = sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION_PART.findall(value))
    return -total if value.startswith("-") else total


def number(item: Item) -> float:
    """Read a number that is not negative."""
    value = _scalar(item, "a number")
    if not _NUMBER.fullmatch(value):
        raise Mistake("expected a number that is not negative")
    return float(value)


def positive(item: Item) -> float:
    """Read a number above 0."""
    value = number(item)
    if not value:
        raise Mistake("expected a number above 0")
    return value


def fraction(item: Item) -> float:
    """Read a number from 0 to 1."""
    value = number(item)
    if value > 1:
        raise Mistake("expected a number from 0 to 1")
    return value


def whole(item: Item) -> int:
    """Read a whole number that is not negative."""
    value = _scalar(item, "a whole number")
    if not _WHOLE.fullmatch(value):
        raise Mistake("expected a whole number that is not negative")
    return int(value)


def one_of(kinds: type[E]) -> Read[E]:
    """Return a reader of the members of an enumeration, by their values."""

    def member(item: Item) -> E:
        try:
            return kinds(_scalar(item, "a word"))
        except ValueError:
            raise Mistake(f"expected one of {', '.join(kinds)}") from None

    return member
