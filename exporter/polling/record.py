"""What the last query of one job returned, and when the next may be made. Time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.backoff import Backoff
from exporter.errors import NotFound, QueryError
from exporter.gpdb.kinds import KINDS, TimeLimits
from exporter.model import JobRef, JobState, Memory, Observation, ScrapeResult, Target, WatchList
from exporter.polling.pace import Pace
from exporter.queues import QueuePosition, line_up

_NOT_FOUND = Backoff(first=30.0, longest=900.0)  # how long an unknown job is not queried


@dataclass(slots=True)
class Record:
    """What the last query of one job returned. The poller's lock guards it.

    Attributes:
        ref: the job.
        target: where it is queried. If the target changes, the record is discarded.
        state: the last answer; None before the first, and once the API does not know the job.
        answered: monotonic seconds, when that was.
        progress: the last one known; an answer without one does not make the next a change.
        progress_changed: monotonic seconds, when progress was last seen to change, or the job to
            wait for its turn.
        waited: monotonic seconds, when it was last observed that it waits or may wait.
        free_since: Unix seconds when its collection became free for it, by the API's times.
        pace: how fast progress grows; None before the first answer and after the end.
        queried: monotonic seconds, when the last query ended.
        reason: why the last query failed; empty when it worked.
        queried_at: monotonic seconds when the last query began.
        retry_at: monotonic seconds before which it is not queried.
        not_found_in_a_row: how often the API did not know it, one after the other.
        in_flight: a query is under way.
        due_in: the number of the last round in which it was due.
        done_in: the number of the last round in which a query ended.
        shown: what is shown of a job that has ended, made once, by which limits and clock offset.
    """

    ref: JobRef
    target: Target
    state: JobState | None = None
    answered: float | None = None
    progress: int | None = None
    progress_changed: float | None = None
    waited: float | None = None
    free_since: float | None = None
    pace: Pace | None = None
    queried: float | None = None
    reason: str = ""
    queried_at: float | None = None
    retry_at: float = 0.0
    not_found_in_a_row: int = 0
    in_flight: bool = False
    due_in: int = 0
    done_in: int = 0
    shown: tuple[TimeLimits, float, Observation] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, so that it is never queried again."""
        return self.state is not None and self.state.status.is_final

    def is_due(self, now: float, min_interval: float) -> bool:
        """Whether it may be queried now (monotonic seconds)."""
        if self.is_final or self.in_flight or now < self.retry_at:
            return False
        return self.queried_at is None or now - self.queried_at >= min_interval

    def recall(self, memory: Memory, offset: float) -> None:
        """Begin with what the store remembers (offset: Unix seconds less monotonic seconds)."""
        if memory.state is not None:
            self.state = memory.state
            self.answered = self.queried = (memory.ended_at or 0.0) - offset
        self.progress = memory.progress
        if memory.progress_changed_at is not None:
            self.progress_changed = memory.progress_changed_at - offset
        self.free_since = memory.turn_at

    def answer(self, state: JobState, now: float) -> None:
        """Take over a good answer (now: monotonic seconds)."""
        if state.progress is not None and state.progress != self.progress:
            never_moved = self.progress is None and not state.progress
            self.progress = state.progress
            if not (never_moved and KINDS[self.ref.kind].may_lack_progress):
                self.progress_changed = now
        if state.status.is_final:
            self.pace = None
        elif state.progress is not None:
            self.pace = self.pace or Pace()
            self.pace.observe(state.progress, now)
        self.state = state
        self.answered = now
        self.queried = now
        self.reason = ""
        self.not_found_in_a_row = 0

    def fail(self, error: QueryError, now: float) -> None:
        """Take over a failure (now: monotonic seconds). The state stands unless the job is gone."""
        self.queried = now
        self.reason = error.reason
        if not isinstance(error, NotFound):
            return
        if error.what == "job":
            self.state = self.progress = self.progress_changed = self.pace = None
        if self.state is None:  # else it was there: a collection or an instance may come back
            self.retry_at = now + _NOT_FOUND.pause(self.not_found_in_a_row)
            self.not_found_in_a_row += 1

    def observation(
        self,
        ref: JobRef,
        now: float,
        *,
        max_age: float,
        limits: TimeLimits,
        round_number: int,
        offset: float,
    ) -> Observation:
        """Return what a scrape has to say about the job.

        Args:
            ref: the job as it is configured now.
            now: monotonic seconds.
            max_age: seconds after which an answer is too old to be the job's state.
            limits: for the planned end.
            round_number: of the scrape's round; a later one may have begun since.
            offset: Unix seconds less monotonic seconds, as the wall clock stands now.
        """
        if self.shown is not None:
            made_by, made_at, shown = self.shown
            if made_by is limits and made_at == offset and shown.ref is ref:
                return shown
        state = self.state
        if state is not None and not state.status.is_final and self._age(now) >= max_age:
            state = None
        turn_at = self._turn_at(state, offset)
        observation = Observation(
            ref=ref,
            result=self._result(round_number),
            state=state,
            up=None if self.queried is None else not self.reason,
            reason=self.reason,
            queried_at=_unix(self.queried, offset),
            answered_at=_unix(self.answered, offset),
            progress_changed_at=None if state is None else _unix(self.progress_changed, offset),
            progress_per_second=self.pace.per_second if state and self.pace else None,
            turn_at=turn_at,
            planned_end=_planned_end(ref, turn_at, limits),
        )
        if observation.result is ScrapeResult.FINAL:
            self.shown = limits, offset, observation
        return observation

    def placed(
        self, made: Observation, place: QueuePosition, limits: TimeLimits, now: float, offset: float
    ) -> Observation:
        """Return an observation with the job's place in its collection, and remember that place.

        Args:
            made: by ``observation``, just now.
            place: of the job.
            limits: for the planned end.
            now: monotonic seconds.
            offset: Unix seconds less monotonic seconds.
        """
        if place.waits is False:
            self.free_since = place.free_since
            turn_at = self._turn_at(made.state, offset)
            return replace(
                made, turn_at=turn_at, planned_end=_planned_end(made.ref, turn_at, limits)
            )
        self.waited = now
        if self.progress_changed is not None:
            self.progress_changed = now
        return replace(
            made,
            waits=place.waits,
            behind=place.behind,
            progress_changed_at=None,
            turn_at=None,
            planned_end=None,
        )

    def _turn_at(self, state: JobState | None, offset: float) -> float | None:
        """Return when the job's own time began, in Unix seconds; None where that is not known.

        Its collection became free for it when it was last observed to wait, by our own clock, or
        else when the job before it ended, by the API's.
        """
        if state is None:
            return None
        free_since = self.free_since if self.waited is None else self.waited + offset
        if state.created is None or free_since is None:
            return state.created if free_since is None else free_since
        return max(state.created, free_since)

    def _age(self, now: float) -> float:
        return float("inf") if self.answered is None else now - self.answered

    def _result(self, round_number: int) -> ScrapeResult:
        if self.queried is None:
            return ScrapeResult.LATE
        if self.done_in >= round_number:
            return ScrapeResult.FAILED if self.reason else ScrapeResult.FRESH
        if self.is_final:
            return ScrapeResult.FINAL
        if self.due_in >= round_number:
            return ScrapeResult.LATE
        return ScrapeResult.FAILED if self.reason else ScrapeResult.CACHED


def _planned_end(ref: JobRef, turn_at: float | None, limits: TimeLimits) -> float | None:
    longest = KINDS[ref.kind].longest(ref, limits)
    return None if longest is None or turn_at is None else turn_at + longest


def _unix(moment: float | None, offset: float) -> float | None:
    return None if moment is None else moment + offset


def observe(
    records: Sequence[Record],
    watched: WatchList,
    now: float,
    *,
    max_age: float,
    limits: TimeLimits,
    round_number: int,
    offset: float,
) -> tuple[Observation, ...]:
    """Return what a scrape has to say about all jobs, each with its place in its collection.

    Args:
        records: one for each job of the watch list, in its order.
        watched: the watch list.
        now: monotonic seconds.
        max_age: as ``Record.observation`` has it.
        limits: likewise.
        round_number: likewise.
        offset: likewise.
    """
    made = [
        record.observation(
            ref, now, max_age=max_age, limits=limits, round_number=round_number, offset=offset
        )
        for ref, record in zip(watched.jobs, records, strict=True)
    ]
    for index, place in line_up(made, watched.split).items():
        made[index] = records[index].placed(made[index], place, limits, now, offset)
    return tuple(made)
