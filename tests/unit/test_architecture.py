"""The structure that docs/architecture.md draws: which room may import which, and how big it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "exporter"

# Arrows run one way: a room may import only what stands in its row. Rooms are files or folders
# of exporter/; inside a folder everyone may import everyone, unless a file has a row of its own. A
# file that stands in a row, such as gpdb/kinds, may be imported where its folder may not: for that
# it is a room of its own, lower than the folder.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli", "signals"},
    "backoff": set(),
    "clock": set(),
    "errors": set(),
    "advice": {"gpdb/kinds"},
    "files": {"clock"},
    "formats": set(),
    "sockets": set(),
    "secret": {"errors", "files"},
    "model": {"secret"},
    "redaction": {"secret"},
    "logs": set(),
    "signals": set(),
    "config": {"errors", "files", "gpdb/kinds", "model", "secret"},
    "gpdb/__init__": set(),
    "gpdb/signing": set(),
    "gpdb/endpoints": {"model"},
    "gpdb/answers": {"errors"},
    "gpdb/failures": {"errors"},
    "gpdb/job_errors": {"model"},
    "gpdb/decoding": {"errors", "gpdb/job_errors", "model"},
    "gpdb/kinds": {"gpdb/decoding", "model"},
    "gpdb/credentials": {"errors", "secret"},
    "gpdb/roles": {"backoff", "clock", "errors", "files", "gpdb", "secret"},
    "gpdb/role_key": {"gpdb", "secret"},
    "gpdb/responses": set(),
    "gpdb/proxies": {"secret"},
    "gpdb/authorities": {"files"},
    "gpdb/transport": {"clock", "files", "gpdb", "sockets"},
    "gpdb/deferred": {"errors", "gpdb", "model"},
    "gpdb/client": {"", "clock", "config", "errors", "files", "gpdb", "model"},
    "reports": {"gpdb/kinds", "model"},
    "background": {"clock"},
    "store": {
        "backoff",
        "background",
        "clock",
        "config",
        "errors",
        "gpdb/kinds",
        "model",
        "secret",
    },
    "announcing": {"config", "instruments", "model", "polling", "reports", "store"},
    "jobs": {"background", "clock", "config", "errors", "files", "gpdb/kinds", "model"},
    "queues": {"gpdb/kinds", "model"},
    "polling": {"backoff", "clock", "config", "errors", "files", "gpdb", "model", "queues"},
    "check": {"advice", "clock", "config", "errors", "gpdb", "model", "polling", "secret"},
    "metrics": {"errors", "formats", "gpdb/kinds", "model"},
    "instruments": {"errors", "gpdb/kinds", "metrics", "model", "polling"},
    "service": {
        "clock",
        "config",
        "errors",
        "gpdb",
        "instruments",
        "jobs",
        "metrics",
        "model",
        "polling",
        "announcing",
        "coalescing",
        "store",
    },
    "coalescing": set(),
    "pipeline": set(),
    "overview": {"polling"},
    "waiting": {"errors", "gpdb/kinds", "model"},
    "web": {
        "advice",
        "clock",
        "config",
        "errors",
        "files",
        "formats",
        "gpdb/kinds",
        "model",
        "secret",
        "sockets",
    },
    "simulator": {"clock", "config", "errors", "files", "gpdb", "secret"},
    "wiring": {
        "",
        "clock",
        "config",
        "errors",
        "gpdb",
        "instruments",
        "jobs",
        "model",
        "polling",
        "redaction",
        "secret",
        "service",
        "store",
    },
    "cli": {
        "",
        "advice",
        "check",
        "clock",
        "config",
        "errors",
        "files",
        "gpdb",
        "instruments",
        "jobs",
        "logs",
        "model",
        "overview",
        "pipeline",
        "polling",
        "redaction",
        "reports",
        "secret",
        "service",
        "signals",
        "simulator",
        "waiting",
        "web",
        "wiring",
    },
}
LOW_FILES = {room for allowed in MAY_IMPORT.values() for room in allowed if "/" in room}
# Libraries that only these rooms may know.
ONLY_THERE = {
    "requests": {"gpdb/client", "gpdb/transport", "gpdb/failures", "gpdb/role_key"},
    "urllib3": {"gpdb/client", "gpdb/transport", "gpdb/failures"},
    "prometheus_client": {"instruments", "metrics", "overview"},
    "pydantic": {"config", "simulator", "web"},
    "pydantic_core": {"config"},
    "yaml": {"config"},
    "bcrypt": {"web"},
    "h11": {"web"},
    "jinja2": {"web"},
    "rich": {"cli"},
    "tqdm": {"cli"},
    "psycopg": {"store"},
    "sqlite3": {"store"},
    "alibabacloud_credentials": {"gpdb/role_key"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def _room(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    own = "/".join(parts)
    return own if own in MAY_IMPORT else parts[0]


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            if node.module == "exporter":
                for alias in node.names:
                    is_room = alias.name in {name.split("/")[0] for name in MAY_IMPORT}
                    yield f"exporter.{alias.name}" if is_room else "exporter"
            elif node.module:
                yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(file: Path) -> None:
    """A file imports of ours only what its room may."""
    room = _room(file)
    own = set() if room in LOW_FILES else {room.split("/")[0]}
    allowed = MAY_IMPORT[room] | own

    ours = {name for name in _imports(file) if name.split(".")[0] == "exporter"}

    rooms = {(name.split(".", 1)[1:] or [""])[0].replace(".", "/") for name in ours}
    assert {each for each in rooms if not {each, each.split("/")[0]} & allowed} == set()


@pytest.mark.parametrize("library", ONLY_THERE)
def test_foreign_libraries_stay_in_their_rooms(library: str) -> None:
    """A library that could be exchanged one day is known to few files."""
    users = {_room(file) for file in FILES for n in _imports(file) if n.split(".")[0] == library}

    assert users <= ONLY_THERE[library]


def test_the_arrows_have_no_circle() -> None:
    """Rooms can be read one after the other, each knowing only those before it."""
    folders: dict[str, set[str]] = {}
    for room, allowed in MAY_IMPORT.items():
        own = room if room in LOW_FILES else room.split("/")[0]
        folders.setdefault(own, set()).update(allowed - {own, ""})
    read: set[str] = set()

    while ready := {room for room, needs in folders.items() if room not in read and needs <= read}:
        read |= ready

    assert read == set(folders)
