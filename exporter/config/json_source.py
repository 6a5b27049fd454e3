"""Reads JSON strictly (RFC 8259), as the nodes that the checker walks along. Pure.

Nodes of JSON have no line and column: their place is their path.
"""

import json
import re
from typing import Final

from exporter.config.yaml_source import Mapping, Node, Scalar, Sequence

_DEEPEST: Final = 8  # levels; no shape that is checked has so many
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Number(str):
    """A number as it is written; how large it is, the checker finds out."""

    __slots__ = ()


def parse(data: bytes) -> Node:
    """Return the root node of a JSON text.

    Raises:
        ValueError: it is no JSON, names a key twice, or is nested too deep. The message shows
            nothing of it.
    """
    try:
        value = json.loads(
            data.decode(),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError:
        raise ValueError("expected JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        message = f"expected JSON, but {error.msg} in line {error.lineno}, column {error.colno}"
        raise ValueError(message) from None
    except RecursionError:
        raise ValueError(f"expected at most {_DEEPEST} levels") from None
    return _node(value, _DEEPEST)


def _refuse_constant(_: str) -> object:
    raise ValueError("expected JSON, which knows neither NaN nor Infinity")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("expected each key of an object once")
    return found


def _node(value: object, levels: int) -> Node:
    """Return the node of a value.

    Raises:
        ValueError: as ``parse``.
    """
    if not levels:
        raise ValueError(f"expected at most {_DEEPEST} levels")
    match value:
        case dict():
            entries = {name: _node(each, levels - 1) for name, each in value.items()}
            return Mapping(0, 0, entries=entries)
        case list():
            return Sequence(0, 0, [_node(each, levels - 1) for each in value])
        case _Number():
            return _scalar(str(value), plain=True)
        case str():
            if not value.isascii() and _SURROGATE.search(value):
                raise ValueError("expected text, got half of a surrogate pair")
            return _scalar(value, plain=False)
        case _:
            return _scalar(json.dumps(value), plain=True)


def _scalar(text: str, *, plain: bool) -> Scalar:
    return Scalar(text, plain=plain, line=0, column=0)
