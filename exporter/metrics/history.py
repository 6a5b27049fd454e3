"""The metrics of collections: what remains when the series of their jobs are gone."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from prometheus_client.utils import floatToGoString

from exporter.gpdb.kinds import KINDS
from exporter.metrics.families import Sample, pair
from exporter.metrics.pieces import Kept, Piece
from exporter.model import DURATION_BUCKETS, CollectionHistory, JobStatus, Snapshot, Unit

COLLECTION_LABELS = (
    *("collection", "collection_namespace", "db_instance_id", "workspace_id"),
    "kind",
)
"""The labels of each collection and kind of job, in the order of their identity."""

_TOGETHER: Final = 32  # collections whose lines of a row make one piece
_BOUNDS: Final = (*(str(float(bound)) for bound in DURATION_BUCKETS), "+Inf")


@dataclass(frozen=True, slots=True)
class HistoryFamily:
    """A metric of each collection and kind of job.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        type: its type.
        samples: a collection's history to its samples; a histogram has none, and the limit of
            an age, which is no history.
        labels: what it has beside ``COLLECTION_LABELS``.
        notes: as in ``JobFamily``.
    """

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    samples: Callable[[CollectionHistory], Iterable[Sample]] = lambda _: ()
    labels: tuple[str, ...] = ()
    notes: str = ""

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names of its samples, as one may ask for them."""
        if self.type != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")


def _known(field: str) -> Callable[[CollectionHistory], Iterable[Sample]]:
    def samples(history: CollectionHistory) -> Iterable[Sample]:
        value: float | None = getattr(history, field)
        return () if value is None else (((), value),)

    return samples


def _finished(history: CollectionHistory) -> Iterable[Sample]:
    return [((status.value,), number) for status, number in history.finished.items()]


def _entries(history: CollectionHistory) -> Iterable[Sample]:
    kind = KINDS.get(history.kind)  # a newer exporter may know further kinds
    return (((), history.entries),) if kind and kind.unit is Unit.ENTRIES else ()


def _llm_tokens(history: CollectionHistory) -> Iterable[Sample]:
    return ((("input",), history.llm_input_tokens), (("output",), history.llm_output_tokens))


def _last_status(history: CollectionHistory) -> Iterable[Sample]:
    last = history.last_status
    if last is None:
        return ()
    return [((status.value,), status is last) for status in JobStatus if status.is_final]


_MAX_AGE = "adbpg_collection_max_age_seconds"
_LATER = (
    "Counted once, by the first exporter that sees the end, and shown by every exporter of the "
    "same store from the next scrape on: use `max by` over replicas."
)
HISTORY_FAMILIES: tuple[HistoryFamily, ...] = (
    HistoryFamily(
        "adbpg_collection_jobs_finished_total",
        "Jobs that have ended, by how.",
        "counter",
        _finished,
        ("status",),
        f"{_LATER} With `registry.store: memory` it begins at 0 with the exporter, and jobs that "
        "were there and had ended already at its start are not counted.",
    ),
    HistoryFamily(
        "adbpg_collection_jobs_lost_total",
        "Jobs that were given up before anybody saw how they ended.",
        "counter",
        _known("lost"),
        notes="Announced jobs, and those whose job file has gone, after `registry.keep_unseen` "
        "without an answer.",
    ),
    HistoryFamily(
        "adbpg_collection_job_duration_seconds",
        "How long jobs took, from CreateTime to UpdateTime.",
        "histogram",
        notes="Of all that have ended, whatever way; those without these times are left out.",
    ),
    HistoryFamily(
        "adbpg_collection_uploaded_entries_total",
        "Entries that jobs had uploaded when they ended.",
        "counter",
        _entries,
        notes="Only of uploads of vectors.",
    ),
    HistoryFamily(
        "adbpg_collection_embedding_tokens_total",
        "Tokens that the texts of ended jobs had when they were embedded.",
        "counter",
        _known("embedding_tokens"),
    ),
    HistoryFamily(
        "adbpg_collection_llm_tokens_total",
        "Tokens that ended jobs have exchanged with the large language model.",
        "counter",
        _llm_tokens,
        ("direction",),
        "`input` and `output`. They are billed.",
    ),
    HistoryFamily(
        "adbpg_collection_last_success_timestamp_seconds",
        "When a job was last seen to have succeeded, by the exporter's clock.",
        "gauge",
        _known("last_success"),
        notes="Absent before the first one.",
    ),
    HistoryFamily(
        "adbpg_collection_last_completion_timestamp_seconds",
        "When a job was last seen to have ended, by the exporter's clock.",
        "gauge",
        _known("last_completion"),
        notes="As above.",
    ),
    HistoryFamily(
        "adbpg_collection_last_job_status",
        "How the newest job that has ended did so: 1 for its status, 0 for the others.",
        "gauge",
        _last_status,
        ("status",),
        "The newest by CreateTime. Absent before the first one.",
    ),
    HistoryFamily(
        _MAX_AGE,
        "How long ago the last success may be, as `freshness` says.",
        "gauge",
        notes="`AdbpgCollectionStale` compares it with the last success.",
    ),
)


class HistoryLines:
    """Writes the lines of all collections. Remembers those that have not changed, compressed.

    prometheus_client would take most of a page's time for them, to validate, sort and escape the
    same labels in each of a collection's thirty lines.
    """

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}  # by the position of their first collection

    def pieces(
        self, snapshot: Snapshot, names: Sequence[str], *, is_openmetrics: bool
    ) -> Iterator[Piece]:
        """Yield the head of each row, and its lines.

        Args:
            snapshot: what is known.
            names: of the samples to show; none for all.
            is_openmetrics: whether the page is in that format.
        """
        groups = self._grouped(tuple(snapshot.history))
        for row in HISTORY_FAMILIES:
            wanted = [name for name in row.sample_names if not names or name in names]
            if not wanted:
                continue
            yield Piece(partial(_head, row, is_openmetrics=is_openmetrics))
            if row.name == _MAX_AGE:
                yield Piece(partial(_limits, snapshot))
                continue
            for group in groups:
                yield group.piece(row, wanted)

    def _grouped(self, history: tuple[CollectionHistory, ...]) -> "list[_Group]":
        groups = []
        for start in range(0, len(history), _TOGETHER):
            shown = history[start : start + _TOGETHER]
            before = self._groups.get(start)
            groups.append(before if before and before.shown == shown else _Group(shown))
        self._groups = {n * _TOGETHER: group for n, group in enumerate(groups)}
        return groups


class _Group:
    """Collections whose lines are written together, and kept as long as none of them changes."""

    def __init__(self, shown: Sequence[CollectionHistory]) -> None:
        self.shown = shown
        self._kept: dict[str, Kept] = {}  # by the row's name

    def piece(self, row: HistoryFamily, names: Collection[str]) -> Piece:
        """Return the lines of those of a row's samples that are wanted."""
        is_whole = len(names) == len(row.sample_names)
        kept = self._kept.setdefault(row.name, Kept()) if is_whole else None
        return Piece(partial(self._lines, row, names), kept)

    def _lines(self, row: HistoryFamily, names: Collection[str]) -> bytes:
        write = _histogram if row.type == "histogram" else _single
        return "".join(
            line for history in self.shown for line in write(row, history, names)
        ).encode()


def _single(
    row: HistoryFamily, history: CollectionHistory, _names: Collection[str]
) -> Iterator[str]:
    around = _Labels((*history.collection, history.kind), row.labels)
    for labels, value in row.samples(history):
        yield f"{row.name}{around.text(labels)} {_number(value)}\n"


def _histogram(
    row: HistoryFamily, history: CollectionHistory, names: Collection[str]
) -> Iterator[str]:
    key = (*history.collection, history.kind)
    bucket, count, total = row.sample_names
    counts = [*itertools.accumulate(history.durations)]
    if bucket in names:
        around = _Labels(key, ("le",))
        for bound, number in zip(_BOUNDS, counts, strict=True):
            yield f"{bucket}{around.text((bound,))} {_number(number)}\n"
    text = _Labels(key, ()).text(())
    if count in names:
        yield f"{count}{text} {_number(counts[-1])}\n"
    if total in names:
        yield f"{total}{text} {_number(history.duration_sum)}\n"


class _Labels:
    """The labels of a collection's lines, sorted by name as prometheus_client has them.

    Args:
        key: the values of ``COLLECTION_LABELS``.
        added: the names of further labels, at most one.
    """

    def __init__(self, key: Sequence[str], added: Sequence[str]) -> None:
        pairs = sorted(zip(COLLECTION_LABELS, key, strict=True))
        place = sum(name < added[0] for name, _ in pairs) if added else len(pairs)
        self._before = "".join(f"{pair(*each)}," for each in pairs[:place])
        self._after = "".join(f",{pair(*each)}" for each in pairs[place:])
        self._added = added

    def text(self, values: Sequence[str]) -> str:
        """Return the labels of a line, with the values of the further ones."""
        if not self._added:
            return f"{{{self._before[:-1]}}}"
        return f"{{{self._before}{pair(self._added[0], values[0])}{self._after}}}"


def _limits(snapshot: Snapshot) -> bytes:
    lines = [
        f"{_MAX_AGE}{_Labels((*each.collection, each.kind), ()).text(())} {_number(each.max_age)}\n"
        for each in snapshot.freshness
    ]
    return "".join(lines).encode()


def _number(value: float) -> str:
    """Return a value in the spelling of prometheus_client, which is Go's."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _head(row: HistoryFamily, *, is_openmetrics: bool) -> bytes:
    name = row.name.removesuffix("_total") if is_openmetrics else row.name
    return f"# HELP {name} {row.help}\n# TYPE {name} {row.type}\n".encode()
