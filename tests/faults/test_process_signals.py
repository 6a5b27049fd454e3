"""Signals at any moment and in any order: none is lost, and none does harm."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.clients import rest
from tests.faults.raw import HEALTHY, SCRAPE, configuration, connect, rounds
from tests.namespaces import needs_root
from tests.processes import (
    KEY,
    PATIENCE,
    Process,
    command,
    eventually,
    exporter,
    plain_environ,
)
from tests.upstream import Upstream, hang, message

HUP, INT, TERM = signal.SIGHUP, signal.SIGINT, signal.SIGTERM
HANDLED = sum(1 << (number - 1) for number in (HUP, INT, TERM))
SERVING = ["serve", "demo", "simulate"]
ORDERS = [(TERM,), (INT,), (HUP, TERM), (TERM, HUP), (HUP, HUP, INT), (HUP, TERM, HUP)]


def handles_signals(pid: int) -> bool:
    """Whether a process has come so far that it has handlers for all three signals."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
        return caught & HANDLED == HANDLED
    return False


@contextlib.contextmanager
def beginning(
    *arguments: str, folder: Path, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Start a command of ours, and wait for nothing but its signal handlers."""
    popen = subprocess.Popen(
        [*prefix, *command(*arguments)],
        env={**plain_environ(), **KEY},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with popen:
        try:
            eventually(lambda: handles_signals(number_of(popen, prefix)), "it handles signals")
            yield popen
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)


def number_of(popen: subprocess.Popen[str], prefix: Sequence[str]) -> int:
    """Return the id of our own process: with a prefix that forks, it is the child's."""
    if not prefix:
        return popen.pid
    children = Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text().split()
    return int(children[0]) if children else 0


def send(popen: subprocess.Popen[str], *numbers: int) -> None:
    """Send signals back to back. It may end at the first."""
    for number in numbers:
        popen.send_signal(number)


def ends_well(popen: subprocess.Popen[str]) -> bool:
    """Whether it ends with exit code 0, and without a word about it."""
    _, told = popen.communicate(timeout=PATIENCE)
    return popen.returncode == 0 and "Traceback" not in told


@pytest.mark.parametrize("name", SERVING)
@pytest.mark.parametrize("order", ORDERS)
def test_signals_at_a_start(name: str, order: tuple[int, ...], tmp_path: Path) -> None:
    """Fault 61: SIGTERM and SIGINT end a start, without a traceback; SIGHUP never ends it."""
    (tmp_path / "config.yaml").write_text(configuration("job"))
    port = "--web.listen-address=127.0.0.1:0"

    with beginning(name, port, folder=tmp_path) as popen:
        send(popen, *order)

        assert ends_well(popen)


@pytest.mark.parametrize("name", SERVING)
def test_a_reload_signal_at_a_start(name: str, tmp_path: Path) -> None:
    """Fault 61: after a SIGHUP during its start, it serves."""
    (tmp_path / "config.yaml").write_text(configuration("job"))
    port = "--web.listen-address=127.0.0.1:0"

    with beginning(name, port, folder=tmp_path) as popen:
        send(popen, *[HUP] * 10)
        assert popen.stdout is not None
        said = popen.stdout.readline()
        send(popen, TERM)

        assert said
        assert ends_well(popen)


@needs_root
@pytest.mark.parametrize("number", [TERM, INT])
def test_a_start_as_process_1(number: int, tmp_path: Path) -> None:
    """Fault 61: as the first process of a container, too, it is ended during its start."""
    (tmp_path / "config.yaml").write_text(configuration("job"))
    prefix = ("unshare", "--pid", "--fork", "--kill-child")

    with beginning(folder=tmp_path, prefix=prefix) as popen:
        os.kill(number_of(popen, prefix), number)

        assert ends_well(popen)


def reader_of(path: Path) -> int:
    """Wait until somebody reads a pipe; return a descriptor to write what it waits for."""
    writers: list[int] = []

    def is_read() -> bool:
        with contextlib.suppress(OSError):  # nobody has it open for reading yet
            writers.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    eventually(is_read, f"{path} is read")
    return writers[0]


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_start_that_hangs(number: int, tmp_path: Path) -> None:
    """Fault 61: a start that waits for a file that never comes is ended like any other."""
    os.mkfifo(tmp_path / "config.yaml")
    with beginning(folder=tmp_path) as popen:
        writer = reader_of(tmp_path / "config.yaml")
        send(popen, number)

        assert ends_well(popen)
        os.close(writer)


def test_a_reload_that_hangs(tmp_path: Path) -> None:
    """Fault 62: while a reload hangs, scrapes are answered, and SIGTERM ends it as always."""
    with exporter(configuration(), tmp_path) as it:
        (tmp_path / "config.yaml").unlink()
        os.mkfifo(tmp_path / "config.yaml")
        it.popen.send_signal(HUP)
        writer = reader_of(tmp_path / "config.yaml")
        with connect(it, SCRAPE) as scraper:
            page = rest(scraper)

        assert page.startswith(b"HTTP/1.1 200")
        assert it.stop() == 0
        assert "msg=stopped" in it.log[-1]
        os.close(writer)


def test_a_storm_of_reloads(tmp_path: Path) -> None:
    """Fault 62: of any number of SIGHUPs during a reload, one more reload comes."""
    with exporter(configuration(), tmp_path) as it:
        text = (tmp_path / "config.yaml").read_text()
        (tmp_path / "config.yaml").unlink()
        os.mkfifo(tmp_path / "config.yaml")
        it.popen.send_signal(HUP)
        writer = reader_of(tmp_path / "config.yaml")
        for _ in range(1_000):
            it.popen.send_signal(HUP)
        (tmp_path / "new.yaml").write_text(text)
        (tmp_path / "new.yaml").rename(tmp_path / "config.yaml")
        os.write(writer, text.encode())
        os.close(writer)
        it.wait_for_log("configuration reloaded")

        assert it.stop() == 0
        reloads = sum("configuration reloaded" in line for line in it.log)
        assert 1 <= reloads <= 2


def idle(_it: Process) -> None:
    """Do nothing."""


def reloading(it: Process) -> None:
    """Begin a reload, and go on while it is under way."""
    it.popen.send_signal(HUP)


def scraping(it: Process) -> None:
    """Begin scrapes whose clients do not wait for the answer."""
    for _ in range(8):
        connect(it, SCRAPE).close()


MOMENTS: list[Callable[[Process], None]] = [idle, reloading, scraping]


def test_signals_in_any_order_at_any_moment(tmp_path: Path) -> None:
    """Fault 61: back to back, idle or busy, with clients that come and go: it always ends."""
    cases = [(order, moment) for order in ORDERS for moment in MOMENTS]

    def ended(number: int, order: tuple[int, ...], moment: Callable[[Process], None]) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        with exporter(configuration("job"), folder) as it, crowd(it):
            moment(it)
            send(it.popen, *order)
            return it.popen.wait(PATIENCE)

    count = rounds(len(cases), 100)
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(ended, range(count), *zip(*islice(cycle(cases), count), strict=True)))

    assert codes == [0] * count


@contextlib.contextmanager
def crowd(it: Process) -> Iterator[None]:
    """Have clients connect anew, again and again, until the port is closed."""
    over = threading.Event()
    connected = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), connect(it, HEALTHY) as client:
                rest(client)
                connected.set()
                continue
            over.wait(0.01)

    clients = [threading.Thread(target=come_and_go) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        assert connected.wait(PATIENCE)
        yield
    finally:
        over.set()
        for client in clients:
            client.join(PATIENCE)


@pytest.mark.parametrize("number", [HUP, INT, TERM])
def test_a_query_is_interrupted(number: int, tmp_path: Path) -> None:
    """Fault 63: a command that ends by itself is ended by a signal, and that is no success."""
    with Upstream([hang()]) as api:
        (tmp_path / "config.yaml").write_text(configuration("job", api=api.url))
        arguments = ("query", "job", "--target=main", "--collection=c")
        with beginning(*arguments, folder=tmp_path) as popen:
            eventually(lambda: bool(api.requests), "a call is under way")
            send(popen, number)
            out, told = popen.communicate(timeout=PATIENCE)

    assert popen.returncode == 128 + number
    assert (out, told) == ("", "")


@pytest.mark.parametrize("number", [INT, TERM])
def test_a_live_check_is_interrupted(number: int, tmp_path: Path) -> None:
    """Fault 63: a live check tells what it knows until then; a second signal ends that too."""
    with Upstream([hang()]) as api:
        (tmp_path / "config.yaml").write_text(configuration("job", api=api.url))
        with beginning("check-config", "--live", folder=tmp_path) as popen:
            eventually(lambda: bool(api.requests), "a call is under way")
            send(popen, number)
            out, told = popen.communicate(timeout=PATIENCE)

    assert popen.returncode == 1
    assert "live: 1 finding: 0 of 1 job answered" in out
    assert "before it was stopped" in told


READ_ENOUGH = [
    ("--help",),
    ("--version",),
    ("check-config",),
    ("check-config", "--live"),
    ("check-config", "--live", "--output=json"),
    ("query", "job", "--target=main", "--collection=c"),
    ("query", "job", "--target=main", "--collection=c", "--output=json"),
]


@pytest.mark.parametrize("arguments", READ_ENOUGH, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough(
    arguments: tuple[str, ...], unbuffered: str, tmp_path: Path
) -> None:
    """Fault 63: where nobody reads on, as after ``head``, a command ends without a word."""
    answer = message(b'{"Job": {"Id": "job", "Status": "Running", "Progress": 1}}')
    with Upstream([lambda wire: wire.send(answer)]) as api:
        (tmp_path / "config.yaml").write_text(configuration("job", api=api.url))
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            command(*arguments),
            env={**plain_environ(), **KEY, "PYTHONUNBUFFERED": unbuffered},
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        os.close(writing)

    assert done.returncode in (0, 1, 128 + signal.SIGPIPE)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("name", ["demo", "simulate"])
def test_a_demo_that_nobody_reads(name: str, tmp_path: Path) -> None:
    """Fault 63: what serves goes on when nobody reads what it prints."""
    reading, writing = os.pipe()
    os.close(reading)
    popen = subprocess.Popen(
        command(name, "--web.listen-address=127.0.0.1:0"),
        env={**plain_environ(), **KEY},
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with popen:
        os.close(writing)
        assert popen.stderr is not None
        told = ""
        while "standard output is of no use" not in told:
            told = popen.stderr.readline()
            assert told, "it ended"
        popen.send_signal(TERM)

        assert popen.wait(PATIENCE) == 0


def test_a_full_disk(tmp_path: Path) -> None:
    """Fault 63: a command whose output has no room says so in one line, and fails."""
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        done = subprocess.run(
            command("--version"),
            env=plain_environ(),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"
