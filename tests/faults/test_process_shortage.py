"""Too few descriptors, too little memory, no more threads: the exporter stays up, and recovers."""

import contextlib
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.clients import answer, rest
from tests.faults.bench import well
from tests.faults.raw import (
    MIB,
    SCRAPE,
    as_another_user,
    back_to,
    configuration,
    connect,
    launched,
    vitals,
)
from tests.processes import PATIENCE, Process, eventually, exporter, scrape
from tests.upstream import Behaviour, Request, Upstream, Wire

CROWD = 150
SMALL_CROWD = 50
NO_INTERVAL = "scrape: {min_interval: 0s, concurrency: 2}\n"


@contextlib.contextmanager
def without_new_threads(process: Process) -> Iterator[None]:
    """Take the right to start threads away from another user's process, as that user can."""
    limits = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    usual = "unlimited" if limits == resource.RLIM_INFINITY else limits
    command = [*as_another_user(), "prlimit", f"--pid={process.popen.pid}"]
    subprocess.run([*command, "--nproc=1:"], check=True)
    try:
        yield
    finally:
        subprocess.run([*command, f"--nproc={usual}:"], check=True)


@contextlib.contextmanager
def limited(process: Process, what: int, limit: int) -> Iterator[None]:
    """Take a resource away from a process for a while."""
    before = resource.prlimit(process.popen.pid, what)
    resource.prlimit(process.popen.pid, what, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.popen.pid, what, before)


def works(process: Process) -> bool:
    """Tell whether a scrape brings the job."""
    return scrape(process).value("adbpg_job_up", job_id="job") == 1


def test_half_open_clients_without_descriptors(tmp_path: Path) -> None:
    """Fault 49: with 64 descriptors half-open clients are shed for good ones, and none stays."""
    with (
        Upstream(well) as api,
        exporter(configuration("job", api=api.url, extra=NO_INTERVAL), tmp_path) as it,
    ):
        assert works(it)
        before = vitals(it)
        with limited(it, resource.RLIMIT_NOFILE, 64), contextlib.ExitStack() as clients:
            for _ in range(CROWD):
                clients.enter_context(connect(it, b"GET / HTTP/1.1\r\n"))
            during = [scrape(it) for _ in range(5)]

        assert len(during) == 5
        back_to(it, before, pooled=1)
        assert works(it)


class Held:
    """An API that answers nobody until it is released."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.released = threading.Event()

    def __call__(self, request: Request) -> Behaviour:
        """Wait, then answer well."""
        self.called.set()

        def behave(wire: Wire) -> None:
            assert self.released.wait(PATIENCE)
            well(request)(wire)

        return behave


def test_scrapes_without_descriptors(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 49: with 64 descriptors in true use newcomers wait, nothing spins, all are served."""
    script, patient = Held(), "scrape: {timeout: 5m}\napi: {request_timeout: 5m}\n"
    with (
        Upstream(script) as api,
        exporter(configuration("job", api=api.url, extra=patient), tmp_path) as it,
        contextlib.ExitStack() as clients,
    ):
        crowd = [clients.enter_context(connect(it, SCRAPE))]
        assert script.called.wait(PATIENCE)  # the first call needs descriptors, too
        clients.enter_context(limited(it, resource.RLIMIT_NOFILE, 64))
        crowd += [clients.enter_context(connect(it, SCRAPE)) for _ in range(79)]
        eventually(lambda: vitals(it).descriptors == 64, "every descriptor is used")
        it.wait_for_log("cannot take a connection")
        began, cpu = time.monotonic(), vitals(it).cpu
        threading.Event().wait(3)  # not to synchronise: the processor time of it is measured
        share = (vitals(it).cpu - cpu) / (time.monotonic() - began)
        script.released.set()
        statuses = [answer(client)[0] for client in crowd]

        record_testsuite_property("fault 49: share of a processor", round(share, 3))
        assert share < 0.25
        assert statuses == [200] * len(crowd)
        assert len([line for line in it.log if "cannot take a connection" in line]) <= 2


def crowd_of_scrapes(process: Process) -> None:
    """Scrape with many clients at once, who do not mind how it ends."""

    def one(_: int) -> None:
        with contextlib.suppress(OSError), connect(process, SCRAPE) as client:
            client.settimeout(5)
            rest(client)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(SMALL_CROWD)))


def test_memory_is_denied(tmp_path: Path) -> None:
    """Fault 50: with next to no memory left it does not die; when there is some, all is well."""
    with (
        Upstream(well) as api,
        exporter(configuration("job", api=api.url, extra=NO_INTERVAL), tmp_path) as it,
    ):
        assert works(it)
        with limited(it, resource.RLIMIT_AS, _address_space(it) + MIB):
            crowd_of_scrapes(it)
            assert it.popen.poll() is None

        eventually(lambda: works(it), "it works again")


def _address_space(process: Process) -> int:
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmSize:"))
    return int(line.split()[1]) << 10


def test_threads_are_denied(tmp_path: Path) -> None:
    """Fault 50: with no further thread it does not die and says so; with some, all is well."""
    with Upstream(well) as api:
        text = configuration("job", api=api.url, extra=NO_INTERVAL)
        (tmp_path / "config.yaml").write_text(text)
        with launched(tmp_path, before=as_another_user()) as it:
            with without_new_threads(it):
                crowd_of_scrapes(it)
                assert it.popen.poll() is None
                it.wait_for_log("start new thread")

            assert works(it)
            assert it.stop() == 0
