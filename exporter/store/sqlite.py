"""The store in a file of SQLite, or in the memory of this process."""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from exporter.errors import StoreFailed, StoreUnusable
from exporter.store.database import Database, Row

MEMORY: Final = ":memory:"
"""In place of a path: kept in the memory of this process, and forgotten with it."""

_PATIENCE: Final = 0.5  # seconds to wait for another process that has the file
_IN_USE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class SqliteDatabase(Database):
    """A file that this process has for itself as long as it is open.

    Args:
        path: of the file, which is made if it is not there; or ``MEMORY``.

    Raises:
        StoreUnusable: there can be no such file, or it is none of SQLite.
        StoreFailed: another process has it, or the disk does not take it now.
    """

    begin = "BEGIN IMMEDIATE"

    def __init__(self, path: str) -> None:
        if path != MEMORY:
            _check_folder(path)
        try:
            self._connection = sqlite3.connect(
                path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            if path != MEMORY:
                self._own(path)
        except sqlite3.Error as error:
            raise _failure(path, error) from None

    def _own(self, path: str) -> None:
        """Take the file for this process alone, and have each commit reach the disk."""
        # https://www.sqlite.org/wal.html#noshm: without shared memory, and for one process.
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute("COMMIT")
        with suppress(OSError):
            Path(path).chmod(0o600)  # error texts of jobs are in it

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """See ``Database``."""
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise StoreFailed(str(error)) from None

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """See ``Database``."""
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise StoreFailed(str(error)) from None

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See ``Database``."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StoreFailed(str(error)) from None

    def close(self) -> None:
        """See ``Database``."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _check_folder(path: str) -> None:
    """See that a file can be made there, for SQLite says of all mistakes the same.

    Raises:
        StoreUnusable: it cannot.
    """
    folder = Path(path).parent
    try:
        if not folder.is_dir():
            why = f"{path}: there is no folder {folder}: make it, or set registry.path"
            raise StoreUnusable(why)
        if Path(path).is_dir():
            raise StoreUnusable(f"{path} is a folder: expected the path of a file")
        # Beside the file SQLite writes another one, until the end of the process.
        places = (folder, Path(path)) if Path(path).exists() else (folder,)
        for place in places:
            if not os.access(place, os.R_OK | os.W_OK):
                raise StoreUnusable(f"{place} cannot be written by user {os.geteuid()}")
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}") from None


def _failure(path: str, error: sqlite3.Error) -> StoreFailed:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _IN_USE:
        return StoreUnusable(f"{path} is in use by another process: one exporter a file")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreUnusable(f"{path} is damaged, or no file of SQLite: move it away")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StoreUnusable(f"{path} cannot be opened for writing: {error}")
    return StoreFailed(f"{path}: {error}")
