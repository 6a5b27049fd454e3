"""Walks nodes along the shapes of the settings, and reports everything that is wrong."""

import collections.abc
from collections.abc import Collection, Iterator
from typing import Any, Final

from exporter.config import environment, yaml_source
from exporter.config.advice import (
    advice_on,
    advice_on_entries,
    advice_on_structure,
    keys_such_as,
    listed,
    merged,
    structure,
)
from exporter.config.kinds import InvalidValue, Kind
from exporter.config.locations import Location, Report, shown, shown_key
from exporter.config.shapes import Labels, ListOf, Record, Shape, keys_of
from exporter.config.yaml_source import Mapping, Node, RefusedNode, Scalar, Sequence

INVALID: Final = object()
_LONGEST_VALUE: Final = 32_768  # characters; twice the longest secret
_READ_AS: Final = {
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
}


class Checker:
    """Makes values of nodes.

    Args:
        report: takes the problems.
        root: the shape of the whole file, for advice about misplaced keys.
        directory: where relative paths begin.
        environ: for ``${NAME}``; None where a dollar is a dollar.
        language: that the file is written in.
    """

    def __init__(
        self,
        report: Report,
        root: Shape,
        directory: str,
        environ: collections.abc.Mapping[str, str] | None,
        language: str = "YAML",
    ) -> None:
        self._report = report
        self._root = root
        self._directory = directory
        self._environ = environ
        self._language = language

    def value(self, shape: Shape, place: Location) -> Any:
        """Return the value at a place without its wrong parts; INVALID if nothing is left.

        Raises:
            ConfigurationError: there are too many problems to go on.
        """
        if isinstance(place.node, RefusedNode):
            return self._refuse(place, place.node.message)
        match shape:
            case Kind():
                return self._scalar(shape, place)
            case Record():
                return self.record(shape, place, self.parts(shape, place))
            case ListOf():
                return self._list(shape, place)
            case Labels():
                return self._labels(shape, place)

    def _refuse(self, place: Location, message: str) -> object:
        self._report.problem(place, message)
        return INVALID

    def _scalar(self, kind: Kind, place: Location) -> object:
        node = place.node
        if not isinstance(node, Scalar):
            return self._refuse(place, advice_on_structure(node))
        if _is_nothing(node):
            return self._refuse(place, "expected a value, got nothing")
        if len(node.text) > _LONGEST_VALUE:
            message = f"expected at most {_LONGEST_VALUE} characters, got {len(node.text)}"
            return self._refuse(place, message)
        try:
            text = self._expanded(node.text)
        except ValueError as error:
            return self._refuse(place, str(error))
        from_environ = text is not node.text and environment.holds_reference(node.text)
        try:
            if not from_environ:
                _check_writing(kind, node, self._language)
            value = kind.read(text)
            if kind.locate is not None:
                value = kind.locate(self._directory, text)
        except InvalidValue as error:
            return self._refuse(place, _told(error, kind, text, from_environ=from_environ))
        written = node.text if kind.secret else text
        if kind.warning is not None and (warning := kind.warning(written)):
            self._report.warn(place, warning)
        return value

    def _expanded(self, text: str) -> str:
        if self._environ is None or "$" not in text:
            return text
        return environment.expand(text, self._environ)

    def entries(self, shape: ListOf, place: Location) -> list[Location] | None:
        """Return the places of a list's entries; None if it is none, or wrong as a whole."""
        node = Sequence(0, 0) if _is_nothing(place.node) else place.node
        if not isinstance(node, Sequence):
            got = f"got {structure(node)}: {listed(node)}"
            self._refuse(place, f"expected a list, {got}")
        elif isinstance(shape.item, Record) and (
            message := advice_on_entries(node.items, shape.item)
        ):
            self._refuse(Location(node.items[0], place, 0), message)
        elif len(node.items) < shape.minimum:
            self._refuse(place, f"expected at least {shape.minimum} entry, got none")
        else:
            return [Location(item, place, index) for index, item in enumerate(node.items)]
        return None

    def _list(self, shape: ListOf, place: Location) -> object:
        places = self.entries(shape, place)
        if places is None:
            return INVALID
        values: dict[object, Any] = {}
        for index, item_place in enumerate(places):
            value = self.value(shape.item, item_place)
            key = value if shape.unique else index
            if shape.unique and value is not INVALID and value in values:
                self._refuse(item_place, f"{shown(value)} is given twice")
            elif value is not INVALID:
                values[key] = value
        return tuple(values.values())

    def _labels(self, shape: Labels, place: Location) -> object:
        node = self._mapping(place, "a mapping of names and values")
        if node is None:
            return INVALID
        values = {
            name: self.value(shape.value, Location(child, place, shown_key(name, child)))
            for name, child in node.entries.items()
        }
        return {name: value for name, value in values.items() if value is not INVALID}

    def record(
        self, shape: Record, place: Location, values: collections.abc.Mapping[str, Any]
    ) -> Any:
        """Return the record of its right values; INVALID if a required one is not among them."""
        keys = keys_of(shape.cls)
        if any(key.required and name not in values for name, key in keys.items()):
            return INVALID
        record = shape.cls(**values, place=place) if shape.placed else shape.cls(**values)
        if isinstance(place.node, Mapping) and len(values) == len(place.node.entries):
            for name, message in getattr(record, "contradictions", tuple)():
                self._refuse(place.child(name), message)
        return record

    def parts(self, shape: Record, place: Location) -> dict[str, Any]:
        """Return those values of a record that are right, by key.

        Raises:
            ConfigurationError: as ``value``.
        """
        if isinstance(place.node, RefusedNode):
            self._refuse(place, place.node.message)
            return {}
        node = self._mapping(place, keys_such_as(shape))
        if node is None:
            return {}
        values = dict(self._values(node, shape, place))
        self._check_alternatives(shape, node, place)
        meant = self._tell_unknown(node, shape, place)
        if not node.refused:  # else what is missing may be in there
            self._tell_missing(shape, place, node.entries.keys() | meant)
        return values

    def _mapping(self, place: Location, expected: str) -> Mapping | None:
        """Return the mapping at a place, empty if nothing stands there; None if it is none."""
        node = Mapping(0, 0) if _is_nothing(place.node) else place.node
        if not isinstance(node, Mapping):
            message = f"expected {expected}, got {structure(node)}"
            if isinstance(node, Scalar) and node.plain and ":" in node.text:
                message += ": is the space after a colon missing?"
            self._refuse(place, message)
            return None
        for refused in merged(node.refused):
            self._refuse(Location(refused, place.parent, place.key), refused.message)
        return node

    def _values(
        self, node: Mapping, shape: Record, place: Location
    ) -> Iterator[tuple[str, object]]:
        keys = keys_of(shape.cls)
        for name, child in node.entries.items():
            if name in shape.refused:
                self._refuse(Location(child, place, name), shape.refused[name])
                continue
            if name not in keys:
                continue
            value = self.value(keys[name].shape, Location(child, place, name))
            if value is not INVALID:
                yield name, value

    def _check_alternatives(self, shape: Record, node: Mapping, place: Location) -> None:
        for names in shape.exactly_one:
            given = [name for name in node.entries if name in names]
            if len(given) > 1:
                self._refuse(place.child(given[1]), f"expected {' or '.join(names)}, not both")

    def _tell_missing(self, shape: Record, place: Location, given: Collection[str]) -> None:
        for names in shape.exactly_one:
            if not any(name in given for name in names):
                self._report.missing(place, names, f"missing: expected {' or '.join(names)}")
        for name, key in keys_of(shape.cls).items():
            if key.required and name not in given:
                self._report.missing(place.child(name), (name,), "missing, but required")

    def _tell_unknown(self, node: Mapping, shape: Record, place: Location) -> set[str]:
        """Tell the unknown keys of a mapping. Return the known ones that may be meant by them."""
        keys = keys_of(shape.cls)
        meant: set[str] = set()
        for name, child in node.entries.items():
            if name in keys or name in shape.refused:
                continue
            if self._report.is_full:
                self._refuse(place, "")  # it is counted only: to find the advice takes long
                continue
            advice = advice_on(name, child, keys, self._root)
            meant |= set(advice.meant)
            self._report.misplaced(advice.misplaced)
            where = Location(child, place, shown_key(name, child))
            self._refuse(where, f"unknown key: {advice.text}")
        # Where no key is known, it is another file or another section: nothing else is missing.
        is_another = bool(node.entries) and node.entries.keys().isdisjoint(keys)
        return {*keys} if is_another else meant


def _is_nothing(node: Node | None) -> bool:
    if not isinstance(node, Scalar) or not node.plain:
        return False
    return yaml_source.implicit_type(node.text) == "null"


def _check_writing(kind: Kind, node: Scalar, language: str) -> None:
    """Refuse a text that YAML reads as a number or the like, and the other way round.

    Raises:
        InvalidValue: with the advice about quotes.
    """
    if kind.written == "number" and not node.plain:
        raise InvalidValue("a number", "take the quotes off")
    if kind.written == "text" and node.plain:
        found = yaml_source.implicit_type(node.text)
        if found != "str":
            read_as = _READ_AS.get(found, "something else")
            raise InvalidValue("text", f"{language} reads it as {read_as}: put it in quotes")


def _told(error: InvalidValue, kind: Kind, text: str, *, from_environ: bool) -> str:
    """Return the message. It shows the value only where that cannot be a secret."""
    got = "" if kind.secret else f", got {shown(text)}"
    if from_environ:
        got = ", got something else from the environment"
    return f"expected {error.expected}{got}" + (f": {error.advice}" if error.advice else "")
