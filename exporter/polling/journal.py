"""What the log says of queries: changes, never each query."""

import logging
import threading

from exporter.errors import QueryError
from exporter.model import JobState, JobStatus
from exporter.polling.record import Record

logger = logging.getLogger(__name__)

_MOST_STATUSES = 100  # unknown status values that are logged; the API may invent them


class Journal:
    """An ``Observer`` that logs what changes, and remembers what it has logged."""

    def __init__(self) -> None:
        self._unknown_statuses: set[str] = set()
        self._lock = threading.Lock()  # queries end in many threads

    def queried(self, record: Record, outcome: JobState | QueryError, seconds: float) -> None:  # noqa: ARG002
        """See ``Observer``."""
        if isinstance(outcome, QueryError):
            self._failed(record, outcome)
        else:
            self._answered(record, outcome)

    def _answered(self, record: Record, state: JobState) -> None:
        """Log that a job ended, reports an error, or answers again."""
        facts = _facts(record, state.request_id)
        before = record.state
        if record.reason:
            logger.info("job answers again", extra=facts)
        if state.status is JobStatus.UNKNOWN:
            self._unknown_status(state.status_text, facts)
        facts |= {"status": state.status.value, "progress": state.progress}
        error = {"error": state.error_text}
        if state.error_code:
            error["error_code"] = state.error_code
        has_ended = before is not None and state.status.is_final
        if has_ended and state.status is JobStatus.FAILED:
            logger.warning("job failed", extra={**facts, **error})
            return
        if has_ended:
            logger.info("job ended", extra=facts)
        if state.error_text and not (before and before.error_text):
            # Beside a status that is not final such a text is usual, and no sign of trouble.
            level = logging.INFO if state.status.is_active else logging.WARNING
            logger.log(level, "job reports an error", extra={**facts, **error})

    def _failed(self, record: Record, error: QueryError) -> None:
        """Log that a query fails for a new reason."""
        level = logging.DEBUG if record.reason == error.reason else logging.WARNING
        facts = _facts(record, error.request_id)
        facts |= {"reason": error.reason, "error": str(error)}
        logger.log(level, "job query failed", extra=facts)

    def _unknown_status(self, text: str, facts: dict[str, object]) -> None:
        known = self._unknown_statuses
        with self._lock:
            if text in known or len(known) >= _MOST_STATUSES:
                return
            known.add(text)
        logger.warning("unknown job status", extra={**facts, "status": text})


def _facts(record: Record, request_id: str) -> dict[str, object]:
    ref = record.ref
    facts: dict[str, object] = {
        "job_id": ref.job_id,
        "collection": ref.collection,
        "kind": ref.kind,
        "target": ref.target,
    }
    return {**facts, "request_id": request_id} if request_id else facts
