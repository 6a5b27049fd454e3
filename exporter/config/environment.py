"""``${NAME}`` in a value is replaced from the environment; ``$$`` is a dollar. Pure."""

import re
from collections.abc import Mapping

_DOLLAR = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
_WHOLLY = re.compile(r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return text with every reference replaced.

    Raises:
        ValueError: with a sentence for the user: a variable is not set or not text, or a dollar
            stands alone. No value is in it.
    """
    faults = list(dict.fromkeys(filter(None, (_fault(m, environ) for m in _DOLLAR.finditer(text)))))
    if faults:
        raise ValueError("; ".join(faults))
    return _DOLLAR.sub(lambda match: match[1] or environ[match[2]], text)


def holds_reference(text: str) -> bool:
    """Tell whether a part of a value comes from the environment, so that it may be secret."""
    return "${" in text


def is_reference(text: str) -> bool:
    """Tell whether the whole of a value comes from the environment."""
    return _WHOLLY.fullmatch(text) is not None


def _fault(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match[1]:
        return ""
    name = match[2]
    if not name and match.string.startswith("${", match.start()):
        return "a '${' is not followed by a variable's name (letters, digits, '_') and '}'"
    if not name:
        return "a '$' stands alone: write '$$' for a dollar, '${NAME}' for an environment variable"
    if name not in environ:
        return f"the environment variable {name} is not set"
    # Bytes that are no UTF-8 arrive as lone surrogates, which no request could carry.
    if any("\ud800" <= character <= "\udfff" for character in environ[name]):
        return f"the environment variable {name} is not UTF-8 text"
    return ""
