"""A PostgreSQL server of the tests' own, on a free port."""

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.raw import ANOTHER_UID
from tests.processes import PATIENCE


@dataclass
class Server:
    """The server.

    Attributes:
        folder: of its data.
        port: of the loopback address.
    """

    folder: Path
    port: int

    @property
    def dsn(self) -> str:
        """The connection string, with a password that is masked in the exporter's log."""
        return f"postgresql://exporter:planted-database@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c jit=off -k {self.folder.parent}"
        self._control("start", "-l", str(self.folder.parent / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it at once, as a crash does: connections are cut."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        _run("pg_ctl", "-D", str(self.folder), "-w", "-t", str(int(PATIENCE)), *arguments)


def _run(program: str, *arguments: str) -> None:
    """Run one of the server's programs, as somebody who is not root."""
    (path, *_) = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        user = ("setpriv", f"--reuid={ANOTHER_UID}", f"--regid={ANOTHER_UID}", "--clear-groups")
    done = subprocess.run(
        [*user, str(path), *arguments],
        stdout=subprocess.DEVNULL,  # the server goes on, and would keep a pipe open
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, [program, *arguments]


@contextmanager
def postgresql() -> Iterator[Server]:
    """Start a server; pytest's own folders are too deep for the names of its sockets."""
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, ANOTHER_UID, ANOTHER_UID)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = Server(folder / "data", port)
        _run("initdb", "-D", str(server.folder), "-A", "trust", "-U", "exporter", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Announcing:
    """Threads that announce until they are told to stop, and remember what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.lock = threading.Condition()

    def add(self, job_id: str) -> None:
        """Note that a job was acknowledged."""
        with self.lock:
            self.acknowledged.append(job_id)
            self.lock.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until so many were."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.acknowledged) >= number, PATIENCE)
