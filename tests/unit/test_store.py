"""The store's statements, on SQLite."""

from pathlib import Path

import pytest

from exporter.errors import StoreFailed, StoreUnusable
from exporter.store import Store
from exporter.store.sqlite import MEMORY, SqliteDatabase
from tests.store_claims import CLAIMS, Claim


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
@pytest.mark.parametrize("place", ["memory", "file"])
def test_claim(claim: Claim, place: str, tmp_path: Path) -> None:
    """What each store promises."""
    path = MEMORY if place == "memory" else str(tmp_path / "jobs.sqlite")
    store = Store(lambda: SqliteDatabase(path), is_durable=place == "file")
    store.open()

    claim(store)

    store.close()


def test_a_file_is_of_one_process(tmp_path: Path) -> None:
    """Whoever comes second is refused, and says who may have it."""
    path = str(tmp_path / "jobs.sqlite")
    first = Store(lambda: SqliteDatabase(path), is_durable=True)
    first.open()

    with pytest.raises(StoreUnusable, match="in use by another process"):
        SqliteDatabase(path)

    first.close()
    SqliteDatabase(path).close()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("away/jobs.sqlite", "there is no folder"),
        ("folder", "is a folder"),
        ("text", "is damaged, or no file of SQLite"),
    ],
)
def test_a_place_that_cannot_be_used(path: str, message: str, tmp_path: Path) -> None:
    """What no waiting mends is said at once, with the path."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("jobs\n" * 1000)

    with pytest.raises(StoreUnusable, match=message) as caught:
        SqliteDatabase(str(tmp_path / path))

    assert str(tmp_path) in str(caught.value)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    """Nothing is read from tables that this version does not know, and nothing written."""
    path = str(tmp_path / "jobs.sqlite")
    store = Store(lambda: SqliteDatabase(path), is_durable=True)
    store.open()
    store.close()
    database = SqliteDatabase(path)
    database.execute("UPDATE adbpg_exporter_store SET version = 999")
    database.close()

    with pytest.raises(StoreUnusable, match="its tables have version 999, and this exporter"):
        store.open()
    assert not store.is_open


def test_half_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    """A statement that fails takes back those before it, and the file stays of use."""
    database = SqliteDatabase(str(tmp_path / "jobs.sqlite"))
    database.execute("CREATE TABLE t (x bigint NOT NULL)")

    with pytest.raises(StoreFailed), database.transaction():  # noqa: PT012
        database.execute("INSERT INTO t VALUES (1)")
        database.execute("INSERT INTO t VALUES (NULL)")

    assert database.query("SELECT * FROM t") == []
    database.close()
