"""What kind of trouble the error text of a job is about. Pure.

The vendor documents no codes for these texts, so the classes come from patterns: of PostgreSQL's
own messages, of pgvector's, and of the samples on the vendor's pages. The first that fits wins; a
text that fits none is ``other``.
"""

import re

from exporter.model import ErrorClass

_PATTERNS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (ErrorClass.DIMENSION_MISMATCH, r"\bdimensions?\b|\bdim\b"),
        (ErrorClass.OUT_OF_MEMORY, r"out of memory|\boom\b|memory (limit|exhausted)|vmem"),
        (
            ErrorClass.DISK_FULL,
            (
                r"no space left|disk (is )?full|disk quota|could not (extend|write to) file"
                r"|read-?only (mode|state|transaction)|storage (is )?(full|exceeded|exhausted)"
            ),
        ),
        (
            ErrorClass.DUPLICATE,
            r"duplicate|already exists|unique constraint|cannot affect row a second time",
        ),
        (
            ErrorClass.QUOTA,
            (
                r"quota|throttl|rate limit|too many (requests|connections|clients)|limit exceeded"
                r"|exceed(s|ed)? the (maximum|limit)"
            ),
        ),
        (
            ErrorClass.PERMISSION,
            (
                r"permission|denied|forbidden|not authori[sz]ed|unauthori[sz]ed|authentication"
                r"|password"
            ),
        ),
        (ErrorClass.TIMEOUT, r"time[d\s-]*out|deadline exceeded"),
        (ErrorClass.INTERNAL, r"internal( server)? error|unexpected error|panic|\bbug\b"),
        (
            ErrorClass.BAD_DATA,
            (
                r"invalid|malformed|pars(e|ing)|syntax|\bjson\b|encoding|too long|out of range"
                r"|not[- ]null|null value|violates|mismatch|missing|does not exist|not found"
                r"|unknown|unsupported|\btype\b"
            ),
        ),
        (
            ErrorClass.INTERNAL,
            (
                r"\bconnect|server (closed|is (starting|shutting))|crash|terminat|failover|restart"
                r"|unavailable"
            ),
        ),
    )
)


def classify(text: str, code: str = "") -> ErrorClass | None:
    """Return the class of an error; None where there is neither text nor code.

    Args:
        text: the API's ``Error``.
        code: its ``ErrorCode``, such as ``InvalidFileType``: undocumented too, so it is read as
            words like the text, which it precedes.
    """
    if not text and not code:
        return None
    words = _INSIDE_CODE.sub(" ", code)
    fitting = (
        kind for each in (words, text) for kind, pattern in _PATTERNS if pattern.search(each)
    )
    return next(fitting, ErrorClass.OTHER)


_INSIDE_CODE = re.compile(r"[._]|(?<=[a-z])(?=[A-Z])")  # between the words of a code
