"""Reads nodes into pydantic models, and reports everything that is wrong, each with its place.

A ``Location`` travels through pydantic as the input. What stands there is turned into values by
the ``Reader``, which is the validation's context: a wrong value is reported and the key's default
takes its place, a wrong entry of a list is left out, and what lacks a required key is wrong as a
whole. So one pass finds all mistakes, and what is right is still checked against the rest.
Values that are no ``Location`` come from code, and pass as they are.
"""

import collections.abc
import functools
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, PydanticUseDefault, core_schema

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
from exporter.config.kinds import InvalidValue, Kind, Schema
from exporter.config.locations import Location, Report, shown, shown_key
from exporter.config.yaml_source import Mapping, Node, RefusedNode, Scalar, Sequence

T = TypeVar("T")
S = TypeVar("S", bound="Section")

_LONGEST_VALUE: Final = 32_768  # characters; twice the longest secret
_READ_AS: Final = {
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
}


class Section(BaseModel):
    """A mapping with known keys: each field is one, but for ``place``.

    Attributes:
        exactly_one: groups of keys of which just one must be given.
    """

    model_config = ConfigDict(
        extra="forbid",
        defer_build=True,
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    exactly_one: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        return iter(())

    @model_validator(mode="wrap")
    @classmethod
    def _read(
        cls, value: object, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo[Any]
    ) -> Self:
        if not isinstance(value, Location):
            return handler(value)
        reader: Reader = info.context
        return reader.section(cls, value, handler)

    @field_validator("*", mode="wrap")
    @classmethod
    def _fall_back(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: "ValidationInfo[Reader]"
    ) -> object:
        try:
            return handler(value)
        except ValidationError:
            has_default = not cls.model_fields[str(info.field_name)].is_required()
            if has_default and isinstance(value, Location):  # else code gave a wrong value
                raise PydanticUseDefault from None
            raise

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Return the JSON Schema: what has no required key may also be left empty."""
        made = handler(schema)
        record = handler.resolve_ref_schema(made)
        record.pop("title", None)
        for name, key in keys_of(cls).items():
            kind = annotation_of(key, Kind)
            if kind and (default := default_of(key)):
                is_number = kind.written == "number"
                record["properties"][name]["default"] = key.default if is_number else default
        if "required" not in record:
            record["type"] = ["object", "null"]
        if cls.exactly_one:
            record["allOf"] = [
                {"oneOf": [{"required": [name]} for name in names]} for names in cls.exactly_one
            ]
        return made


class Entry(Section):
    """A section that says where it stands, for what is found out about it later."""

    place: SkipJsonSchema[Location] = Location.NOWHERE


@dataclass(frozen=True, slots=True)
class ListOf:
    """Annotates a tuple: in the file it is a list.

    Attributes:
        minimum: how many entries there must be.
        unique: whether two entries must differ.
    """

    minimum: int = 0
    unique: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return how pydantic validates it."""
        item = get_args(source)[0]

        def read(
            value: object, each: ValidatorFunctionWrapHandler, info: "ValidationInfo[Reader]"
        ) -> object:
            if not isinstance(value, Location):
                return value
            return info.context.sequence(self, item, value, each)

        return core_schema.with_info_wrap_validator_function(read, handler.generate_schema(item))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Return the JSON Schema."""
        return {
            "type": "array" if self.minimum else ["array", "null"],
            "items": handler(schema),
            **({"minItems": self.minimum} if self.minimum else {}),
            **({"uniqueItems": True} if self.unique else {}),
        }


class Labels:
    """Annotates a mapping from names of the user's own to single values."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return how pydantic validates it."""

        def read(
            value: object, each: ValidatorFunctionWrapHandler, info: "ValidationInfo[Reader]"
        ) -> object:
            if not isinstance(value, Location):
                return value
            return info.context.labels(value, each)

        values = handler.generate_schema(get_args(source)[1])
        return core_schema.with_info_wrap_validator_function(read, values)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Return the JSON Schema."""
        return {"type": ["object", "null"], "additionalProperties": handler(schema)}


@functools.cache  # a file of 10,000 jobs wants it as often
def keys_of(section: type[Section]) -> collections.abc.Mapping[str, FieldInfo]:
    """Return the keys of a section by name, in the order of its fields."""
    fields = section.model_fields.items()
    return {key.alias or name: key for name, key in fields if name != "place"}


def annotation_of(key: FieldInfo, sort: type[T]) -> T | None:
    """Return what of a sort is annotated to a key, such as its ``Kind``; None if nothing is."""
    return next((each for each in key.metadata if isinstance(each, sort)), None)


def default_of(key: FieldInfo) -> str:
    """Return a single value's default as one writes it in the file; empty if there is none."""
    kind = annotation_of(key, Kind)
    if kind is None or key.is_required() or key.default in {None, ""}:
        return ""
    return kind.show(key.default)


def section_of(key: FieldInfo) -> type[Section] | None:
    """Return the section that a key, or each entry of its list, is; None for other values."""
    found = [key.annotation, *get_args(key.annotation)]
    return next((t for t in found if isinstance(t, type) and issubclass(t, Section)), None)


def keys_below(section: type[Section], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key that can occur, with the path of what it stands in."""
    for name, key in keys_of(section).items():
        yield name, path
        if below := section_of(key):
            here = f"{path}.{name}" if path else name
            yield from keys_below(below, f"{here}[]" if annotation_of(key, ListOf) else here)


class Reader:
    """Makes values of nodes.

    Args:
        report: takes the problems.
        root: what the whole file is, or each entry of it: for advice about misplaced keys.
        directory: where relative paths begin.
        environ: for ``${NAME}``; None where a dollar is a dollar.
        language: that the file is written in.
    """

    def __init__(
        self,
        report: Report,
        root: type[Section],
        directory: str,
        environ: collections.abc.Mapping[str, str] | None,
        language: str = "YAML",
    ) -> None:
        self._report = report
        self._root = root
        self._directory = directory
        self._environ = environ
        self._language = language
        self._wrong: set[int] = set()  # ids of nodes that gave no value

    def read(self, section: type[S], place: Location) -> S | None:
        """Return the section at a place without its wrong parts; None if nothing is left.

        Raises:
            ConfigurationError: there are too many problems to go on.
        """
        try:
            return section.model_validate(place, context=self)
        except ValidationError:
            return None

    def right(self, node: Node | None) -> dict[str, Node]:
        """Return those entries of a mapping that were read without a mistake."""
        entries = node.entries if isinstance(node, Mapping) else {}
        return {name: child for name, child in entries.items() if id(child) not in self._wrong}

    def scalar(self, kind: Kind, place: Location) -> object:
        """Return the single value at a place."""
        node = place.node
        if isinstance(node, RefusedNode):
            raise self._refused(place, node.message)
        if not isinstance(node, Scalar):
            raise self._refused(place, advice_on_structure(node))
        if _is_nothing(node):
            raise self._refused(place, "expected a value, got nothing")
        if len(node.text) > _LONGEST_VALUE:
            message = f"expected at most {_LONGEST_VALUE} characters, got {len(node.text)}"
            raise self._refused(place, message)
        try:
            text = self._expanded(node.text)
        except ValueError as error:
            raise self._refused(place, str(error)) from None
        from_environ = text is not node.text and environment.holds_reference(node.text)
        try:
            if not from_environ:
                _check_writing(kind, node, self._language)
            value = kind.read(text)
            if kind.locate is not None:
                value = kind.locate(self._directory, text)
        except InvalidValue as error:
            message = _message(error, kind, text, from_environ=from_environ)
            raise self._refused(place, message) from None
        written = node.text if kind.secret else text
        if kind.warning is not None and (warning := kind.warning(written)):
            self._report.warn(place, warning)
        return value

    def _expanded(self, text: str) -> str:
        if self._environ is None or "$" not in text:
            return text
        return environment.expand(text, self._environ)

    def section(self, cls: type[S], place: Location, handler: Callable[[Any], S]) -> S:
        """Return the section at a place, of those values that are right."""
        keys = keys_of(cls)
        node = self._mapping(place, keys_such_as(keys))
        values = {
            name: Location(child, place, name)
            for name, child in node.entries.items()
            if name in keys
        }
        if issubclass(cls, Entry):
            values["place"] = place
        made = None
        with suppress(ValidationError):
            made = handler(values)
        self._check_alternatives(cls, node, place)
        meant = self._report_unknown(node, cls, place)
        if not node.refused:  # else what is missing may be in there
            self._report_missing(cls, place, node.entries.keys() | meant)
        if made is None:
            raise self._wrong_as_a_whole(place)
        if len(self.right(place.node)) == len(node.entries):
            for name, message in made.contradictions():
                self._report.problem(place.child(name), message)
        return made

    def sequence(
        self, of: ListOf, item: object, place: Location, handler: Callable[[Any], Any]
    ) -> tuple[object, ...]:
        """Return the right entries of the list at a place."""
        places = self.entries(of, item, place)
        if places is None:
            raise self._wrong_as_a_whole(place)
        values: dict[object, object] = {}
        for index, each in enumerate(places):
            try:
                value = handler(each)
            except ValidationError:
                continue
            key = value if of.unique else index
            if key in values:
                self._refused(each, f"{shown(str(value))} is given twice")
            values[key] = value
        return tuple(values.values())

    def entries(self, of: ListOf, item: object, place: Location) -> list[Location] | None:
        """Return the places of a list's entries; None if it is none, or wrong as a whole."""
        node = Sequence(0, 0) if _is_nothing(place.node) else place.node
        if isinstance(node, RefusedNode):
            self._refused(place, node.message)
        elif not isinstance(node, Sequence):
            got = f"got {structure(node)}: {listed(node)}"
            self._refused(place, f"expected a list, {got}")
        elif (
            isinstance(item, type)
            and issubclass(item, Section)
            and (message := advice_on_entries(node.items, keys_of(item)))
        ):
            self._refused(Location(node.items[0], place, 0), message)
        elif len(node.items) < of.minimum:
            self._refused(place, f"expected at least {of.minimum} entry, got none")
        else:
            return [Location(entry, place, index) for index, entry in enumerate(node.items)]
        return None

    def labels(self, place: Location, handler: Callable[[Any], Any]) -> dict[str, object]:
        """Return the right values of the mapping at a place."""
        values: dict[str, object] = {}
        for name, child in self._mapping(place, "a mapping of names and values").entries.items():
            try:
                values[name] = handler(Location(child, place, shown_key(name, child)))
            except ValidationError:
                continue
        return values

    def _refused(self, place: Location, message: str) -> PydanticCustomError:
        """Report a mistake, and return the error that says to pydantic that there is no value."""
        self._report.problem(place, message)
        return self._wrong_as_a_whole(place)

    def _wrong_as_a_whole(self, place: Location) -> PydanticCustomError:
        self._wrong.add(id(place.node))
        return PydanticCustomError("reported", "reported with its place")

    def _mapping(self, place: Location, expected: str) -> Mapping:
        """Return the mapping at a place, empty if nothing stands there."""
        node = Mapping(0, 0) if _is_nothing(place.node) else place.node
        if isinstance(node, RefusedNode):
            raise self._refused(place, node.message)
        if not isinstance(node, Mapping):
            message = f"expected {expected}, got {structure(node)}"
            if isinstance(node, Scalar) and node.plain and ":" in node.text:
                message += ": is the space after a colon missing?"
            raise self._refused(place, message)
        for refused in merged(node.refused):
            self._refused(Location(refused, place.parent, place.key), refused.message)
        return node

    def _check_alternatives(self, cls: type[Section], node: Mapping, place: Location) -> None:
        for names in cls.exactly_one:
            given = [name for name in node.entries if name in names]
            if len(given) > 1:
                message = f"expected {' or '.join(names)}, not both"
                self._report.problem(place.child(given[1]), message)

    def _report_missing(self, cls: type[Section], place: Location, given: Collection[str]) -> None:
        for names in cls.exactly_one:
            if not any(name in given for name in names):
                self._report.missing(place, names, f"missing: expected {' or '.join(names)}")
        for name, key in keys_of(cls).items():
            if key.is_required() and name not in given:
                self._report.missing(place.child(name), (name,), "missing, but required")

    def _report_unknown(self, node: Mapping, cls: type[Section], place: Location) -> set[str]:
        """Report the unknown keys of a mapping. Return the known ones that they may stand for."""
        keys = keys_of(cls)
        meant: set[str] = set()
        for name, child in node.entries.items():
            if name in keys:
                continue
            if self._report.is_full:
                self._refused(place, "")  # it is counted only: to find the advice takes long
                continue
            advice = advice_on(name, child, keys, keys_below(self._root))
            meant |= set(advice.meant)
            self._report.misplaced(advice.misplaced)
            where = Location(child, place, shown_key(name, child))
            self._refused(where, f"unknown key: {advice.text}")
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


def _message(error: InvalidValue, kind: Kind, text: str, *, from_environ: bool) -> str:
    """Return the message. It shows the value only where that cannot be a secret."""
    got = "" if kind.secret else f", got {shown(text)}"
    if from_environ:
        got = ", got something else from the environment"
    return f"expected {error.expected}{got}" + (f": {error.advice}" if error.advice else "")
