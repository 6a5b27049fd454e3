"""The formats of a metrics page, and which of them an Accept header asks for. Pure.

RFC 9110, section 12.5: https://www.rfc-editor.org/rfc/rfc9110#section-12.5
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_ESCAPINGS: Final = ("allow-utf-8", "underscores", "dots", "values")


@dataclass(frozen=True, slots=True)
class Weighted:
    """One item of a header such as Accept or Accept-Encoding.

    Attributes:
        name: in lower case.
        parameters: by their lower-case names; the quality is none of them.
        quality: from 0 to 1; 0 says that this is not wanted.
    """

    name: str
    parameters: Mapping[str, str]
    quality: float


def weighted(header: str) -> Iterator[Weighted]:
    """Yield the items of a header. A quality that cannot be read is 0: it asks for nothing."""
    for item in header.split(","):
        name, *rest = item.split(";")
        parameters = {}
        for parameter in rest:
            key, _, value = parameter.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        quality = parameters.pop("q", "1")
        matched = _QUALITY.fullmatch(quality)
        yield Weighted(name.strip().lower(), parameters, float(quality) if matched else 0.0)


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the page.

    Attributes:
        media_type: without parameters.
        version: of the format.
        is_openmetrics: whether counters and the end are written as OpenMetrics has it.
        escaping: how names were asked to be escaped; empty where that was not said. All our names
            are the same in each way.
    """

    media_type: str
    version: str
    is_openmetrics: bool = False
    escaping: str = ""

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        escaping = f"; escaping={self.escaping}" if self.escaping else ""
        return f"{self.media_type}; version={self.version}; charset=utf-8{escaping}"

    def specificity(self, wanted: Weighted) -> int:
        """Return how exactly a range of media types means this format; 0 if it does not."""
        if wanted.name == "*/*":
            return 1
        if wanted.name == self.media_type.partition("/")[0] + "/*":
            return 2
        if wanted.name != self.media_type:
            return 0
        version = wanted.parameters.get("version")
        if version is None:
            return 3
        return 4 if version == self.version else 0


TEXT: Final = Format("text/plain", "0.0.4")
OPENMETRICS: Final = Format("application/openmetrics-text", "1.0.0", is_openmetrics=True)
# With names of ASCII letters, digits and _ it reads as 0.0.4 does.
TEXT_1: Final = Format("text/plain", "1.0.0")
_FORMATS: Final = (TEXT, OPENMETRICS, TEXT_1)  # of equally good ones, the first is taken


def choose(accept: str) -> Format:
    """Return the format to write: the one that is asked for most, or else text 0.0.4.

    Of all ranges that mean a format, the most specific one says how much it is wanted.

    Args:
        accept: the value of the Accept header; empty for none.
    """
    wanted = [*weighted(accept)]
    chosen, most = TEXT, 0.0
    for offered in _FORMATS:
        meant = [(offered.specificity(item), item.quality, item) for item in wanted]
        specificity, quality, item = max(meant, key=lambda found: found[:2])
        if specificity and quality > most:
            most = quality
            escaping = item.parameters.get("escaping", "") if specificity == 4 else ""
            known = escaping in _ESCAPINGS and offered is not TEXT
            chosen = replace(offered, escaping=escaping) if known else offered
    return chosen
