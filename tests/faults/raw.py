"""Clients on raw sockets, starts under hardship, and a process's vital signs.

Linux only, as /proc is.
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes import (
    ACCESS_KEYS,
    KEY,
    ONE_NAMESPACE,
    PATIENCE,
    Process,
    command,
    eventually,
    plain_environ,
)

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MIB = 1 << 20
ANOTHER_UID = 65_534  # nobody's; what a process runs as that must not be root

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time
_TICKS = os.sysconf("SC_CLK_TCK")


def rounds(short: int, full: int) -> int:
    """Return how often a test does its work: ``full`` for the figures in docs/reliability.md."""
    return full if os.environ.get("FAULT_BENCH") == "full" else short


def scenario(ids: Iterable[str], extra: str = "", fields: str = "") -> str:
    """Return a scenario of running jobs in one namespace.

    Args:
        ids: of the jobs.
        extra: further lines at the top.
        fields: further fields of each job, with a comma in front.
    """
    jobs = "".join(
        f"  - {{id: {each}, collection: c-{each}, namespace: main, entries: 900000000{fields}}}\n"
        for each in ids
    )
    return f"{ACCESS_KEYS}{ONE_NAMESPACE}{extra}jobs:\n{jobs}"


def ids(count: int) -> list[str]:
    """Return so many job ids."""
    return [f"job-{number}" for number in range(count)]


def configuration(*ids: str, api: str = "http://127.0.0.1:9", extra: str = "") -> str:
    """Return a configuration whose API is scripted, or not there at all."""
    jobs = "".join(f"      - {{id: {each}, collection: c}}\n" for each in ids)
    return (
        f"{extra}targets:\n  - name: main\n    region_id: cn-hangzhou\n"
        f"    db_instance_id: gp-1\n    namespace_password: planted-in-line\n"
        f"    endpoint: {api}\n" + (f"    jobs:\n{jobs}" if jobs else "")
    )


def connect(process: Process, sent: bytes = b"", *, receive_bytes: int = 0) -> socket.socket:
    """Open a connection and send something.

    Args:
        process: that listens.
        sent: at once.
        receive_bytes: of the client's receive buffer; 0 for the system's default.
    """
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    parts = urlsplit(process.url)
    try:
        sock.connect((parts.hostname, parts.port))
        sock.sendall(sent)
    except OSError:
        sock.close()
        raise
    return sock


def vanish(sock: socket.socket) -> None:
    """Break the connection, as a client that is killed by its host does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process at one moment.

    Attributes:
        threads: that it has.
        descriptors: that are open.
        resident: bytes in memory.
        peak: the most of them since ``forget_peak``, or since the start.
        cpu: seconds of processor time so far.
    """

    threads: int
    descriptors: int
    resident: int
    peak: int
    cpu: float


def vitals(process: Process) -> Vitals:
    """Look at a process."""
    folder = Path(f"/proc/{process.popen.pid}")
    lines = (line.partition(":") for line in (folder / "status").read_text().splitlines())
    status = {name: value.split() for name, _, value in lines}
    times = (folder / "stat").read_text().rpartition(")")[2].split()
    return Vitals(
        threads=int(status["Threads"][0]),
        descriptors=len(list((folder / "fd").iterdir())),
        resident=int(status["VmRSS"][0]) << 10,
        peak=int(status["VmHWM"][0]) << 10,
        cpu=(int(times[11]) + int(times[12])) / _TICKS,
    )


def forget_peak(process: Process) -> None:
    """Begin ``Vitals.peak`` anew."""
    Path(f"/proc/{process.popen.pid}/clear_refs").write_text("5")


def back_to(process: Process, before: Vitals, *, pooled: int = 0) -> None:
    """Return once a process has no more threads and descriptors than it had.

    Args:
        process: to look at.
        before: what it had.
        pooled: connections to the API that it may keep beside.
    """

    def is_back() -> bool:
        now = vitals(process)
        return now.threads <= before.threads and now.descriptors <= before.descriptors + pooled

    eventually(is_back, f"{vitals(process)} is back to {before}")


def as_another_user() -> list[str]:
    """Return what to put before a command so that it is not root's, whoever runs the tests.

    It can still read what root can: an interpreter or a test's folder may be root's.
    """
    if os.geteuid() != 0:
        return []
    return [
        "setpriv",
        f"--reuid={ANOTHER_UID}",
        f"--regid={ANOTHER_UID}",
        "--clear-groups",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ]


@contextlib.contextmanager
def launched(
    folder: Path,
    *flags: str,
    before: Sequence[str] = (),
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.PIPE,
) -> Iterator[Process]:
    """Start the exporter on ``config.yaml`` of a folder, where the usual start cannot be used.

    Where it listens is asked of the system, so that its outputs may be broken.

    Args:
        folder: to run in.
        flags: further ones.
        before: a command that starts it.
        stdout: its standard output.
        stderr: its standard error; collected if it is a pipe.
    """
    popen = subprocess.Popen(
        [*before, *command("--web.listen-address=127.0.0.1:0", *flags)],
        env={**plain_environ(), **KEY},
        cwd=folder,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )
    process = Process(popen)
    follower = threading.Thread(target=process.follow, daemon=True)
    if stderr == subprocess.PIPE:
        follower.start()
    try:
        eventually(lambda: bool(_port(popen)), "it listens")
        process.url = f"http://127.0.0.1:{_port(popen)}"
        yield process
    finally:
        popen.kill()
        popen.wait()
        if follower.ident is not None:
            follower.join(PATIENCE)
        for stream in (popen.stdout, popen.stderr):
            if stream:
                stream.close()


def _port(popen: subprocess.Popen[str]) -> int:
    """Return the port that a process listens at; 0 while there is none."""
    assert popen.poll() is None, f"exit code {popen.returncode} before it listened"
    folder = Path(f"/proc/{popen.pid}")
    with contextlib.suppress(OSError):  # a descriptor that was just closed
        own = {str(each.readlink()) for each in (folder / "fd").iterdir()}
        for line in (folder / "net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                return int(fields[1].partition(":")[2], 16)
    return 0


def kill(process: Process) -> None:
    """End a process as the kernel does when memory is short."""
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait(PATIENCE)
