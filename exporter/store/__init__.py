"""The store: announced jobs, when progress last changed, which ends are counted, and the history.

``schema`` has the tables, ``store`` every statement. SQLite and PostgreSQL are two drivers below
them. ``ledger`` is what the running exporter sees of it all: it never makes a scrape wait.
"""

from exporter.store.books import ANNOUNCED, DRAINED, Books
from exporter.store.ledger import Ledger
from exporter.store.records import StoredJob
from exporter.store.store import Store

__all__ = ["ANNOUNCED", "DRAINED", "Books", "Ledger", "Store", "StoredJob"]
