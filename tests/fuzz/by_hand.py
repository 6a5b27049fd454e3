"""A hundred hostile answers that people thought of, each with what must become of it.

That is the reason of the failure, or status, progress and the fields that could not be read.
"""

import json

from tests.fuzz.answers import GOOD, JOB_ID, Answer

Case = tuple[str, Answer]


def _answer(body: bytes | str, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else body.encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, named, raw)


def _job(**fields: str) -> str:
    """A good answer with these fields of the job written so."""
    job = GOOD["Job"]
    assert isinstance(job, dict)
    texts = {name: json.dumps(value) for name, value in job.items()} | fields
    members = ",".join(f'"{name}":{text}' for name, text in texts.items() if text)
    return f'{{"Status":"success","Job":{{{members}}}}}'


def _error(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    return _answer(json.dumps({"Code": code, "Message": message}), status, **headers)


_HOSTILE = '"}} 1\r\nadbpg_job_up{{job_id=\\"healthy\\"}} 0\x1b[2J\u2028\ud800' + "x" * 100_000
_FAIL = '{"Status":"fail","Message":"no","Job":{"Status":"Running"}}'
_UTF16 = _job().encode("utf-16")

NO_JSON: list[Case] = [
    ("bad_answer", _answer("")),
    ("bad_answer", _answer(" \r\n\t")),
    ("bad_answer", _answer("null")),
    ("bad_answer", _answer("true")),
    ("bad_answer", _answer("0")),
    ("bad_answer", _answer("NaN")),
    ("bad_answer", _answer('"Job"')),
    ("bad_answer", _answer("[]")),
    ("bad_answer", _answer(f"[{_job()}]")),
    ("bad_answer", _answer(_job()[:-1])),
    ("bad_answer", _answer(_job() + "}")),
    ("bad_answer", _answer(_job() * 2)),
    ("bad_answer", _answer(_job().replace('"', "'"))),
    ("bad_answer", _answer(f"/**/{_job()}")),
    ("bad_answer", _answer(f"callback({_job()})")),
    ("bad_answer", _answer(_job(Progress="1600,"))),
    ("bad_answer", _answer(_job(Progress="01600"))),
    ("bad_answer", _answer(_job(Progress="0x640"))),
    ("bad_answer", _answer(_job(Progress="+1600"))),
    ("bad_answer", _answer(_job(Progress="undefined"))),
    ("bad_answer", _answer(_job(Progress="9" * 5_000))),
    ("bad_answer", _answer(_job(Error='"line\nbreak"'))),
    ("bad_answer", _answer(_job(Error='"\\x41"'))),
    ("bad_answer", _answer("<html><body>It works!</body></html>")),
    ("bad_answer", _answer("<?xml version='1.0'?><Job/>")),
    ("bad_answer", _answer("[" * 100_000)),
    ("bad_answer", _answer('{"Job":' * 30_000)),
    ("bad_answer", _answer("[" * 100_000 + "]" * 100_000)),
    ("bad_answer", _answer(b"\xff\xfe\xfd")),
    ("bad_answer", _answer(b"\0" * 64)),
    ("bad_answer", _answer(_job(Error='"\xe9"').encode("latin-1"))),
    ("bad_answer", _answer(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")),
    ("bad_answer", _answer("OK", 204)),
    ("bad_answer", _answer("", 206)),
    ("Running 1600 ", _answer(_job().encode("utf-8-sig"))),
    ("Running 1600 ", _answer(_UTF16)),
    ("Running 1600 ", _answer(_job(), 201)),
]
NO_JOB: list[Case] = [
    ("bad_answer", _answer("{}")),
    ("bad_answer", _answer('{"Status":"success"}')),
    ("bad_answer", _answer('{"Status":"success","Job":null}')),
    ("bad_answer", _answer('{"Status":"success","Job":[]}')),
    ("bad_answer", _answer('{"Status":"success","Job":"Running"}')),
    ("bad_answer", _answer('{"Status":"success","Job":true}')),
    ("bad_answer", _answer('{"Status":"success","job":{"Status":"Running"}}')),
    ("bad_answer", _answer('{"Status":"success","Job":{"Status":"Running"},"Job":7}')),
    ("bad_answer", _answer(_job(Id='"job-2"'))),
    ("bad_answer", _answer(_job(Id='""'))),
    ("bad_answer", _answer(_job(Id="1"))),
    ("bad_answer", _answer(_job(Id=f'["{JOB_ID}"]'))),
    ("bad_answer", _answer(_job(Id=f'"{JOB_ID.upper()}"'))),
    ("bad_answer", _answer(_job(Id=f'"{JOB_ID}\\u0000"'))),
    ("Running 1600 ", _answer(_job(Id="null"))),
    ("Running 1600 ", _answer(_job(Id=""))),
    ("api_fail", _answer(_FAIL)),
    ("api_fail", _answer(_FAIL.replace("fail", "FAIL"))),
    ("api_fail", _answer(_FAIL.replace('"Status":"fail"', '"status":"fail"'))),
    ("api_fail", _answer(json.dumps({"Status": "fail", "Message": _HOSTILE}))),
    ("api_fail", _answer('{"Status":"fail","Message":{"a":[1]}}')),
]
_NONE = "Unknown None CreateTime,UpdateTime,Status,Completed,Progress"
ODD_FIELDS: list[Case] = [
    (_NONE, _answer('{"Job":{}}')),
    (_NONE, _answer('{"Job":{"Status":{},"Progress":[],"CreateTime":1,"Completed":0}}')),
    ("Running None Progress", _answer(_job(Progress="null"))),
    ("Running None Progress", _answer(_job(Progress="true"))),
    ("Running None Progress", _answer(_job(Progress="-1"))),
    ("Running None Progress", _answer(_job(Progress="0.5"))),
    ("Running None Progress", _answer(_job(Progress="NaN"))),
    ("Running None Progress", _answer(_job(Progress="1e999"))),
    ("Running None Progress", _answer(_job(Progress="-Infinity"))),
    ("Running None Progress", _answer(_job(Progress="9" * 4_000))),
    ("Running None Progress", _answer(_job(Progress='"1600 entries"'))),
    ("Running None Progress", _answer(_job(Progress='"\\u0661\\u0666"'))),
    ("Running None Progress", _answer(_job(Progress='"1_600"'))),
    ("Running None Progress", _answer(_job(Progress="[1600]"))),
    ("Running 0 ", _answer(_job(Progress="-0.0"))),
    ("Running 1600 ", _answer(_job(Progress='"1600.000"'))),
    ("Unknown 1600 Status", _answer(_job(Status='"\\ud800"'))),
    ("Unknown 1600 Status", _answer(_job(Status=json.dumps(_HOSTILE)))),
    ("Unknown 1600 Status", _answer(_job(Status='["Running"]'))),
    ("Running 1600 ", _answer(_job(Status='" rUNNING\\n"'))),
    ("Running 1600 ", _answer(_job(Error=json.dumps(_HOSTILE)))),
    ("Running 1600 ", _answer(_job(Error='{"Job":{"Status":"Failed"}}'))),
    ("Running 1600 Completed", _answer(_job(Completed='"yes"'))),
    ("Running 1600 Completed", _answer(_job(Completed="1"))),
    ("Running 1600 CreateTime", _answer(_job(CreateTime='"0001-01-01 00:00:00"'))),
    ("Running 1600 CreateTime", _answer(_job(CreateTime='"2023-02-29 00:00:00"'))),
    ("Running 1600 CreateTime", _answer(_job(CreateTime='"2024-01-08 00:00:00+99:99"'))),
    ("Running 1600 CreateTime", _answer(_job(CreateTime="1704703924"))),
    ("Running 1600 UpdateTime", _answer(_job(UpdateTime='"2024-01-08 16:52:04"'))),
    ("Running 1600 ", _answer(_job(UpdateTime='"9999-12-31 23:59:59.999999"'))),
]
REFUSALS: list[Case] = [
    ("redirect", _answer(_job(), 307, Location="http://127.0.0.1:1/")),
    ("redirect", _answer(_job(), 300)),
    ("throttled", _error(400, "Throttling.User", x_acs_retry_after="9" * 100)),
    ("server", _error(503, "", x_acs_retry_after="soon")),
    ("auth", _error(404, "InvalidAccessKeyId.NotFound", _HOSTILE)),
    ("clock_skew", _error(400, "IllegalTimestamp")),
    ("not_found", _error(400, "x" * 1_000 + ".NotFound")),
    ("bad_answer", _answer('{"Code":["Throttling"],"Message":{}}', 400)),
    ("bad_answer", _answer("[" * 100_000, 499)),
    ("server", _answer(_job(), 500)),
    ("server", _answer("", 999)),
    ("bad_answer", _answer("null", 403)),
]
BY_HAND = [*NO_JSON, *NO_JOB, *ODD_FIELDS, *REFUSALS]
