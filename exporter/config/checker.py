"""Walks nodes along the shapes of the settings, and tells everything that is wrong."""

import collections.abc
import difflib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from exporter.config import environment, yaml_source
from exporter.config.kinds import Kind, Unfit
from exporter.config.places import Place, Report, shown, shown_key
from exporter.config.shapes import Key, Labels, ListOf, Record, Shape, keys_below, keys_of
from exporter.config.yaml_source import Mapping, Node, Refused, Scalar, Sequence

INVALID: Final = object()
_LONGEST_NAME: Final = 64  # characters; to compare longer ones takes long
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
    """

    def __init__(
        self,
        report: Report,
        root: Shape,
        directory: str,
        environ: collections.abc.Mapping[str, str] | None,
    ) -> None:
        self._report = report
        self._root = root
        self._directory = directory
        self._environ = environ

    def value(self, shape: Shape, place: Place) -> Any:
        """Return the value at a place without its wrong parts; INVALID if nothing is left.

        Raises:
            ConfigurationError: there are too many problems to go on.
        """
        if isinstance(place.node, Refused):
            return self._refuse(place, place.node.message)
        match shape:
            case Kind():
                return self._scalar(shape, place)
            case Record():
                return self._record(shape, place)
            case ListOf():
                return self._list(shape, place)
            case Labels():
                return self._labels(shape, place)

    def _refuse(self, place: Place, message: str) -> object:
        self._report.problem(place, message)
        return INVALID

    def _scalar(self, kind: Kind, place: Place) -> object:
        node = place.node
        if not isinstance(node, Scalar):
            return self._refuse(place, f"expected a single value, got {_structure(node)}")
        if _is_nothing(node):
            return self._refuse(place, "expected a value, got nothing")
        try:
            text = self._expanded(node.text)
        except ValueError as error:
            return self._refuse(place, str(error))
        from_environ = text is not node.text and environment.holds_reference(node.text)
        try:
            if not from_environ:
                _check_writing(kind, node)
            value = kind.read(text)
            if kind.locate is not None:
                value = kind.locate(self._directory, text)
        except Unfit as error:
            return self._refuse(place, _told(error, kind, text, from_environ=from_environ))
        if kind.warning is not None and (warning := kind.warning(node.text)):
            self._report.warn(place, warning)
        return value

    def _expanded(self, text: str) -> str:
        if self._environ is None or "$" not in text:
            return text
        return environment.expand(text, self._environ)

    def _list(self, shape: ListOf, place: Place) -> object:
        node = Sequence(0, 0) if _is_nothing(place.node) else place.node
        if not isinstance(node, Sequence):
            advice = "begin each entry with '- '"
            return self._refuse(place, f"expected a list, got {_structure(node)}: {advice}")
        if len(node.items) < shape.minimum:
            return self._refuse(place, f"expected at least {shape.minimum} entry, got none")
        values: list[Any] = []
        for index, item in enumerate(node.items):
            item_place = Place(item, place, index)
            value = self.value(shape.item, item_place)
            if shape.unique and value in values:
                self._refuse(item_place, f"{shown(value)} is given twice")
            elif value is not INVALID:
                values.append(value)
        return tuple(values)

    def _labels(self, shape: Labels, place: Place) -> object:
        node = self._mapping(place, "names and values")
        if node is None:
            return INVALID
        values = {
            name: self.value(shape.value, Place(child, place, shown_key(name, child)))
            for name, child in node.entries.items()
        }
        return {name: value for name, value in values.items() if value is not INVALID}

    def _record(self, shape: Record, place: Place) -> object:
        keys = keys_of(shape.cls)
        node = self._mapping(place, "keys such as " + ", ".join([*keys][:3]))
        if node is None:
            return INVALID
        values = dict(self._values(node, shape, place))
        self._check_alternatives(shape, node, place)
        for name, key in keys.items():
            if key.required and name not in node.entries:
                self._refuse(place.child(name), "missing, but required")
        if any(key.required and name not in values for name, key in keys.items()):
            return INVALID
        record = shape.cls(**values, place=place) if shape.placed else shape.cls(**values)
        if len(values) == len(node.entries):
            for name, message in getattr(record, "contradictions", tuple)():
                self._refuse(place.child(name), message)
        return record

    def _mapping(self, place: Place, of: str) -> Mapping | None:
        """Return the mapping at a place, empty if nothing stands there; None if it is none."""
        node = Mapping(0, 0) if _is_nothing(place.node) else place.node
        if not isinstance(node, Mapping):
            self._refuse(place, f"expected a mapping of {of}, got {_structure(node)}")
            return None
        for refused in node.refused:
            self._refuse(Place(refused, place.parent, place.key), refused.message)
        return node

    def _values(self, node: Mapping, shape: Record, place: Place) -> Iterator[tuple[str, object]]:
        keys = keys_of(shape.cls)
        for name, child in node.entries.items():
            if name in shape.refused:
                self._refuse(Place(child, place, name), shape.refused[name])
                continue
            if name not in keys:
                self._tell_unknown(name, child, keys, place)
                continue
            value = self.value(keys[name].shape, Place(child, place, name))
            if value is not INVALID:
                yield name, value

    def _check_alternatives(self, shape: Record, node: Mapping, place: Place) -> None:
        for names in shape.exactly_one:
            given = [name for name in node.entries if name in names]
            if not given:
                self._refuse(place, f"missing: expected {' or '.join(names)}")
            elif len(given) > 1:
                self._refuse(place.child(given[1]), f"expected {' or '.join(names)}, not both")

    def _tell_unknown(
        self, name: str, child: Node, keys: collections.abc.Mapping[str, Key], place: Place
    ) -> None:
        where = Place(child, place, shown_key(name, child))
        self._refuse(where, f"unknown key: {advice_on(name, keys, self._root)}")


def advice_on(name: str, keys: Iterable[str], root: Shape) -> str:
    """Return what to do about an unknown key, by the known ones beside it and elsewhere."""
    elsewhere = {known: path for known, path in keys_below(root) if path}
    if name in elsewhere:
        return f"it belongs under {elsewhere[name]}"
    name = name[:_LONGEST_NAME]
    if near := difflib.get_close_matches(name, keys, n=1, cutoff=0.5):
        return f"did you mean {near[0]}?"
    if near := difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.8):
        return f"did you mean {near[0]}, which belongs under {elsewhere[near[0]]}?"
    return f"expected one of {', '.join(keys)}"


def _is_nothing(node: Node | None) -> bool:
    if not isinstance(node, Scalar) or not node.plain:
        return False
    return yaml_source.implicit_type(node.text) == "null"


def _structure(node: Node | None) -> str:
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case _:
            return "a single value"


def _check_writing(kind: Kind, node: Scalar) -> None:
    """Refuse a text that YAML reads as a number or the like, and the other way round.

    Raises:
        Unfit: with the advice about quotes.
    """
    if kind.written == "number" and not node.plain:
        raise Unfit("a number", "take the quotes off")
    if kind.written == "text" and node.plain:
        found = yaml_source.implicit_type(node.text)
        if found != "str":
            read_as = _READ_AS.get(found, "something else")
            raise Unfit("text", f"YAML reads it as {read_as}: put it in quotes")


def _told(error: Unfit, kind: Kind, text: str, *, from_environ: bool) -> str:
    """Return the message. It shows the value only where that cannot be a secret."""
    got = "" if kind.secret else f", got {shown(text)}"
    if from_environ:
        got = ", got something else from the environment"
    return f"expected {error.expected}{got}" + (f": {error.advice}" if error.advice else "")
