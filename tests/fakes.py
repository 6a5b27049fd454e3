"""Fakes of what lies at the edges: time, and the client that calls the API. Nothing of ours."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from exporter.clock import Clock
from exporter.config import Config
from exporter.gpdb.answers import Answer
from exporter.gpdb.kinds import JobKind
from exporter.model import JobRef, Target
from exporter.store import Books, Ledger, Store
from exporter.store.sqlite import MEMORY, SqliteDatabase

LIMIT = 60.0  # seconds after which a test gives up waiting; never waited for when all is well

T = TypeVar("T")
Outcome = Mapping[str, object] | Answer | Exception


class HandSetClock:
    """Mimics a process's two clocks. They stand still until a test moves them."""

    def __init__(self, wall: float = 1_704_700_000.0, monotonic: float = 1_000.0) -> None:
        self.wall = wall
        self.monotonic = monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as an administrator or NTP does; no time passes."""
        self.wall += seconds

    def clock(self) -> Clock:
        """Return the clocks as the exporter takes them."""
        return Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a FakeApi saw begin."""

    target: str
    job_id: str
    action: str


class FakeApi:
    """Mimics ``gpdb.client.ApiClient``: scripted answers out of memory, and calls that hang.

    A job without a script is running. A held job or target hangs, as a host does that accepts
    the connection and then is silent, until it is released.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight = 0
        self.threads: set[threading.Thread] = set()
        self.key: int | Exception = 1
        self._scripts: dict[str, deque[Outcome]] = {}
        self._held: set[str] = set()
        self._changed = threading.Condition()

    def key_version(self) -> int:
        """See ``ApiClient``."""
        if isinstance(self.key, Exception):
            raise self.key
        return self.key

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> Answer:
        """See ``ApiClient``."""
        job_id = ref.job_id
        with self._changed:
            self.threads.add(threading.current_thread())
            self.calls.append(Call(target.name, job_id, kind.action))
            self.in_flight[target.name] += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight.total())
            self._changed.notify_all()
            self._changed.wait_for(lambda: not {job_id, target.name} & self._held)
            self.in_flight[target.name] -= 1
            outcome = self._outcome(job_id, target.name)
            self._changed.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, Answer) else Answer(dict(outcome), None)

    def script(self, name: str, *outcomes: Outcome) -> None:
        """Answer a job, or each job of a target, with these, one after the other.

        The last one stays.
        """
        with self._changed:
            self._scripts[name] = deque(outcomes)

    def hold(self, *names: str) -> None:
        """Let calls for these jobs or targets hang from now on."""
        with self._changed:
            self._held.update(names)

    def release(self, *names: str) -> None:
        """Let the held calls for these go on; without names all of them, and all to come."""
        with self._changed:
            self._held.difference_update(names or tuple(self._held))
            self._changed.notify_all()

    def asked(self) -> list[str]:
        """Return the job ids of all calls so far, in the order in which they began."""
        with self._changed:
            return [call.job_id for call in self.calls]

    def forget(self) -> None:
        """Start counting calls anew."""
        with self._changed:
            self.calls.clear()
            self.most_in_flight = self.in_flight.total()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once a condition on calls that began or ended holds."""
        with self._changed:
            assert self._changed.wait_for(condition, LIMIT), "the calls expected did not come"

    def wait_for_calls(self, number: int) -> None:
        """Return once so many calls have begun."""
        self.wait_until(lambda: len(self.calls) >= number)

    def _outcome(self, job_id: str, target: str) -> Outcome:
        script = self._scripts.get(job_id) or self._scripts.get(target)
        if not script:
            return running()
        return script.popleft() if len(script) > 1 else script[0]


def running(progress: object = 100, **fields: object) -> dict[str, object]:
    """Return the API's answer about a job that is under way."""
    job = {
        "Completed": False,
        "CreateTime": "2024-01-08 15:40:00",  # 400 s before HandSetClock's start, in UTC+8
        "UpdateTime": "2024-01-08 15:45:00",
        "Status": "Running",
        "Progress": progress,
        **fields,
    }
    return {"RequestId": "A1B2", "Status": "success", "Job": job}


def ended(progress: object = 100, **fields: object) -> dict[str, object]:
    """Return the API's answer about a job that has succeeded."""
    return running(progress, **{"Status": "Success", "Completed": True, **fields})


def poll(condition: Callable[[], bool]) -> None:
    """Return once a condition holds that nobody tells of. For what a fake cannot see."""
    pause = threading.Event()
    ends = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        pause.wait(0.002)


def in_background(work: Callable[[], T]) -> "Future[T]":
    """Start some work in a thread of its own; ``result(LIMIT)`` waits for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  handed to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def memory_ledger(clock: Clock | None = None, config: Config | None = None) -> Ledger:
    """Return a ledger of a store in memory."""
    store = Store(lambda: SqliteDatabase(MEMORY), is_durable=False)
    ledger = Ledger(
        store,
        Books(is_durable=False),
        clock=clock or Clock(),
        on_error=lambda _: None,
        is_quick=True,
    )
    ledger.begin(config or Config())
    return ledger
