"""What the store needs of a database."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Row = tuple[Any, ...]


class Database(ABC):
    """A connection to a database. One thread at a time may use it.

    Every method raises ``StoreFailed`` when the database fails; the
    connection is of no use then.

    Attributes:
        begin: the statement that begins a transaction which writes.
        lock_schema: the statement that lets only one process change tables, until the
            transaction ends; empty where ``begin`` does so.
    """

    begin = "BEGIN"
    lock_schema = ""

    @abstractmethod
    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement with its values in place of each ``?``; return how many rows changed."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""

    @abstractmethod
    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows that a statement finds."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection. Raises nothing."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is done within, or nothing of it."""
        self.execute(self.begin)
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.execute("COMMIT")

    @abstractmethod
    def _roll_back(self) -> None:
        """Undo the transaction. Raises nothing: the connection may be gone."""
