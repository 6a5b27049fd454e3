"""The store in PostgreSQL, which several exporters share."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from exporter.errors import StoreFailed, StoreUnusable
from exporter.secret import Secret
from exporter.store.database import Database, Row

_MISSING: Final = (
    "registry.store is postgresql, which needs a package: install adbpg-job-exporter[postgresql]"
)
_LOCK: Final = 7_236_114_805  # any number that no other program takes for its advisory locks
# What the connection string may set otherwise. A server that has gone must not hold up a thread.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_DEFAULTS: Final = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
    "application_name": "adbpg-job-exporter",
}
_SETTINGS: Final = (
    "SET statement_timeout = '10s'",
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '30s'",
)


def password_of(dsn: str) -> Secret | None:
    """Return the password in a connection string; None if there is none.

    Raises:
        StoreUnusable: it is no connection string, or the package is missing.
    """
    password = _parsed(dsn).get("password")
    return Secret(str(password)) if password else None


def _parsed(dsn: str) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415  an extra: imported where it is used
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError:
        raise StoreUnusable(_MISSING) from None
    try:
        return dict(conninfo_to_dict(dsn))
    except ProgrammingError:  # its text may quote the string
        expected = "expected one such as postgresql://user:password@host/database"
        raise StoreUnusable(f"dsn_file holds no connection string: {expected}") from None


class PostgresqlDatabase(Database):
    """A connection to a server.

    Args:
        dsn: libpq's connection string.

    Raises:
        StoreUnusable: the string or the package is wrong.
        StoreFailed: the server does not take us now.
    """

    lock_schema = f"SELECT pg_advisory_xact_lock({_LOCK})"

    def __init__(self, dsn: str) -> None:
        settings = {**_DEFAULTS, **_parsed(dsn)}
        import psycopg  # noqa: PLC0415  an extra: imported where it is used

        self._error = psycopg.Error
        try:
            self._connection = psycopg.connect(**settings, autocommit=True)
            for statement in _SETTINGS:
                self._connection.execute(statement)
        except psycopg.Error as error:
            raise StoreFailed(_first_line(error)) from None

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """See ``Database``."""
        try:
            return self._connection.execute(_translated(sql), values or None).rowcount
        except self._error as error:
            raise StoreFailed(_first_line(error)) from None

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """See ``Database``."""
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(_translated(sql), rows)
        except self._error as error:
            raise StoreFailed(_first_line(error)) from None

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """See ``Database``."""
        try:
            return self._connection.execute(_translated(sql), values or None).fetchall()
        except self._error as error:
            raise StoreFailed(_first_line(error)) from None

    def close(self) -> None:
        """See ``Database``."""
        with suppress(self._error):
            self._connection.close()

    def _roll_back(self) -> None:
        with suppress(self._error):
            self._connection.execute("ROLLBACK")


def _translated(sql: str) -> Any:  # psycopg takes only texts of the source for statements
    return sql.replace("?", "%s")


def _first_line(error: Exception) -> str:
    """Return what the server or its library says; the rest quotes the statement."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
