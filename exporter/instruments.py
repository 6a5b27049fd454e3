"""The exporter's own counters, kept by prometheus_client on a registry of ours."""

import platform
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

from exporter import metrics
from exporter.errors import REASONS, QueryError
from exporter.gpdb.kinds import KINDS
from exporter.metrics import CountedFamily
from exporter.model import EVERYTHING, JobState, Shard
from exporter.polling.record import Record

M = TypeVar("M", bound=MetricWrapperBase)

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_OPERATIONS = ("open", "read", "write", "clean", "announce", "forget", "find")
_RESULTS = (
    "created",
    "known",
    "invalid",
    "unauthorized",
    "forbidden",
    "conflict",
    "limited",
    "unavailable",
)


class Instruments:
    """Counts queries and reloads.

    Args:
        version: of this program.
        revision: of its source; empty where unknown.
        shard: which one of the jobs it watches.

    Attributes:
        registry: where the metrics are, and those of the process and the platform.
    """

    def __init__(self, version: str, revision: str = "", shard: Shard = EVERYTHING) -> None:
        # A second series for each counter, of no use to the Prometheus servers that we promise.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = self._make(Counter, metrics.API_REQUESTS)
        self._errors = self._make(Counter, metrics.API_ERRORS)
        self._seconds = self._make(Histogram, metrics.API_DURATION, buckets=_BUCKETS)
        self._invalid = self._make(Counter, metrics.INVALID_FIELDS)
        self._reload_successful = self._make(Gauge, metrics.RELOAD_SUCCESSFUL)
        self._reload_timestamp = self._make(Gauge, metrics.RELOAD_TIMESTAMP)
        self._web_reload_successful: Gauge | None = None
        self._registrations: Counter | None = None
        self._registry_errors = self._make(Counter, metrics.REGISTRY_ERRORS)
        for operation in _OPERATIONS:
            self._registry_errors.labels(operation)
        self._make(Gauge, metrics.SHARD).set(shard.number)
        self._make(Gauge, metrics.SHARDS).set(shard.of)
        build = self._make(Gauge, metrics.BUILD_INFO)
        build.labels(version, revision, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._targets: frozenset[str] = frozenset()
        self._shown: set[tuple[str, str]] = set()  # targets and actions
        self._lock = threading.Lock()  # a query that ends must not bring a removed target back

    def watch(self, targets: Mapping[str, Iterable[str]]) -> None:
        """Count the calls of these targets, and drop the counters of those that are gone.

        Args:
            targets: each with the actions of which every counter is shown from 0; the counters
                of others are shown from their first call on.
        """
        with self._lock:
            self._targets = frozenset(targets)
            for target, action in [each for each in self._shown if each[0] not in self._targets]:
                self._shown.remove((target, action))
                self._requests.remove(target, action)
                for reason in REASONS:
                    self._errors.remove(target, action, reason)
            for target, actions in sorted(targets.items()):
                for action in sorted(actions):
                    self._show(target, action)

    def _show(self, target: str, action: str) -> None:
        """Show every counter of a target and an action from 0. The caller holds the lock."""
        if (target, action) in self._shown:
            return
        self._shown.add((target, action))
        self._requests.labels(target, action)
        for reason in REASONS:
            self._errors.labels(target, action, reason)
        self._seconds.labels(action)

    def queried(self, record: Record, outcome: JobState | QueryError, seconds: float) -> None:
        """Count a query that has ended; see ``polling.settings.Observer``."""
        target, action = record.ref.target, KINDS[record.ref.kind].action
        if isinstance(outcome, QueryError):
            self.called(target, action, seconds, outcome)
        else:
            self.called(target, action, seconds)
            self.invalid(outcome.invalid_fields)

    def called(
        self, target: str, action: str, seconds: float, error: QueryError | None = None
    ) -> None:
        """Count one query, how long it took, and why it failed if it did."""
        with self._lock:
            if target not in self._targets:
                return  # the last answer of a target that a reload took away
            self._show(target, action)
            self._requests.labels(target, action).inc()
            self._seconds.labels(action).observe(seconds)
            if error is not None:
                self._errors.labels(target, action, error.reason).inc()

    def invalid(self, fields: Sequence[str]) -> None:
        """Count the fields of an answer that could not be read."""
        for field in fields:
            self._invalid.labels(field).inc()

    def reloaded(self, when: Callable[[], float]) -> None:
        """Note that the configuration was loaded now.

        Args:
            when: returns that moment as Unix seconds, by the wall clock as it stands when called.
        """
        self._reload_successful.set(1)
        self._reload_timestamp.set_function(when)

    def reload_failed(self) -> None:
        """Note that loading the configuration failed."""
        self._reload_successful.set(0)

    def web_config_read(self, *, good: bool) -> None:
        """Note whether reading the web configuration worked; without one there is no such gauge."""
        with self._lock:
            if self._web_reload_successful is None:
                self._web_reload_successful = self._make(Gauge, metrics.WEB_RELOAD_SUCCESSFUL)
        self._web_reload_successful.set(good)

    def show_registrations(self) -> None:
        """Show how announced jobs fare, from 0 on; without it there is no such counter."""
        with self._lock:
            if self._registrations is None:
                self._registrations = self._make(Counter, metrics.REGISTRATIONS)
                for result in _RESULTS:
                    self._registrations.labels(result)

    def registration_ended(self, result: str, number: int) -> None:
        """Count how announced jobs or a request about them fared."""
        if self._registrations is not None:
            self._registrations.labels(result).inc(number)

    def registry_failed(self, operation: str) -> None:
        """Count an operation of the store that failed."""
        self._registry_errors.labels(operation).inc()

    def _make(self, kind: type[M], family: CountedFamily, **options: Any) -> M:
        return kind(family.name, family.help, family.labels, registry=self.registry, **options)
