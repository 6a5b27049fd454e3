"""What to do about a mistake, guessed from what stands there. Pure."""

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from exporter.config.yaml_source import TWICE, Mapping, Node, RefusedNode, Scalar, Sequence

_LONGEST_NAME: Final = 64  # characters; to compare longer ones takes long


@dataclass(frozen=True, slots=True)
class KeyAdvice:
    """About an unknown key.

    Attributes:
        text: what to do.
        meant: keys known beside it for which it may stand, so that they are not missing.
        misplaced: keys known elsewhere for which it may stand.
    """

    text: str
    meant: Collection[str] = ()
    misplaced: Collection[str] = ()


def advice_on(
    name: str, value: Node, keys: Iterable[str], everywhere: Iterable[tuple[str, str]]
) -> KeyAdvice:
    """Return what to do about an unknown key.

    Args:
        name: of the key.
        value: that stands there.
        keys: known beside it.
        everywhere: all keys, each with the path of what it stands in.
    """
    known = [*keys]
    if isinstance(value, Mapping) and (below := value.entries.keys() & known):
        return KeyAdvice("take it away, since what stands below it belongs here", meant=below)
    elsewhere: dict[str, str] = {}
    for other, path in sorted(everywhere, key=lambda key: len(key[1])):  # the top first
        elsewhere.setdefault(other, f"under {path}" if path else "at the top level")
    if name in elsewhere and not difflib.get_close_matches(name, known, n=1, cutoff=0.9):
        return KeyAdvice(f"it belongs {elsewhere[name]}", misplaced=(name,))
    name = name[:_LONGEST_NAME]
    if near := difflib.get_close_matches(_plain(name), known, n=1, cutoff=0.5):
        return KeyAdvice(f"did you mean {near[0]}?", meant=near)
    if near := difflib.get_close_matches(_plain(name), elsewhere, n=1, cutoff=0.8):
        text = f"did you mean {near[0]}, which belongs {elsewhere[near[0]]}?"
        return KeyAdvice(text, misplaced=near)
    if isinstance(value, Scalar) and value.plain and not value.text:
        return KeyAdvice("is it a part of a value with a ',' in it, which then needs quotes?")
    return KeyAdvice(f"expected one of {', '.join(known)}")


def keys_such_as(keys: Iterable[str]) -> str:
    """Return what a section is, in a few words."""
    return "a mapping of keys such as " + ", ".join([*keys][:3])


def structure(node: Node | None) -> str:
    """Return what a node is, in the words of messages."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case _:
            return "a single value"


def listed(node: Node | None) -> str:
    """Return how what is no list becomes one."""
    if isinstance(node, Mapping) and [*map(type, node.entries.values())] == [Sequence]:
        return "take the key above the list away"
    return "begin each entry with '- '"


def advice_on_structure(node: Node | None) -> str:
    """Return what is wrong with a list or a mapping where a single value belongs."""
    if isinstance(node, Mapping) and node.refused:
        return node.refused[0].message  # a template, most often
    return f"expected a single value, got {structure(node)}"


def advice_on_entries(nodes: Collection[Node], keys: Iterable[str]) -> str:
    """Return what is wrong in one way with all entries of a list; empty if nothing is."""
    if len(nodes) > 1 and all(isinstance(node, Scalar) for node in nodes):
        return f"expected {keys_such_as(keys)}, got a single value, as in all entries"
    if _are_split_apart(nodes):
        return "each entry has one key only: begin the first key of an entry with '- ', not each"
    return ""


def _are_split_apart(nodes: Collection[Node]) -> bool:
    mappings = [node for node in nodes if isinstance(node, Mapping) and len(node.entries) == 1]
    keys = {key for node in mappings for key in node.entries}
    return len(keys) == len(nodes) > 1


def merged(refused: Iterable[RefusedNode]) -> Iterator[RefusedNode]:
    """Yield the refused keys of a mapping; of several that are given twice, the first for all.

    They have one cause: the entry that they belong to does not begin with ``- ``.
    """
    keys = [*refused]
    twice = [key for key in keys if key.message.startswith(TWICE)]
    if len(twice) > 1:
        why = f"{twice[0].message}, and so are others after it: is a '- ' missing?"
        yield replace(twice[0], message=why)
        keys = [key for key in keys if key not in twice]
    yield from keys


def _plain(name: str) -> str:
    """Return a key in the spelling of ours: ``minInterval`` and ``min-interval`` are near."""
    return name.replace("-", "_").lower()
