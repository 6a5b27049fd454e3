"""Answers that make no sense: garbage, and jobs of which no field can be trusted."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.faults.bench import COMPLETE, RUNNING, Scrape, job_answer, ward
from tests.processes import PATIENCE, tool
from tests.upstream import message, send

LONG_NUMBER = b"7" * 100_000
INVALID = "adbpg_exporter_invalid_fields_total"


def job_text(job: bytes) -> bytes:
    """Return an answer with a job that is written as it is."""
    return b'{"Status": "success", "Job": %b}' % job


GARBAGE: dict[str, tuple[bytes, str]] = {
    "HTML": (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "bad_answer"),
    "empty": (b"", "bad_answer"),
    "white space": (b" \r\n\t ", "bad_answer"),
    "null": (b"null", "bad_answer"),
    "true": (b"true", "bad_answer"),
    "a list": (b"[]", "bad_answer"),
    "a list of jobs": (b"[" + job_answer("x") + b"]", "bad_answer"),
    "a string": (b'"success"', "bad_answer"),
    "an empty object": (b"{}", "bad_answer"),
    "a million [": (b"[" * 1_000_000, "too_large"),
    "200,000 [": (b"[" * 200_000, "bad_answer"),
    "200,000 { in the job": (job_text(b'{"a":' * 40_000), "bad_answer"),
    "NaN": (b"NaN", "bad_answer"),
    "1e999": (b"1e999", "bad_answer"),
    "a number of 100,000 digits": (LONG_NUMBER, "bad_answer"),
    "a number of 100,000 digits in the job": (job_text(LONG_NUMBER), "bad_answer"),
    "such a progress": (job_text(b'{"Progress": %b}' % LONG_NUMBER), "bad_answer"),
    "a cut document": (job_answer("x")[:-5], "bad_answer"),
    "two documents": (job_answer("x") * 2, "bad_answer"),
    "no job": (b'{"Status": "success"}', "bad_answer"),
    "job null": (job_text(b"null"), "bad_answer"),
    "job a list": (job_text(b"[]"), "bad_answer"),
    "job a string": (job_text(b'"Running"'), "bad_answer"),
    "job a number": (job_text(b"1600"), "bad_answer"),
    "another job": (job_answer("another"), "bad_answer"),
    "a number as id": (job_text(b'{"Id": 7, "Status": "Running"}'), "bad_answer"),
    "a lone surrogate as id": (job_text(rb'{"Id": "\ud800"}'), "bad_answer"),
    "not UTF-8": (b'{"Status": "\xff\xfe\xfd"}', "bad_answer"),
    "NUL": (b"\x00" * 100, "bad_answer"),
    "NUL inside": (b'{"Status": "a\x00b"}', "bad_answer"),
    "a string of 1 MB": (job_text(b'{"Error": "%b"}' % (b"x" * 10**6)), "too_large"),
    "random bytes": (bytes(range(256)) * 8, "bad_answer"),
}
FAILS: dict[str, bytes] = {
    "fail": b'{"Status": "fail", "Message": "no such thing"}',
    "FAIL": b'{"Status": "FAIL"}',
    "fail, with a job": job_answer("x").replace(b'"success"', b'"fail"', 1),
    "fail, with a message that is no text": b'{"Status": "Fail", "Message": [1, {"a": null}]}',
    "fail, in lower-case names": b'{"status": "fail", "message": "x"}',
}


@pytest.fixture(scope="module")
def garbage(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    """A scrape while a job of each of many targets is answered with garbage of its own kind."""
    bodies = {name: body for name, (body, _) in GARBAGE.items()} | FAILS
    behaviours = {name: send(message(body)) for name, body in bodies.items()}
    with ward(behaviours, tmp_path_factory.mktemp("garbage")) as it:
        return it.scrape()


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(garbage: Scrape, name: str) -> None:
    """Fault 9: garbage costs its own job, and the page stays good for Prometheus' own parser."""
    garbage.lost(GARBAGE[name][1], where=name)


@pytest.mark.parametrize("name", FAILS)
def test_status_fail(garbage: Scrape, name: str) -> None:
    """Fault 10: HTTP 200 with the status `fail` is a refusal, even when a job stands in it."""
    garbage.lost("api_fail", where=name)


TIMES = ("created_timestamp_seconds", "updated_timestamp_seconds", "age_seconds")
NO_CREATION = {"turn_timestamp_seconds", *TIMES, "deadline_timestamp_seconds"} - {
    "updated_timestamp_seconds"
}
NO_UPDATE = {"updated_timestamp_seconds"}
NO_PROGRESS = {"progress_entries", "progress_ratio", "progress_changed_timestamp_seconds"}
MISSING = object()

# Name: what the job says, the metrics that it must not have, and other values that it has.
ODD: dict[str, tuple[dict[str, object], set[str], dict[str, float]]] = {
    "43: no CreateTime": ({"CreateTime": MISSING}, NO_CREATION, {}),
    "43: CreateTime null": ({"CreateTime": None}, NO_CREATION, {}),
    "43: CreateTime empty": ({"CreateTime": ""}, NO_CREATION, {}),
    "43: CreateTime a number": ({"CreateTime": 1704703924}, NO_CREATION, {}),
    "43: CreateTime a list": ({"CreateTime": ["2024-01-08 16:52:04"]}, NO_CREATION, {}),
    "43: year 0001": ({"CreateTime": "0001-01-01 00:00:00"}, NO_CREATION, {}),
    "43: month 13": ({"CreateTime": "2024-13-08 16:52:04"}, NO_CREATION, {}),
    "43: February 30th": ({"CreateTime": "2024-02-30 16:52:04"}, NO_CREATION, {}),
    "43: digits of another script": ({"CreateTime": "٢٠٢٤-01-08 16:52:04"}, NO_CREATION, {}),
    "43: words": ({"UpdateTime": "yesterday"}, NO_UPDATE, {}),
    "43: a time of 100,000 characters": ({"UpdateTime": "2" * 100_000}, NO_UPDATE, {}),
    "43: updated before it was created": ({"UpdateTime": "2023-01-08 16:52:04"}, NO_UPDATE, {}),
    "43: no fraction": (
        {"CreateTime": "2024-01-08 16:52:04"},
        set(),
        {"created_timestamp_seconds": 1704703924},
    ),
    "44: no status": ({"Status": MISSING}, set(), {}),
    "44: status null": ({"Status": None}, set(), {}),
    "44: status a number": ({"Status": 3}, set(), {}),
    "44: an unknown status": ({"Status": "Paused"}, set(), {}),
    "44: a status of 100,000 characters": ({"Status": "S" * 100_000}, set(), {}),
    "44: a lone surrogate": ({"Status": "\ud800"}, set(), {}),
    "44: a newline and a quote": ({"Status": '"} 1\nadbpg_job_up 1\n'}, set(), {}),
    "45: no progress": ({"Progress": MISSING}, NO_PROGRESS, {}),
    "45: progress null": ({"Progress": None}, NO_PROGRESS, {}),
    "45: progress negative": ({"Progress": -1}, NO_PROGRESS, {}),
    "45: progress true": ({"Progress": True}, NO_PROGRESS, {}),
    "45: progress NaN": ({"Progress": float("nan")}, NO_PROGRESS, {}),
    "45: progress infinite": ({"Progress": float("inf")}, NO_PROGRESS, {}),
    "45: progress 12a": ({"Progress": "12a"}, NO_PROGRESS, {}),
    "45: progress a fraction": ({"Progress": 0.5}, NO_PROGRESS, {}),
    "45: progress a list": ({"Progress": [1600]}, NO_PROGRESS, {}),
    "45: progress of 1,000 digits": ({"Progress": 10**1000}, NO_PROGRESS, {}),
    "45: progress as text": ({"Progress": "1700"}, set(), {"progress_entries": 1700}),
    "45: progress with a point": ({"Progress": 1700.0}, set(), {"progress_entries": 1700}),
    "46: final, not completed": ({"Status": "Success"}, set(), {"completed": 0, "inconsistent": 1}),
    "46: active, completed": ({"Completed": True}, set(), {"completed": 1, "inconsistent": 1}),
    "46: success with an error": (
        {"Status": "Success", "Completed": True, "Error": "no"},
        set(),
        {"error": 1, "completed": 1, "inconsistent": 1},
    ),
    "46: the vendor's own sample": (
        {"Status": "Success", "Error": "Failed to connect database."},
        set(),
        {"error": 1, "completed": 0, "inconsistent": 1, "progress_entries": 1600},
    ),
    "46: completed is a word": ({"Completed": "false"}, set(), {"completed": 0, "inconsistent": 0}),
    "46: completed is no word": ({"Completed": "maybe"}, {"completed"}, {"inconsistent": 0}),
    "46: completed is missing": ({"Completed": MISSING}, {"completed"}, {"inconsistent": 0}),
    "46: an error while it runs": ({"Error": "x"}, set(), {"error": 1, "inconsistent": 0}),
    "46: an error that is no text": ({"Error": {"a": 1}}, set(), {"error": 1}),
}
FIELD_OF = {"43": ("CreateTime", "UpdateTime"), "44": ("Status",), "45": ("Progress",)}


def odd_answer(name: str) -> bytes:
    """Return the answer about an odd job."""
    fields = {**RUNNING, **ODD[name][0], "Id": f"sick {name}"}
    job = {field: value for field, value in fields.items() if value is not MISSING}
    return json.dumps({"Status": "success", "Job": job}).encode()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    """A scrape while a job of each of many targets is odd in its own way."""
    behaviours = {name: send(message(odd_answer(name))) for name in ODD}
    with ward(behaviours, tmp_path_factory.mktemp("odd")) as it:
        return it.scrape()


def check_odd(page: Scrape, name: str) -> None:
    """The job has no sample for what cannot be read, and every other one as it came."""
    _, missing, values = ODD[name]
    job = f"sick {name}"
    hidden = {f"adbpg_job_{metric}" for metric in missing}
    if not page.value("adbpg_job_status", job_id=job, status="Running"):
        hidden.add("adbpg_job_waiting")  # it is not known to be under way
    more = {"adbpg_job_error_info"} if page.value("adbpg_job_error", job_id=job) else set()
    assert page.page.names(job_id=job) == COMPLETE - hidden | more
    assert page.up(job) == 1
    for metric, value in values.items():
        assert page.value(f"adbpg_job_{metric}", job_id=job) == value
    assert page.errors() == {}
    page.check_others(name)


def names(row: int) -> list[str]:
    """The cases of one row."""
    return [name for name in ODD if name.startswith(f"{row}:")]


@pytest.mark.parametrize("name", names(43))
def test_bad_times(odd: Scrape, name: str) -> None:
    """Fault 43: a time that cannot be read has no sample, nor what is computed from it."""
    check_odd(odd, name)


@pytest.mark.parametrize("name", names(44))
def test_unknown_status(odd: Scrape, name: str) -> None:
    """Fault 44: a status that nobody knows is Unknown, and nothing else about the job changes."""
    check_odd(odd, name)
    status = {
        sample.labels["status"]: sample.value
        for sample in odd.page.samples
        if sample.name == "adbpg_job_status" and sample.labels["job_id"] == f"sick {name}"
    }
    assert status.pop("Unknown") == 1
    assert set(status.values()) == {0}
    assert len(status) == 6


@pytest.mark.parametrize("name", names(45))
def test_bad_progress(odd: Scrape, name: str) -> None:
    """Fault 45: a progress that is no count has no sample; it is never a 0."""
    check_odd(odd, name)


@pytest.mark.parametrize("name", names(46))
def test_contradictions(odd: Scrape, name: str) -> None:
    """Fault 46: fields that contradict each other are shown as they came, and flagged."""
    check_odd(odd, name)


def test_unreadable_fields_are_counted(odd: Scrape) -> None:
    """Fault 43, 44 and 45: each field that could not be read is counted, by its name."""
    good = {"43: no fraction", "45: progress as text", "45: progress with a point"}

    for row, fields in FIELD_OF.items():
        counted = sum(odd.value(INVALID, field=field) or 0 for field in fields)

        assert counted == len(set(names(int(row))) - good)


@pytest.mark.prometheus
@pytest.mark.parametrize("which", ["garbage", "odd"])
def test_promtool(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Fault 9: after any garbage the page has nothing that `promtool check metrics` minds."""
    page: Scrape = request.getfixturevalue(which)

    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=page.text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert "adbpg" not in done.stderr
