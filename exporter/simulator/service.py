"""The simulated API, one call after the other, without a socket.

What it remembers, and nothing else does: the jobs that were started, the nonces of the last half
hour, the calls of the current second and the counts. One thread at a time may call it.
"""

import itertools
import json
import logging
import uuid
import zlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from email.utils import formatdate

from exporter.clock import Clock
from exporter.simulator import answers
from exporter.simulator.operations import StartOperation
from exporter.simulator.parameters import Subject, subject_of
from exporter.simulator.scenario import Fault, FaultKind, Job, Scenario, Unsaid
from exporter.simulator.timeline import JobMoment, moment
from exporter.simulator.verify import CLOCK_TOLERANCE, Rejected, Request, verify

CALLS_PATH = "/-/calls"

_log = logging.getLogger(__name__)
_MOST_JOB_IDS = 100_000  # counted apart; strangers beyond are counted together
_MOST_STARTED = 10_000  # jobs; the API forgets the oldest of more
_JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, not yet sent.

    Attributes:
        http_status: such as 200.
        headers: as (name, value); Content-Length and Connection are the server's.
        body: the bytes.
        latency: seconds from the request's arrival to the answer.
    """

    http_status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    latency: float = 0.0


class _Counts:
    """The calls and how they were answered: for each job, and in all."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.refused: dict[str, Counter[str]] = {}

    def name(self, job_id: str) -> str:
        """Return what a job is counted as: ids come from strangers, so they are bounded."""
        if job_id in self.calls or len(self.calls) < _MOST_JOB_IDS:
            return job_id[:256]
        return ""

    def refuse(self, job_id: str, code: str) -> None:
        self.refused.setdefault(job_id, Counter())[code] += 1

    def as_json(self, busiest_second: int) -> bytes:
        jobs = {
            job_id: {
                "asked": asked,
                "answered": self.answered[job_id],
                "refused": dict(self.refused.get(job_id, {})),
            }
            for job_id, asked in self.calls.items()
        }
        every_refusal: Counter[str] = sum(self.refused.values(), Counter())
        counts = {
            "total": self.calls.total(),
            "answered": self.answered.total(),
            "refused": dict(every_refusal),
            "busiest_second": busiest_second,
            "jobs": jobs,
        }
        return json.dumps(counts).encode()


class _Nonces:
    """The nonces that may not come again."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._queue: deque[tuple[float, str]] = deque()

    def is_new(self, nonce: str, now: float) -> bool:
        """Remember the nonce for as long as its date could be valid; say if it was unknown."""
        while self._queue and self._queue[0][0] < now - 2 * CLOCK_TOLERANCE:
            self._seen.discard(self._queue.popleft()[1])
        if nonce in self._seen:
            return False
        self._seen.add(nonce)
        self._queue.append((now, nonce))
        return True


class _Rate:
    """How many calls came in the current second, and in the busiest one."""

    def __init__(self) -> None:
        self._second = 0
        self._calls = 0
        self.busiest = 0

    def count(self, now: float) -> int:
        """Count one call; return how many came in its second."""
        if int(now) != self._second:
            self._second, self._calls = int(now), 0
        self._calls += 1
        self.busiest = max(self.busiest, self._calls)
        return self._calls


def _request_id() -> str:
    return str(uuid.uuid4()).upper()


class Service:
    """The API of one scenario.

    Args:
        scenario: what it knows.
        clock: what time it is. The jobs begin now, and go on in monotonic seconds.
        request_id: makes the field RequestId.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        request_id: Callable[[], str] = _request_id,
    ) -> None:
        self.scenario = scenario
        self._started = clock.monotonic()
        self._clock = clock
        self._request_id = request_id
        self._zone = timezone(timedelta(seconds=scenario.utc_offset))
        self._jobs = {**scenario.job}
        self._counts = _Counts()
        self._nonces = _Nonces()
        self._rate = _Rate()

    @property
    def seconds(self) -> float:
        """Seconds since the start: the time of the scenario's jobs."""
        return self._clock.monotonic() - self._started

    def answer(self, request: Request) -> Reply:
        """Answer one request, whatever it is."""
        now = self._clock.wall()
        request_id = self._request_id()
        if request.path == CALLS_PATH and request.method == "GET":
            counts = self._counts.as_json(self._rate.busiest)
            return Reply(200, (("Content-Type", "application/json"),), counts)
        given = {**request.query_parameters, **request.form_parameters}
        counted_as = self._counts.name(given.get("JobId", ""))
        self._counts.calls[counted_as] += 1
        try:
            reply = self._answer_call(request, request_id, now)
        except Rejected as refused:
            self._counts.refuse(counted_as, refused.code)
            _log.debug("call refused", extra={"code": refused.code, "job_id": counted_as})
            return self._refusal(request, request_id, refused, now)
        self._counts.answered[counted_as] += 1
        return reply

    def _answer_call(self, request: Request, request_id: str, now: float) -> Reply:
        scenario = self.scenario
        seconds = self.seconds
        signed = verify(request, scenario.access_key, now + scenario.clock_offset)
        self._check_traffic(signed.nonce, seconds)
        subject = subject_of(request, scenario)
        namespace = self._namespace(subject)
        if isinstance(subject.operation, StartOperation):
            job_id = self._start(subject.operation, subject.collection, namespace, seconds)
            body = answers.started_body(request_id, job_id)
            return Reply(200, self._headers(request_id, now), body, scenario.latency)
        job, state = self._find(subject, namespace, seconds)
        slower = _suffer(job.fault, seconds) if job.fault else 0.0
        started = self._started + self._clock.offset()
        body = answers.job_body(request_id, job, state, self._zone, started)
        return Reply(200, self._headers(request_id, now), body, scenario.latency + slower)

    def _check_traffic(self, nonce: str, seconds: float) -> None:
        """Refuse what was sent before, what is too much, and what hits a time of failure."""
        calls = self._rate.count(seconds)
        if not self._nonces.is_new(nonce, seconds):
            raise Rejected(400, "SignatureNonceUsed", "Specified signature nonce was used before.")
        throttle = self.scenario.throttle
        if throttle and calls > throttle.calls_per_second and throttle.window.holds(seconds):
            raise _throttled()
        errors = self.scenario.server_errors
        if errors and errors.window.holds(seconds) and _die(nonce) < errors.probability:
            raise _server_error()

    def _namespace(self, subject: Subject) -> str:
        """Return the name of the subject's namespace, if the request may know it."""
        if subject.namespace is None or not subject.password_ok:
            message = "The namespace does not exist, or its password is wrong."
            raise _unsaid(
                self.scenario.wrong_password, 403, "NoPermission.NamespacePassword", message
            )
        return subject.namespace.name

    def _start(
        self, operation: StartOperation, collection: str, namespace: str, seconds: float
    ) -> str:
        """Start a job and return its id; empty where none begins."""
        kind = operation.kind
        if operation.needs_a_job and not any(
            (job.namespace, job.collection, job.kind) == (namespace, collection, kind)
            for job in self._jobs.values()
        ):
            return ""
        job_id = str(uuid.uuid4())
        self._jobs[namespace, job_id] = replace(
            self.scenario.course(kind, collection),
            id=job_id,
            collection=collection,
            namespace=namespace,
            created=seconds,
        )
        if len(self._jobs) > len(self.scenario.job) + _MOST_STARTED:
            oldest = next(itertools.islice(self._jobs, len(self.scenario.job), None))
            del self._jobs[oldest]
        return job_id

    def _find(self, subject: Subject, namespace: str, seconds: float) -> tuple[Job, JobMoment]:
        job = self._jobs.get((namespace, subject.job_id))
        if job is not None and (job.kind, job.collection) == (
            subject.operation.kind,
            subject.collection,
        ):
            state = moment(job, seconds)
            if state is not None:
                return job, state
        raise _unsaid(
            self.scenario.unknown_job, 404, "InvalidJobId.NotFound", "The job does not exist."
        )

    def _headers(self, request_id: str, now: float) -> tuple[tuple[str, str], ...]:
        date = formatdate(now + self.scenario.clock_offset, usegmt=True)
        return (("Date", date), ("Content-Type", _JSON), ("x-acs-request-id", request_id))

    def _refusal(self, request: Request, request_id: str, refused: Rejected, now: float) -> Reply:
        headers = self._headers(request_id, now)
        throttle = self.scenario.throttle
        if refused.code == _THROTTLING and throttle and throttle.retry_after:
            # In milliseconds: the SDK sleeps for so many.
            wait = str(round(throttle.retry_after * 1000))
            headers = (*headers, ("x-acs-retry-after", wait))
        own_body = _BODIES.get(refused.code)
        if own_body is not None:
            body = own_body(request_id, refused.message)
        else:
            host = request.headers.get("host", "")
            body = answers.error_body(request_id, host, refused)
        return Reply(refused.http_status, headers, body, self.scenario.latency)


_THROTTLING = "Throttling.User"
_BODIES: dict[str, Callable[[str, str], bytes]] = {
    Unsaid.FAIL: answers.fail_body,
    Unsaid.NO_JOB: lambda request_id, _: answers.no_job_body(request_id),
    FaultKind.GARBAGE: lambda *_: answers.GARBAGE,
    FaultKind.PAGE: lambda *_: answers.GARBAGE,
}


def _unsaid(choice: Unsaid, http_status: int, code: str, message: str) -> Rejected:
    """Return the refusal that the scenario chose where the vendor is silent."""
    if choice is Unsaid.ERROR:
        return Rejected(http_status, code, message)
    return Rejected(200, choice.value, message)


def _throttled() -> Rejected:
    return Rejected(400, _THROTTLING, "Request was denied due to user flow control.")


def _server_error() -> Rejected:
    return Rejected(500, "InternalError", "The request processing has failed: unknown error.")


def _suffer(fault: Fault, seconds: float) -> float:
    """Return the seconds that a fault adds to a call, or refuse the call."""
    if not fault.window.holds(seconds):
        return 0.0
    if fault.kind is FaultKind.SERVER_ERROR:
        raise _server_error()
    if fault.kind is FaultKind.THROTTLED:
        raise _throttled()
    if fault.kind is FaultKind.API_FAIL:
        raise Rejected(200, Unsaid.FAIL.value, "The job cannot be read at the moment.")
    if fault.kind is FaultKind.GARBAGE:
        raise Rejected(200, FaultKind.GARBAGE.value, "")
    if fault.kind is FaultKind.PAGE:
        raise Rejected(fault.http_status, FaultKind.PAGE.value, "")
    if fault.kind is FaultKind.ERROR:
        raise Rejected(
            fault.http_status, fault.code, "The scenario of the simulated API says this."
        )
    return fault.latency


def _die(nonce: str) -> float:
    """Return a number from 0 to 1, below 1: as random as the client's nonce."""
    return zlib.crc32(nonce.encode()) / 2**32
