"""Which job of a collection has its turn, and which wait. Pure.

A job that is Pending waits in the API's own queue, whatever its collection.

Of some kinds, the jobs of one collection run one after the other: ``JobKind.takes_turns``. In which
order is not documented. A job's own time begins when its collection is free: until then it is
neither stalled nor late. The page and the metrics apply ``places``; the alert rules apply the same
rule to the jobs of all exporters (``adbpg:job_waiting``).
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import accumulate

from exporter.gpdb.kinds import KINDS
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult

CollectionIdentity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Where a job stands among the jobs of its collection.

    Attributes:
        waits: whether it waits for its turn; None where that cannot be known.
        behind: the job that it waits behind, or may wait behind; None where it does not wait, and
            where that job is watched by another exporter.
        free_since: when the collection became free for it, in Unix seconds, by the UpdateTime of
            the job before it; None where no such job is watched.
    """

    waits: bool | None = False
    behind: JobRef | None = None
    free_since: float | None = None


_HAS_ITS_TURN = QueuePosition()


def line_up(
    observations: Sequence[Observation], split: AbstractSet[CollectionIdentity]
) -> Mapping[int, QueuePosition]:
    """Return the positions of the jobs of a snapshot, by index; without those that are plain.

    A job that ended before this scrape keeps the place that it had.

    Args:
        observations: of all jobs.
        split: the collections of which other exporters watch further jobs.
    """
    lines: dict[CollectionIdentity, list[int]] = defaultdict(list)
    for index, each in enumerate(observations):
        if each.result is not ScrapeResult.FINAL and KINDS[each.ref.kind].takes_turns:
            lines[each.ref.collection_identity].append(index)
    ended = _ended(observations, lines)
    found = {
        index: QueuePosition(waits=True)
        for index, each in enumerate(observations)
        if each.state is not None and each.state.is_queued
    }
    for collection, line in lines.items():
        members = [observations[index] for index in line]
        found_here = places(members, is_split=collection in split)
        for index, each, place in zip(line, members, found_here, strict=True):
            since = _free_since(each.state, ended.get(collection, ()))
            if place.waits is False and since is not None:
                found[index] = replace(place, free_since=since)
            elif place is not _HAS_ITS_TURN:
                found[index] = place
    return found


def places(jobs: Sequence[Observation], *, is_split: bool = False) -> list[QueuePosition]:
    """Return the places of the jobs of one collection, in their order.

    A job that has uploaded something has had its turn, even where several do so at once. All
    others wait behind it. Where none has uploaded anything, a Running job goes first, then one in
    Cancelling, and of equals the one that was created first. A job whose state is not known may
    be in front of all that have uploaded nothing, unless the API does not know it. A Running job
    whose progress is not known may have uploaded something.

    Args:
        jobs: of one collection.
        is_split: other exporters watch further jobs of it, and one of those may be in front.
    """
    active = [each for each in jobs if each.state and each.state.status.is_active]
    begun = [each for each in active if each.state and each.state.has_begun]
    unknown = [each for each in jobs if _may_be_active(each)]
    front = min(begun or unknown or active, key=_turn, default=None)
    if front is None:
        return [_HAS_ITS_TURN] * len(jobs)
    behind = QueuePosition(waits=True, behind=front.ref)
    perhaps_behind = replace(behind, waits=None)
    first = QueuePosition(waits=None) if is_split and not begun else _HAS_ITS_TURN

    def place(job: Observation) -> QueuePosition:
        if job.state is None or not job.state.status.is_active or job.state.has_begun:
            return _HAS_ITS_TURN
        if job is front:
            return first
        runs_unseen = job.state.status is JobStatus.RUNNING and job.state.progress is None
        return perhaps_behind if runs_unseen or (unknown and not begun) else behind

    return [place(each) for each in jobs]


def _may_be_active(job: Observation) -> bool:
    if job.state is None:
        return job.reason != "not_found"
    return job.state.status is JobStatus.UNKNOWN


_TURNS = (JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.START)


def _turn(job: Observation) -> tuple[int, float, str]:
    """Return what jobs are sorted by: the first is in front."""
    if job.state is None or job.state.status not in _TURNS:
        return 0, math.inf, job.ref.job_id
    created = math.inf if job.state.created is None else job.state.created
    return _TURNS.index(job.state.status), created, job.ref.job_id


Ends = Sequence[tuple[float, float]]
"""CreateTime of each ended job of a collection, ascending, and the latest end up to that job."""


def _ended(
    observations: Sequence[Observation], wanted: Mapping[CollectionIdentity, object]
) -> Mapping[CollectionIdentity, Ends]:
    ended: dict[CollectionIdentity, list[tuple[float, float]]] = defaultdict(list)
    if not wanted:
        return ended
    for each in observations:
        state = each.state
        if state is None or not state.status.is_final or not KINDS[each.ref.kind].takes_turns:
            continue
        collection = each.ref.collection_identity
        if collection in wanted and state.created is not None and state.updated is not None:
            ended[collection].append((state.created, state.updated))
    for times in ended.values():
        times.sort()
        latest = accumulate((end for _, end in times), max)
        times[:] = [(created, end) for (created, _), end in zip(times, latest, strict=True)]
    return ended


def _free_since(state: JobState | None, ended: Ends) -> float | None:
    """Return the latest end of a job created before this one; None where this one is the first."""
    if state is None or state.created is None:
        return None
    before = bisect_left(ended, (state.created, -math.inf))
    return ended[before - 1][1] if before else None
