"""One round: which of the due jobs is queried next. No threads and no clock in here."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporter.errors import QueryError
from exporter.polling.budget import TargetBudget
from exporter.polling.record import Record


@dataclass(frozen=True, slots=True)
class Task:
    """One query to make.

    Attributes:
        record: of the job.
        budget: of its target.
    """

    record: Record
    budget: TargetBudget


class Round:
    """The queries that one scrape, and those that joined it, wait for.

    Args:
        number: counts the rounds.
        deadline: monotonic seconds, after which no further query starts.
        budgets: by target name.
        concurrency: the most calls in flight, over all targets.
    """

    def __init__(
        self, number: int, deadline: float, budgets: Mapping[str, TargetBudget], concurrency: int
    ) -> None:
        self.number = number
        self.deadline = deadline
        self._budgets = budgets
        self._concurrency = concurrency
        self._share = concurrency
        self._generation = 0
        self._renewed_at = 0.0

    def covers(self, generation: int, now: float) -> bool:
        """Whether a scrape of this watch list that begins now can share this round.

        Not once the jobs that were queried first may be due again: where a dead target keeps a
        round from ending, the others would have to wait with it.
        """
        return generation == self._generation and now < min(self.deadline, self._renewed_at)

    def queue(
        self, records: Sequence[Record], generation: int, now: float, min_interval: float
    ) -> int:
        """Queue the jobs that are due, the longest unqueried first; return how many.

        A job whose query is still under way from an earlier round counts as due: its answer is
        waited for. One whose host or key must be left alone is due, but not queried.

        Args:
            records: of all jobs that are watched.
            generation: of their watch list.
            now: monotonic seconds.
            min_interval: seconds between two queries of a job.
        """
        self._generation = generation
        self._renewed_at = now + min_interval
        due = []
        unfinished = set()
        for budget in self._budgets.values():
            budget.queue.clear()
            budget.earned = 0
        for record in records:
            if not record.is_final:
                unfinished.add(record.target.name)
            if record.in_flight:
                record.due_in = self.number
            elif record.is_due(now, min_interval):
                record.due_in = self.number
                if self._budgets[record.target.name].is_open(now):
                    due.append(record)
        due.sort(key=_queried_at)
        for record in due:
            self._budgets[record.target.name].queue.append(record)
        # Of all targets, not only of those with due jobs: a dead one that is alone in this round
        # would hold the calls that the others need in the next.
        self._share = max(1, self._concurrency // max(1, len(unfinished)))
        return len(due)

    def next(self, now: float, in_flight: int) -> Task | float | None:
        """Return the query to start now, or the seconds until one may start, or None.

        None is for: nothing to do until a query ends or a new round begins.

        Args:
            now: monotonic seconds.
            in_flight: calls under way, over all targets and rounds.
        """
        if now >= self.deadline:
            self.abandon()
        if in_flight >= self._concurrency:
            return None
        best: TargetBudget | None = None
        soonest: float | None = None
        for budget in self._budgets.values():
            wait = budget.wait(now, self._share) if budget.queue else None
            if wait is None:
                continue
            if wait > 0:
                soonest = wait if soonest is None else min(soonest, wait)
            elif best is None or _turn(budget) < _turn(best):
                best = budget
        if best is None:
            return soonest
        return Task(best.queue.popleft(), best)

    @property
    def has_queued(self) -> bool:
        """Whether queries are still to start."""
        return any(budget.queue for budget in self._budgets.values())

    def abandon(self) -> None:
        """Start no further query."""
        for budget in self._budgets.values():
            budget.queue.clear()

    def ended(
        self, task: Task, error: QueryError | None, now: float, chance: Callable[[], float]
    ) -> None:
        """Note how a query ended. A host that throttles or asks to wait is left alone for a while.

        Args:
            task: the query.
            error: None for a good answer.
            now: monotonic seconds.
            chance: gives a number from 0 to 1.
        """
        budget, began = task.budget, task.record.queried_at
        budget.limit.ended(now if began is None else began, now, error, chance)
        if error is None:
            budget.answered()
        else:
            budget.failed(error, now)
        if now < budget.limit.paused_until:
            for other in self._budgets.values():
                if other.limit is budget.limit:
                    other.queue.clear()


def _queried_at(record: Record) -> float:
    return -math.inf if record.queried_at is None else record.queried_at


def _turn(budget: TargetBudget) -> tuple[int, float]:
    """The target with the fewest calls under way goes first, then the longest unqueried job."""
    return (budget.in_flight, _queried_at(budget.queue[0]))
