"""One query of one job, and what it needs of the client."""

import traceback
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from exporter.errors import InternalError, NoCredentials, QueryError
from exporter.gpdb.answers import Answer
from exporter.gpdb.kinds import KINDS, JobKind
from exporter.model import JobRef, JobState, Target
from exporter.polling.record import Record


class Client(Protocol):
    """What the poller needs of ``gpdb.deferred.DeferredClient``."""

    def key_version(self) -> int:
        """Return a number that changes when the access key does."""

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> Answer:
        """Query a job, or raise a QueryError."""


def key_version(client: Client) -> int:
    """Return the mark of the access key; 0 while there is no usable one."""
    try:
        return client.key_version()
    except NoCredentials:
        return 0  # each query will say so


def query_job(client: Client, record: Record) -> tuple[Answer, JobState]:
    """Make one query.

    Raises:
        QueryError: whatever went wrong; a fault of ours too, so that it costs one job only.
    """
    ref, target = record.ref, record.target
    request_id = ""
    try:
        kind = KINDS[ref.kind]
        answer = client.call(target, kind, ref)
        request_id = answer.request_id
        state = kind.decode(answer.document, ref, target.time_zone)
        return answer, replace(state, request_id=request_id)
    except QueryError as error:
        error.request_id = error.request_id or request_id
        raise
    except Exception as error:  # noqa: BLE001  the edge of a thread that must not die
        # The text of an unexpected exception may hold anything, a password too.
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        raise InternalError(f"unexpected {type(error).__name__} at {place}") from None
