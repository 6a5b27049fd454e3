"""The bodies of answers, as the vendor's page spells them. Pure."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from exporter.simulator.operations import OPERATIONS
from exporter.simulator.scenario import Job
from exporter.simulator.timeline import JobMoment
from exporter.simulator.verify import Rejected

GARBAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def job_body(request_id: str, job: Job, state: JobMoment, zone: timezone, start: float) -> bytes:
    """Return the body of an answer about a job.

    Args:
        request_id: the field RequestId.
        job: as the scenario has it.
        state: what it looks like now.
        zone: in which times are written; the API never names it.
        start: of the simulator, in Unix seconds.
    """
    operation = OPERATIONS[job.kind]
    progress = state.progress
    if operation.in_percent:
        progress = progress * 100 // max(job.entries, 1)
    fields: dict[str, Any] = {
        "Id": job.id,
        "Completed": state.completed,
        "CreateTime": job.create_time or time_text(start + state.created, zone),
        "UpdateTime": job.update_time or time_text(start + state.updated, zone),
        "Status": state.status,
        "Progress": progress,
    }
    if state.error:  # a real answer of a sibling operation has none on success
        fields["Error"] = state.error
    if operation.error_code and state.status == "Failed" and job.error_code:
        fields["ErrorCode"] = job.error_code
    more: dict[str, Any] = {"Job": fields}
    if operation.usage:
        more["Usage"] = {name: state.progress * _USAGE[name] for name in operation.usage}
    if operation.chunks and state.status == "Success":
        more["ChunkResult"] = dict.fromkeys(operation.chunks, _SIGNED_URL)
    return _body({"RequestId": request_id, "Status": "success", "Message": "success"}, **more)


_USAGE = {
    "EmbeddingTokens": 350,
    "EmbeddingEntries": 1,
    "LLMInputTokens": 900,
    "LLMOutputTokens": 120,
}
"""How much of each a part of a job takes: made up."""

_SIGNED_URL = (
    "https://bucket.oss.example.com/chunks.jsonl?OSSAccessKeyId=demo&Signature=simulated-signature"
)


def started_body(request_id: str, job_id: str) -> bytes:
    """Return the body of an answer to an operation that starts a job; without an id for none."""
    more = {"JobId": job_id} if job_id else {}
    return _body({"RequestId": request_id, "Status": "success", "Message": "success"}, **more)


def fail_body(request_id: str, message: str) -> bytes:
    """Return the body of an HTTP 200 that says no."""
    return _body({"RequestId": request_id, "Status": "fail", "Message": message})


def no_job_body(request_id: str) -> bytes:
    """Return the body of an HTTP 200 that says yes and holds nothing."""
    return _body({"RequestId": request_id, "Status": "success", "Message": "success"})


def error_body(request_id: str, host: str, refused: Rejected) -> bytes:
    """Return the body of an HTTP 4xx or 5xx, as the vendor's gateway makes it."""
    return _body(
        {
            "RequestId": request_id,
            "HostId": host,
            "Code": refused.code,
            "Message": refused.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={refused.code}&product=gpdb",
        }
    )


def time_text(seconds: float, zone: timezone) -> str:
    """Return a time as the API writes it: no zone, and a fraction without trailing zeros.

    Args:
        seconds: Unix seconds.
        zone: in which it is written.
    """
    # Not fromtimestamp: that refuses negative times on some platforms.
    at = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    text = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    return text.rstrip("0").removesuffix(".")


def _body(fields: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({**fields, **more}, separators=(",", ":")).encode()
