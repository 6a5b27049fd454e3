"""What is known of one job, as JSON: ``query --output=json`` and the API of announced jobs."""

import json
from dataclasses import asdict

from exporter.gpdb.kinds import KINDS
from exporter.model import JobRef, JobState


def state_as_json(ref: JobRef, state: JobState) -> str:
    """Return an answer about a job, as JSON text."""
    fields = {
        **_identity(ref),
        "status": state.status.value,
        "completed": state.completed,
        f"progress_{KINDS[ref.kind].unit}": state.progress,
        "created_timestamp_seconds": state.created,
        "updated_timestamp_seconds": state.updated,
        "error": state.error_text,
        "error_code": state.error_code,
        "usage": {name: n for name, n in asdict(state.usage).items() if n is not None},
        "error_class": state.error_class,
        "inconsistent": state.inconsistent,
        "invalid_fields": list(state.invalid_fields),
        "request_id": state.request_id,
    }
    return json.dumps(fields, indent=2)


def failure_as_json(ref: JobRef, reason: str, message: str, request_id: str) -> str:
    """Return why there is no answer about a job, as JSON text."""
    fields = {
        **_identity(ref),
        "reason": reason,
        "message": message,
        "request_id": request_id,
    }
    return json.dumps(fields, indent=2)


def _identity(ref: JobRef) -> dict[str, str]:
    return {
        "job_id": ref.job_id,
        "collection": ref.collection,
        "collection_namespace": ref.collection_namespace,
        "db_instance_id": ref.db_instance_id,
        "workspace_id": ref.workspace_id,
        "kind": ref.kind,
    }
