"""How single values are put together: lists, labels, and records with named keys. Pure."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, get_type_hints

from exporter.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list.

    Attributes:
        item: what each entry is.
        minimum: how many entries there must be.
        unique: whether two entries must differ.
    """

    item: "Shape"
    minimum: int = 0
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Labels:
    """A mapping from names of the user's own to single values."""

    value: Kind


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys.

    Attributes:
        cls: the dataclass whose annotated fields are the keys. Its method ``contradictions``, if
            it has one, yields key and message of each value that does not go with another.
        placed: whether it also has a field ``place`` that says where it stands.
        exactly_one: groups of keys of which just one must be given.
        refused: keys that another program knows under this name, and why they are not taken here.
    """

    cls: type
    placed: bool = False
    exactly_one: tuple[tuple[str, ...], ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


Shape = Kind | ListOf | Labels | Record


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record.

    Attributes:
        shape: what its value is.
        meaning: one or two sentences, in Markdown.
        required: whether it must be given.
        default: its value when it is not given; None when it is required.
    """

    shape: Shape
    meaning: str
    required: bool
    default: object


@functools.cache
def keys_of(cls: type) -> Mapping[str, Key]:
    """Return the keys of a record's class by name, in the order of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        each.name: _key(each, *hints[each.name].__metadata__)
        for each in fields(cls)
        if hasattr(hints[each.name], "__metadata__")
    }


def keys_below(shape: Shape, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key that can occur, with the path of what it stands in."""
    if isinstance(shape, ListOf):
        yield from keys_below(shape.item, f"{path}[]")
    if isinstance(shape, Record):
        for name, key in keys_of(shape.cls).items():
            yield name, path
            yield from keys_below(key.shape, f"{path}.{name}" if path else name)


def _key(of: Field[Any], shape: Shape, meaning: str) -> Key:
    if of.default_factory is not MISSING:
        return Key(shape, meaning, required=False, default=of.default_factory())
    required = of.default is MISSING
    return Key(shape, meaning, required, None if required else of.default)
