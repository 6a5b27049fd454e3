"""What a single value in the configuration can be: how it is read, shown and described. Pure.

A key of a section has one of these in its annotation, where pydantic finds the validator. From
there come the checks, the messages, the JSON Schema and the reference.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from exporter.config import environment, units
from exporter.config.locations import Location
from exporter.secret import Secret

Schema = dict[str, Any]

UNPRINTABLE: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_UNPRINTABLE = re.compile(f"[{UNPRINTABLE}\ud800-\udfff]")
_WHOLE = re.compile("-?(?:0|[1-9][0-9]{0,29})")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_LABEL_NAME: Final = "(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}"
# $NAME and ${NAME} of shells, $(NAME) of Kubernetes, {{ name }} of Argo, Helm and Jinja,
# {name} of Python, %NAME% of Windows, <name> of manuals.
_UNFILLED: Final = re.compile(
    r"\$\{[^}]{0,40}\}?|\$\([^)]{0,40}\)?|\{\{.{0,40}?(?:\}\}|$)"
    r"|^(?:\$[A-Za-z_]\w{0,40}|\{\w{0,40}\}|%\w{1,40}%|<[^>]{1,40}>)$"
)
_NOTHING: Final = frozenset({"", "none", "null", "nil", "undefined", "nan", "<nil>", "~"})
_TAKEN_LABELS: Final = (
    *("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id"),
    *("kind", "target", "region_id", "status"),
    *("job", "instance", "namespace", "le", "quantile"),
)

_Bounded = TypeVar("_Bounded", int, float)


class InvalidValue(ValueError):
    """A value is not of its kind.

    Attributes:
        expected: what was expected; never holds the value.
        advice: what is wrong or what to do; empty where that is plain.
    """

    def __init__(self, expected: str, advice: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one value can be.

    Attributes:
        name: in the reference's words.
        read: makes the value from its text; raises InvalidValue.
        schema: its JSON Schema.
        written: whether YAML must read it as text, must read it as a number, or either will do.
        secret: whether the value may be a secret, so that no message shows it.
        show: makes the text that one would write in the file for a value.
        warning: makes the reason why a text is unwise, or nothing. That of a secret gets the text
            as it stands in the file, any other what was read.
        locate: makes a path from the configuration's directory and a text; raises InvalidValue.
    """

    name: str
    read: Callable[[str], object]
    schema: Mapping[str, object]
    written: Literal["text", "number", "either"] = "text"
    secret: bool = False
    show: Callable[[Any], str] = str
    warning: Callable[[str], str] | None = None
    locate: Callable[[str, str], str] | None = None

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return how pydantic validates it: the reader does, which is the context."""

        def value(given: object, info: ValidationInfo[Any]) -> object:
            return info.context.scalar(self, given) if isinstance(given, Location) else given

        return core_schema.with_info_plain_validator_function(value, metadata={"kind": self})

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> Schema:
        """Return the JSON Schema."""
        return dict(self.schema)


def or_reference(schema: Schema) -> Schema:
    """Return a schema that also takes a text with ``${NAME}`` or ``$$`` in it."""
    return {"anyOf": [schema, {"type": "string", "pattern": r"\$[{$]"}]}


def pattern(expression: str) -> Schema:
    """Return the schema of a text that matches, or refers to the environment."""
    return or_reference({"type": "string", "pattern": expression})


def text(shortest: int = 1, longest: int = 256) -> Kind:
    """Opaque printable text in any script; the lengths are in characters."""

    def read(value: str) -> str:
        if not shortest <= len(value) <= longest:
            why = f"it has {len(value)}" if value else "it is empty"
            raise InvalidValue(f"{shortest} to {longest} characters", why)
        if _UNPRINTABLE.search(value):
            raise InvalidValue("printable text", "it holds a control character or a line break")
        return value

    expression = f"^[^{UNPRINTABLE}]*$".replace(r"\x", r"\u00")
    length = {"minLength": shortest, "maxLength": longest}
    return Kind(
        name=f"text of {shortest} to {longest} characters",
        read=read,
        schema=or_reference({"type": "string", "pattern": expression, **length}),
        warning=_warn_of_spaces,
    )


def identifier() -> Kind:
    """Text that another program fills in: a warning where it seems to have filled in nothing."""

    def warning(value: str) -> str:
        if found := _UNFILLED.search(value):
            return f"{found[0]!r} looks like a template that was never filled in"
        if value.strip().lower() in _NOTHING:
            return f"{value!r} looks like a variable without a value"
        return _warn_of_spaces(value)

    return replace(text(), warning=warning)


def label_name() -> Kind:
    """Name of a Prometheus label that has no meaning yet."""

    def read(value: str) -> str:
        if not re.fullmatch(_LABEL_NAME, value):
            expected = "a label name: letters, digits and '_', not beginning with a digit or '__'"
            raise InvalidValue(expected)
        if value in _TAKEN_LABELS:
            raise InvalidValue("a label name of your own", "this one has a meaning already")
        return value

    schema: Schema = {
        "type": "string",
        "pattern": f"^{_LABEL_NAME}$",
        "not": {"enum": [*_TAKEN_LABELS]},
    }
    return Kind(name="label name", read=read, schema=or_reference(schema))


def label_value() -> Kind:
    """Value of a label: any text, even none, of at most 200 characters."""

    def read(value: str) -> str:
        if len(value) > 200:
            raise InvalidValue("at most 200 characters", f"it has {len(value)}")
        return value

    schema = or_reference({"type": "string", "maxLength": 200})
    return Kind(name="text of at most 200 characters", read=read, schema=schema)


def password() -> Kind:
    """Secret text, best taken from the environment."""

    def read(value: str) -> Secret:
        if not 1 <= len(value) <= 16_384:
            raise InvalidValue("1 to 16384 characters", "" if value else "it is empty")
        return Secret(value)

    def warning(written: str) -> str:
        if environment.is_reference(written):
            return ""
        return "a secret stands in this file: better keep it in a file of its own, or in ${NAME}"

    schema: Schema = {"type": "string", "minLength": 1}
    return Kind(name="secret text", read=read, schema=schema, secret=True, warning=warning)


def whole(minimum: int, maximum: int) -> Kind:
    """Whole number in decimal."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value):
            raise InvalidValue("a whole number")
        return _bounded(int(value), minimum, maximum, str)

    return Kind(
        name=f"whole number, {minimum} to {maximum}",
        read=read,
        schema=or_reference({"type": "integer", "minimum": minimum, "maximum": maximum}),
        written="number",
    )


def number(minimum: float, maximum: float) -> Kind:
    """Number, perhaps with a fraction."""
    show = "{:.15g}".format

    def read(value: str) -> float:
        if not _NUMBER.fullmatch(value):
            raise InvalidValue("a number")
        return _bounded(float(value), minimum, maximum, show)

    return Kind(
        name=f"number, {show(minimum)} to {show(maximum)}",
        read=read,
        schema=or_reference({"type": "number", "minimum": minimum, "maximum": maximum}),
        written="number",
        show=show,
    )


def duration(minimum: str, maximum: str) -> Kind:
    """Span of time, read as seconds."""
    least, most = units.parse_duration(minimum), units.parse_duration(maximum)
    as_given = {least: minimum, most: maximum}

    def read(value: str) -> float:
        try:
            seconds = units.parse_duration(value)
        except ValueError:
            raise InvalidValue("a duration with its unit, such as 500ms, 5s or 1m30s") from None
        return _bounded(seconds, least, most, as_given.__getitem__)

    return Kind(
        name=f"duration, {minimum} to {maximum}",
        read=read,
        schema={"anyOf": [pattern(units.DURATION_PATTERN), {"const": 0}]},
        written="either",
        show=units.format_duration,
    )


def size(minimum: str, maximum: str) -> Kind:
    """Amount of memory, read as bytes."""
    least, most = units.parse_size(minimum), units.parse_size(maximum)

    def read(value: str) -> int:
        try:
            count = units.parse_size(value)
        except ValueError:
            raise InvalidValue(
                "a size such as 256KiB", "the units are B, KiB, MiB and GiB"
            ) from None
        return _bounded(count, least, most, units.format_size)

    return Kind(
        name=f"size, {minimum} to {maximum}",
        read=read,
        schema=pattern(units.SIZE_PATTERN),
        written="either",
        show=units.format_size,
    )


def choice(*values: str) -> Kind:
    """One of a few words."""
    return Kind(
        name=" or ".join(values),
        read=lambda value: _chosen(value, values),
        schema=or_reference({"enum": [*values]}),
    )


def member(values: type[StrEnum]) -> Kind:
    """One member of an enumeration, by its value."""
    return replace(choice(*values), read=lambda value: values(_chosen(value, values)))


def boolean() -> Kind:
    """``true`` or ``false``."""

    def read(value: str) -> bool:
        if value not in ("true", "false"):
            raise InvalidValue("true or false")
        return value == "true"

    return Kind(
        name="true or false",
        read=read,
        schema=or_reference({"type": "boolean"}),
        written="either",
        show=lambda value: str(value).lower(),
    )


def _chosen(value: str, values: Iterable[str]) -> str:
    if value not in (words := [*values]):
        raise InvalidValue(" or ".join(words))
    return value


def _bounded(
    value: _Bounded, minimum: _Bounded, maximum: _Bounded, show: Callable[[_Bounded], str]
) -> _Bounded:
    if value < minimum:
        raise InvalidValue(f"at least {show(minimum)}")
    if value > maximum:
        raise InvalidValue(f"at most {show(maximum)}")
    return value


def _warn_of_spaces(written: str) -> str:
    if written == written.strip(" "):
        return ""
    return "it begins or ends with a space, which is taken as a part of it"
