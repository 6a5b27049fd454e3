"""YAML bytes to nodes with their places. Strict: what could surprise or explode is refused.

The events come from PyYAML's C parser; its composer is not used, since it follows aliases, lets
the last of two equal keys win and recurses as deep as the file is. PyYAML's own messages are
never shown, because they quote the line, secret and all.
"""

import codecs
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError
from yaml.resolver import Resolver

TWICE: Final = "the key is given twice"
LARGEST_FILE: Final = 4 << 20  # bytes
DEEPEST: Final = 20
_MOST_REFUSED: Final = 100  # keys of one mapping; more would not be shown
# In nodes; a list, a mapping, and a text that nothing else shares count twice, by the memory that
# they take. In a job file of 10,000 jobs with three labels each it is 240,000 at most.
MOST_WEIGHT: Final = 250_000
_MOST_SHARED: Final = 10_000  # texts; the table of them must not cost more than it saves


# Two words, and no dataclass: a file of 10,000 jobs makes 160,000 of them.
class Scalar:
    """A single value, as text.

    Attributes:
        text: without quotes and escapes.
    """

    __slots__ = ("_mark", "text")

    def __init__(self, text: str, *, plain: bool, line: int, column: int) -> None:
        self.text = text
        self._mark = line << 25 | column << 1 | plain

    @property
    def plain(self) -> bool:
        """Whether it stands without quotes, so that YAML would read a type into it."""
        return bool(self._mark & 1)

    @property
    def line(self) -> int:
        """1-based, of its key, or its own where it has none."""
        return self._mark >> 25

    @property
    def column(self) -> int:
        """1-based, likewise. A file is too short for one of over 24 bits."""
        return self._mark >> 1 & 0xFFFFFF


@dataclass(slots=True)
class RefusedNode:
    """What stands here is YAML that this package does not take.

    Attributes:
        message: what it is, and what to do.
        line: as in ``Scalar``.
        column: as in ``Scalar``.
    """

    message: str
    line: int
    column: int


@dataclass(slots=True)
class Sequence:
    """A list. The places are as in ``Scalar``."""

    line: int
    column: int
    items: "list[Node]" = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Keys and values in the file's order. The places are as in ``Scalar``.

    Attributes:
        entries: the values by key; of equal keys, the first.
        refused: keys that cannot be: given twice, or no text.
    """

    line: int
    column: int
    # A key may be a part of a password: see ``places.shown_key``.
    entries: "dict[str, Node]" = field(default_factory=dict, repr=False)
    refused: tuple[RefusedNode, ...] = ()


Node = Scalar | Sequence | Mapping | RefusedNode


class YamlError(Exception):
    """The file as a whole cannot be read. The message is ours and quotes nothing of it."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def parse(data: bytes) -> Node | None:
    """Return the root node of the one document in data; None for an empty file.

    Raises:
        YamlError: it is too large, no UTF-8, no YAML, too deep, or more than one document.
    """
    _check_encoding(data)
    try:
        # Bytes, not text: a copy less of a file that may be large.
        return _Composer(yaml.parse(data, Loader=yaml.CBaseLoader)).document()
    except yaml.MarkedYAMLError as error:
        _refuse_before(error, data)
        raise _syntax_error(error, data) from None
    except ReaderError as error:
        raise _reader_error(error, data) from None


def implicit_type(text: str) -> str:
    """Return the YAML 1.1 type of a plain scalar: ``str``, ``int``, ``null`` and so on."""
    for tag, pattern in Resolver.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return str(tag).rpartition(":")[2]
    return "str"


def _check_encoding(data: bytes) -> None:
    if len(data) > LARGEST_FILE:
        raise YamlError(f"expected at most {LARGEST_FILE >> 20} MiB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise YamlError("expected UTF-8 text, got UTF-16: save the file as UTF-8", 1, 1)


class _Composer:
    """Makes nodes of events."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._next = events.__next__
        self._weight = 0
        self._texts: dict[str, str] = {}  # one string for all that are equal: keys, labels

    def document(self) -> Node | None:
        self._next()  # the stream's start
        if isinstance(self._next(), StreamEndEvent):
            return None
        first = self._next()
        root = self._node(first, _line(first), _column(first), 0)
        self._next()  # the document's end
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            message = "a second document begins: expected one document in a file"
            raise YamlError(message, _line(after), _column(after))
        if isinstance(root, Scalar) and root.plain and not root.text:
            return None
        return root

    def _node(self, event: Event, line: int, column: int, depth: int) -> Node:
        """Make the node that begins with event. Its place is that of its key, if it has one."""
        refusal = _refusal(event)
        self._weight += 1 if type(event) is ScalarEvent and not refusal else 2
        if self._weight > MOST_WEIGHT:
            message = "too many values for one file: spread the jobs over several job files"
            raise YamlError(message, line, column)
        node: Node | None = None
        if type(event) is ScalarEvent:
            text = self._shared(event.value)
            node = Scalar(text, plain=event.implicit[0], line=line, column=column)
        elif type(event) is MappingStartEvent:
            node = self._mapping(Mapping(line, column), depth + 1)
        elif type(event) is SequenceStartEvent:
            node = self._sequence(Sequence(line, column), depth + 1)
        return RefusedNode(refusal, line, column) if refusal or node is None else node

    def _shared(self, text: str) -> str:
        if len(self._texts) < _MOST_SHARED:
            return self._texts.setdefault(text, text)
        if text in self._texts:
            return self._texts[text]
        self._weight += 1
        return text

    def _mapping(self, node: Mapping, depth: int) -> Mapping:
        _check_depth(node, depth)
        entries = node.entries
        while not isinstance(event := self._next(), CollectionEndEvent):
            line, column = _line(event), _column(event)
            key = self._node(event, line, column, depth)
            value = self._node(self._next(), line, column, depth)
            if refusal := _key_refusal(key, entries):
                if len(node.refused) < _MOST_REFUSED:
                    node.refused = (*node.refused, RefusedNode(refusal, line, column))
            elif isinstance(key, Scalar):
                entries[key.text] = value
        return node

    def _sequence(self, node: Sequence, depth: int) -> Sequence:
        _check_depth(node, depth)
        while not isinstance(event := self._next(), CollectionEndEvent):
            node.items.append(self._node(event, _line(event), _column(event), depth))
        return node


def _check_depth(node: Mapping | Sequence, depth: int) -> None:
    if depth > DEEPEST:
        message = f"expected at most {DEEPEST} levels of nesting"
        raise YamlError(message, node.line, node.column)


def _refusal(event: Event) -> str:
    """Return why a node that begins with event is not taken; empty if it is."""
    if isinstance(event, AliasEvent):
        return "an alias (*name) is not taken: write the value out"
    if not isinstance(event, NodeEvent):
        return "expected a value"
    if event.anchor is not None:
        return "an anchor (&name) is not taken: write the value out where it is needed"
    if getattr(event, "tag", None) is not None:
        return "a tag (!name) is not taken: write the plain value"
    return ""


def _key_refusal(key: Node, entries: "dict[str, Node]") -> str:
    """Return why a key is not taken; empty if it is."""
    if isinstance(key, RefusedNode):
        return key.message
    if not isinstance(key, Scalar):
        return (
            "expected text as a key, got a list or a mapping: is a template ({{ }}) left unfilled?"
        )
    if key.plain and key.text == "<<":
        return "a merge key ('<<') is not taken: write the keys out"
    if key.text in entries:
        return f"{TWICE}, first in line {entries[key.text].line}"
    return ""


def _line(event: Event) -> int:
    return cast("yaml.Mark", event.start_mark).line + 1


def _column(event: Event) -> int:
    return cast("yaml.Mark", event.start_mark).column + 1


_TAB: Final = "a tab: indent with spaces"
_TEMPLATE: Final = "a template ({{ }} or {% %}) is left unfilled here"
_QUOTE: Final = "a quote is opened here and never closed"
_CONFLICT: Final = re.compile(rb"(?m)^(?:<{7} |={7}\r?$|>{7} )")
# Where the mistake is; the parser has gone on to where it noticed.
_BEGINS_AT_CONTEXT: Final = (
    "found unexpected end of stream",
    "found unexpected document indicator",
    "could not find expected ':'",
)
_SYNTAX: Final = {
    "mapping values are not allowed in this context": (
        "a ':' that cannot be here: check the indentation of this line and the one before, "
        "or put a value that holds ': ' in quotes"
    ),
    "could not find expected ':'": "expected 'key: value', with a space after the colon",
    "did not find expected key": "expected a key here: check the indentation and the quotes",
    "did not find expected '-' indicator": (
        "expected '- ' here: is this line indented as the keys that it belongs to?"
    ),
    "did not find expected ',' or ']'": "expected ',' or ']': is a bracket left open?",
    "did not find expected ',' or '}'": (
        "expected ',' or '}': is a brace left open, or a ${NAME} within braces without quotes?"
    ),
    "found unexpected end of stream": _QUOTE,
    "found unexpected document indicator": _QUOTE,
    "block sequence entries are not allowed in this context": (
        "a '- ' that cannot be here: begin the list in a line of its own, and check the indentation"
    ),
    "did not find expected <document start>": (
        "expected nothing more here: check the indentation of this line and the one before"
    ),
    "did not find expected node content": (
        "expected a value here: is it cut off, or does it begin with one of ,]} and need quotes?"
    ),
    "did not find expected alphabetic or numeric character": (
        "a value that begins with '*' or '&': put the value in quotes"
    ),
    "did not find expected comment or line break": (
        "nothing can follow '|' or '>' here: put a value that begins with one of them in quotes"
    ),
    "found undefined tag handle": "a tag (!name) is not taken: put the value in quotes",
    "found unknown escape character": (
        "an unknown escape: in double quotes, write a backslash as two, or use single quotes"
    ),
    "found character that cannot start any token": (
        "a value cannot begin with this character: put the value in quotes"
    ),
    "found a tab character where an indentation space is expected": _TAB,
}


def _refuse_before(error: yaml.MarkedYAMLError, data: bytes) -> None:
    """Raise what this reader refuses before the place where the parser gave up, if it does.

    The parser looks ahead, and libyaml 0.2.6 gives up at 1,000 levels of nesting. By then the older
    libyaml has handed out the 21 levels that are too many here. The message must be the same.
    """
    if mark := error.problem_mark:
        before = data.decode("utf-8-sig", errors="replace")[: mark.index].encode()
        with contextlib.suppress(yaml.YAMLError):
            _Composer(yaml.parse(before, Loader=yaml.CBaseLoader)).document()


def _syntax_error(error: yaml.MarkedYAMLError, data: bytes) -> YamlError:
    if conflict := _CONFLICT.search(data):
        line = data.count(b"\n", 0, conflict.start()) + 1
        return YamlError("a merge conflict is left here: settle it", line, 1)
    mark = error.problem_mark or error.context_mark
    if error.problem in _BEGINS_AT_CONTEXT and error.context_mark:
        mark = error.context_mark
    if mark is None:
        return YamlError("not YAML")
    message = _SYNTAX.get(error.problem or "", "not YAML: check the indentation and the quotes")
    text = data.decode("utf-8-sig", errors="replace")
    around = text[max(0, mark.index - 2) : mark.index + 2]
    if text[mark.index : mark.index + 1] == "\t":
        message = _TAB
    elif "{{" in around or "{%" in around:
        message = _TEMPLATE
    return YamlError(message, mark.line + 1, mark.column + 1)


def _reader_error(error: ReaderError, data: bytes) -> YamlError:
    # PyYAML hands out an offset in bytes here, and no mark.
    before = data[: error.position].decode("utf-8-sig", errors="replace")
    message = "expected UTF-8 text: save the file as UTF-8"
    if "control characters" in str(error.reason):
        message = "a control character: expected UTF-8 text"
    return YamlError(message, before.count("\n") + 1, len(before) - before.rfind("\n"))
