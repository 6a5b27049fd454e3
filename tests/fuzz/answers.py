"""Answers of an API that has gone wrong in every way that we could think of, as strategies.

JSON is made as text, since most of what hurts cannot be written by ``json.dumps``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

JOB_ID = "job-1"
GOOD = {
    "RequestId": "R",
    "Status": "success",
    "Message": "",
    "Job": {
        "Id": JOB_ID,
        "Completed": False,
        "CreateTime": "2024-01-08 16:52:04.864664",
        "UpdateTime": "2024-01-08 16:53:04.864664",
        "Status": "Running",
        "Error": "",
        "Progress": 1600,
    },
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, before it is put into HTTP.

    Attributes:
        status: the HTTP status.
        headers: names and values.
        body: its bytes.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


_ANY_TEXT = st.text(st.characters(codec=None), max_size=20)  # lone surrogates and NUL too
_HOSTILE_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\u2028\u2029",
        "\x1b[31m\x07",
        '"} 1\nadbpg_job_up{job_id="healthy"} 0\n#',
        "\\",
        "line\r\nbreak",
        "x" * 5_000,
        "é" * 3_000,
        "١٢٣",
        "${HOME} %s {0} {{}}",
        "<script>alert(1)</script>",
    ]
)
_STATUS = st.sampled_from(
    ["Start", "Running", "Cancelling", "Cancelled", "Success", "Failed", "Pending", "Unknown"]
)
_TIME = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True),
    st.from_regex(r"20[0-9]{2}-01-01 00:00:00[+-][0-9]{2}:?[0-9]{2}", fullmatch=True),
    st.sampled_from(
        [
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
            "2024-02-30 00:00:00",
            "2024-01-08 24:00:00",
            "2024-01-08 23:59:60",
            "2024-01-08 16:52:04.",
            "2024-01-08 16:52:04.1234567890",
            "1704703924",
            "\u0662\u0660\u0662\u0664-01-08 00:00:00",
        ]
    ),
)
_WORD = st.sampled_from(["true", "TRUE", " false ", "yes", "fail", "FAIL", "success", "0", "null"])
_CODE = st.sampled_from(
    [
        "Throttling",
        "Throttling.User",
        "InvalidAccessKeyId.NotFound",
        "SignatureDoesNotMatch",
        "IllegalTimestamp",
        "Forbidden.RAM",
        "Forbidden.InstanceNotFound",
        "InvalidParameter",
        "Job.NotFound",
        "Service.Exception",
        "InternalError",
        ".",
        "..NotFound",
        "x" * 3_000,
    ]
)
_ID = st.sampled_from([JOB_ID, JOB_ID.upper(), "other", "", "null"])
_TEXT = st.one_of(_ANY_TEXT, _HOSTILE_TEXT, _STATUS, _TIME, _WORD, _CODE, _ID)

_NUMBER = st.one_of(
    st.integers(-3, 3).map(str),
    st.integers().map(str),
    st.floats().map(json.dumps),  # NaN and Infinity too, which are no JSON
    st.sampled_from(
        [
            *("1e999", "-1e999", "1e-999", "-0", "0.1e1", "1600.0", "1E15", "1e15", "1e16"),
            *("1000000000000000", "1000000000000001", "9" * 400, "9" * 5_000, "0" * 50),
            *("01", "+1", "1.", ".5", "0x10", "1_000", "- 1", "1e", "Infinity", "-NaN"),
        ]
    ),
)
_LEAF = st.one_of(st.sampled_from(["null", "true", "false"]), _NUMBER, _TEXT.map(json.dumps))


def _deep(opening: str, closing: str) -> st.SearchStrategy[str]:
    depths = st.one_of(st.integers(0, 40), st.sampled_from([500, 1_500, 100_000]))
    return depths.map(lambda depth: opening * depth + "0" + closing * depth)


_DEEP = st.one_of(_deep("[", "]"), _deep('{"a":', "}"), _deep("[", ""), _deep('{"Job":', "}"))

_NAMES = [
    *("RequestId", "Status", "Message", "Job", "Code", "HostId", "Recommend"),
    *("Id", "Completed", "CreateTime", "UpdateTime", "Error", "Progress"),
]
_NAME = st.one_of(
    st.sampled_from(_NAMES),
    st.sampled_from(_NAMES).map(str.lower),
    st.sampled_from(_NAMES).map(str.upper),
    _ANY_TEXT,
).map(json.dumps)


def _list(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def _object(members: list[tuple[str, str]]) -> str:
    """An object whose names may come twice."""
    return "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"


_VALUE = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_list),
        st.lists(st.tuples(_NAME, inner), max_size=4).map(_object),
    ),
    max_leaves=8,
)
_ANY_VALUE = st.one_of(_VALUE, _VALUE, _VALUE, _VALUE, _DEEP)


def _fitting(name: str) -> st.SearchStrategy[str]:
    """Values of a field that are nearly right."""
    texts = {
        "Status": st.one_of(_STATUS, _STATUS.map(str.swapcase), _WORD),
        "CreateTime": _TIME,
        "UpdateTime": _TIME,
        "Code": _CODE,
        "Id": _ID,
        "Completed": _WORD,
    }
    text = texts.get(name, _TEXT).map(json.dumps)
    return st.one_of(text, text, _NUMBER, _ANY_VALUE) if name == "Progress" else text


@st.composite
def _members(draw: st.DrawFn, good: Mapping[str, object], texts: dict[str, str]) -> str:
    """An object with a few fields missing, twice, renamed, or of another value."""
    members = {name: json.dumps(value) for name, value in good.items()} | texts
    listed = list(members.items())
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([*members, "Code"]))
        value = draw(st.one_of(_fitting(name), _NUMBER, _ANY_VALUE))
        match draw(st.sampled_from(["replace", "replace", "replace", "add", "drop", "rename"])):
            case "replace":
                listed = [(n, value if n == name else v) for n, v in listed]
            case "add":
                listed.append((name, value))
            case "drop":
                listed = [(n, v) for n, v in listed if n != name]
            case _:
                listed = [(n.lower() if n == name else n, v) for n, v in listed]
    return _object([(json.dumps(name), value) for name, value in listed])


@st.composite
def _nearly_good(draw: st.DrawFn) -> str:
    job = draw(_members(GOOD["Job"], {}))  # type: ignore[arg-type]  # it is a dict
    outer = {name: value for name, value in GOOD.items() if name != "Job"}
    if draw(st.integers(0, 3)):
        return _object(
            [*((json.dumps(n), json.dumps(v)) for n, v in outer.items()), ('"Job"', job)]
        )
    return draw(_members(outer, {"Job": job}))


@st.composite
def _damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that are cut, or overwritten in one place."""
    data = draw(whole)
    start = draw(st.integers(0, len(data)))
    end = draw(st.one_of(st.just(len(data)), st.integers(start, min(start + 8, len(data)))))
    return data[:start] + draw(st.binary(max_size=4)) + data[end:]


_ENCODINGS = ["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"]
_JSON = st.one_of(_nearly_good(), _nearly_good(), _nearly_good(), _ANY_VALUE)
JSON_BODIES = st.tuples(_JSON, st.sampled_from(_ENCODINGS)).map(
    lambda pair: pair[0].encode(pair[1], "replace")
)
BODIES = st.one_of(JSON_BODIES, JSON_BODIES, _damaged(JSON_BODIES), st.binary(max_size=60))

_HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
_DATES = ["Mon, 08 Jan 2024 08:53:04 GMT", "Thu, 01 Jan 1970 00:00:00 -0000", "nonsense"]
_HUGE_DATE = f"Mon, 08 Jan {'9' * 100} 08:53:04 GMT"
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just("Date"), st.sampled_from([*_DATES, _HUGE_DATE, "Mon, 8 Jan 99999 1:1"])),
        st.tuples(
            st.just("x-acs-retry-after"),
            st.one_of(_HEADER_TEXT, st.sampled_from(["0", "1000", "-1", "9" * 99, "1e9", "²"])),
        ),
        st.tuples(
            st.just("Content-Encoding"),
            st.sampled_from(["gzip", "identity", "br, gzip", "", "Identity"]),
        ),
        st.tuples(st.just("Location"), st.just("http://127.0.0.1:1/")),
        st.tuples(st.sampled_from(["X", "Set-Cookie", "Retry-After", "Connection"]), _HEADER_TEXT),
    ),
    max_size=3,
).map(tuple)
_STATUSES = st.one_of(
    st.just(200),
    st.just(200),
    st.sampled_from([201, 204, 301, 302, 304, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504]),
    st.integers(200, 999),
)
ANSWERS = st.builds(Answer, _STATUSES, HEADERS, BODIES)
