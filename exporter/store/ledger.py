"""The store as the running exporter sees it: threads and a lock around the books.

Only requests wait for the store as long as it takes. A scrape waits a second at most, once: when
the store was slow or has failed, it does not wait again until the store has answered.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, Protocol

from exporter.background import Background
from exporter.backoff import Backoff
from exporter.clock import Clock, Deadline
from exporter.config import AnnouncedEntry, Config
from exporter.errors import QueryError, StoreFailed, StoreUnusable
from exporter.model import Identity, JobRef, JobState, Memory, Snapshot
from exporter.store.books import ANNOUNCED, DRAINED, FILE, Books
from exporter.store.records import StoredJob
from exporter.store.store import Store

_log = logging.getLogger(__name__)

_PATIENCE: Final = 1.0  # seconds
_LOCK_PATIENCE: Final = 5.0  # seconds that a request waits for its turn
_CLEAN_INTERVAL: Final = 10.0  # seconds between two steps of cleaning
_HISTORY_KEPT: Final = 90 * 86_400.0  # seconds after anybody knew a job of the collection
_RETRY: Final = Backoff(first=0.5, longest=10.0)


class Record(Protocol):
    """What a query was about, as it was before."""

    @property
    def ref(self) -> JobRef:
        """The job."""

    @property
    def state(self) -> JobState | None:
        """Its last answer."""


class Ledger:
    """An ``Observer`` of queries. May be called from several threads.

    Args:
        store: the store.
        books: of this process.
        clock: what time it is.
        on_error: called with the name of each operation of the store that fails.
        is_quick: whether the store is in this process, so that one may wait for it.
    """

    def __init__(
        self,
        store: Store,
        books: Books,
        *,
        clock: Clock,
        on_error: Callable[[str], None],
        is_quick: bool = False,
    ) -> None:
        self._is_quick = is_quick
        self._store = store
        self._books = books
        self._clock = clock
        self._on_error = on_error
        self._using_store = threading.Lock()  # also guards _revision; taken before _lock
        self._lock = threading.Lock()  # guards the books, and all below
        self._synchronising = Background(self.synchronise)
        self._revision: int | None = None  # up to which the store was read
        self._unknown: dict[Identity, None] = {}  # that have yet to be looked up in the store
        self._error: StoreFailed | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._is_slow = False
        self._clean_at = 0.0

    def begin(self, config: Config) -> None:
        """Open the store. One that is away for now is tried again at the next scrape.

        Args:
            config: to begin with.

        Raises:
            StoreUnusable: it cannot be used, however long one waits.
        """
        self.adopt(config)
        try:
            with self._using_store:
                self._open()
        except StoreUnusable:
            raise
        except StoreFailed as error:
            with self._using_store:
                self._failed("open", error)

    def adopt(self, config: Config) -> None:
        """Go on with a new configuration."""
        with self._lock:
            self._books.adopt(config)

    def refresh(self, patience: float) -> None:
        """Have the store read, and let go of what is over.

        Args:
            patience: the most seconds to wait.
        """
        with self._lock:
            given_up = self._books.expire(self._clock.monotonic(), self._clock.wall())
        for ref in given_up:
            facts = {"job_id": ref.job_id, "collection": ref.collection, "target": ref.target}
            _log.warning("job given up: its queries have failed for long", extra=facts)
        self._synchronise_within(min(patience, _PATIENCE))

    def recall(self, refs: Sequence[JobRef], *, are_all: bool) -> None:
        """Take over which jobs are named, and have the store say what it knows of new ones.

        Args:
            refs: each once.
            are_all: whether every source has been read since the start.
        """
        with self._lock:
            new = self._books.name(refs, are_all=are_all)
            self._unknown.update(dict.fromkeys(new))
        if new:
            self._synchronise_within(_PATIENCE)

    def memory(self, identity: Identity) -> Memory | None:
        """Return what the store remembers of a named job."""
        with self._lock:
            return self._books.memory(identity)

    def over(self) -> tuple[int, AbstractSet[Identity]]:
        """Return the jobs of job files that ended long ago, and a number that goes with them."""
        return self._books.over

    def jobs(self, source: str) -> tuple[int, tuple[JobRef, ...]]:
        """Return the jobs of ``ANNOUNCED`` or ``DRAINED``, and a number that goes with them."""
        with self._lock:
            return self._books.version(source), self._books.jobs(source)

    def version(self, source: str) -> int:
        """Return another number whenever the jobs of a source are others."""
        return self._books.version(source)

    def announce(self, entries: Sequence[AnnouncedEntry]) -> list[bool]:
        """Take over jobs, all or none; return for each whether it is new.

        Raises:
            Conflict: one of them contradicts what is known.
            TooManyJobs: there would be more than can be watched.
            StoreFailed: the store does not take them now.
        """
        with self._operation("announce"):
            with self._lock:
                unfinished, most = self._books.health.active, self._books.most
            taken = self._store.announce(entries, unfinished, most, self._clock.wall())
            with self._lock:
                self._books.take(taken)
        return [each.is_new for each in taken]

    def forget(self, target: str, job_id: str) -> None:
        """Watch an announced job no longer.

        Raises:
            StoreFailed: the store does not take this now.
        """
        with self._operation("forget"):
            self._store.forget(target, job_id, ANNOUNCED)
            with self._lock:
                self._books.forget(target, job_id)

    def find(self, target: str, job_id: str) -> StoredJob | None:
        """Return what the store holds of a job that somebody wants watched.

        Raises:
            StoreFailed: the store does not say so now.
        """
        with self._operation("find"):
            return self._store.find(target, job_id)

    def queried(self, record: Record, outcome: JobState | QueryError, seconds: float) -> None:  # noqa: ARG002
        """Note how a query ended; see ``polling.settings.Observer``."""
        answer = None if isinstance(outcome, QueryError) else outcome
        now, wall = self._clock.monotonic(), self._clock.wall()
        with self._lock:
            self._books.queried(record.ref, record.state, answer, now, wall)

    def flush(self, snapshot: Snapshot) -> None:
        """Have written down what a page has shown. Does not wait."""
        with self._lock:
            self._books.observe(snapshot.observations, self._clock.monotonic())
        self._synchronising.start()

    def shown(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with the history, and how the store is."""
        with self._lock:
            health = replace(self._books.health, is_up=self._error is None and not self._is_slow)
            history, freshness = self._books.history(), self._books.freshness
        return replace(snapshot, store=health, history=history, freshness=freshness)

    def close(self) -> None:
        """Write what is left, if the store lets us, and close it."""
        if self._using_store.acquire(timeout=_PATIENCE):
            try:
                # Who watches these jobs next sees them again, so that nothing is lost for good.
                with suppress(StoreFailed):
                    while self._store.is_open and self._write():
                        pass
            finally:
                self._store.close()
                self._using_store.release()

    def synchronise(self) -> None:
        """Write what has to be written, and read what others have."""
        with self._lock:
            if self._error is not None and self._clock.monotonic() < self._retry_at:
                return
        operation = "open"
        try:
            with self._using_store:
                self._open()
                operation = "read"
                self._recall()
            operation = "write"
            is_left = True
            while is_left:
                with self._using_store:  # others may have it between two batches
                    is_left = self._write()
            operation = "read"
            with self._using_store:
                self._read()
                operation = "clean"
                self._clean()
        except StoreFailed as error:
            with self._using_store:
                self._failed(operation, error)
        else:
            self._worked()

    def _synchronise_within(self, seconds: float) -> None:
        """Synchronise; wait for it only if there is hope."""
        if self._is_quick:
            self.synchronise()
            return
        with self._lock:
            is_hopeless = self._error is not None or self._is_slow
        number = self._synchronising.start()
        if is_hopeless or self._synchronising.wait(number, Deadline.after(seconds)):
            return
        with self._lock:
            self._is_slow = True
        _log.warning("store is slow: scrapes go on without it", extra={"seconds": seconds})

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        """Have the store to oneself, open.

        Raises:
            StoreFailed: it cannot be opened, or is busy.
        """
        with self._lock:
            if self._error is not None and self._clock.monotonic() < self._retry_at:
                raise self._error
        if not self._using_store.acquire(timeout=_LOCK_PATIENCE):
            self._on_error(name)
            raise StoreFailed("the store is busy")
        try:
            self._open()
            yield
        except StoreFailed as error:
            self._failed(name, error)
            raise
        finally:
            self._using_store.release()

    def _open(self) -> None:
        """Connect, if need be, and read what there is."""
        self._store.open()
        if self._revision is not None:
            return
        wall = self._clock.wall()
        with self._lock:
            ended_after, most = wall - self._books.keep_ended, self._books.most
        changes = self._store.first((ANNOUNCED, FILE, DRAINED), ended_after, most)
        with self._lock:
            self._books.begin(changes, wall)
        self._revision = changes.revision

    def _recall(self) -> None:
        """Look up the jobs that are new here."""
        with self._lock:
            unknown = [*self._unknown]
        if not unknown:
            return
        remembered = self._store.remembered(unknown)
        with self._lock:
            self._books.remember(remembered)
            for identity in unknown:
                self._unknown.pop(identity, None)

    def _write(self) -> bool:
        """Write some of what has to be written; return whether there was anything."""
        wall = self._clock.wall()
        with self._lock:
            batch = self._books.batch(self._clock.monotonic(), wall)
        if not batch:
            return False
        self._store.write(batch, wall)
        with self._lock:
            self._books.written(batch)
        return True

    def _read(self) -> None:
        if self._revision is None:
            return
        changes = self._store.changes(self._revision)
        with self._lock:
            self._books.apply(changes, self._clock.wall())
        # A server that was set back to an older backup is read anew, all of it.
        self._revision = changes.revision if changes.revision >= self._revision else None

    def _clean(self) -> None:
        """Take one step of cleaning, now and then."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        with self._lock:
            if now < self._clean_at or not self._books.may_clean:
                return
            kept = self._books.kept_unwatched
        self._clean_at = now + _CLEAN_INTERVAL
        self._store.clean(wall - kept, wall - _HISTORY_KEPT)

    def _failed(self, operation: str, error: StoreFailed) -> None:
        """Note a failure. The caller has the store to itself."""
        self._on_error(operation)
        self._store.disconnect()
        with self._lock:
            is_new = self._error is None or str(self._error) != str(error)
            self._error = error
            self._retry_at = self._clock.monotonic() + _RETRY.pause(self._failures)
            self._failures += 1
            self._is_slow = False
        if is_new:
            facts = {"operation": operation, "error": str(error)}
            _log.error("store failed: scrapes go on without it", extra=facts)

    def _worked(self) -> None:
        with self._lock:
            was_down = self._error is not None
            self._error, self._failures, self._is_slow = None, 0, False
        if was_down:
            _log.info("store works again")
