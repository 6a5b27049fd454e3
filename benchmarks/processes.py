"""Processes to measure, each with the system's own accounting of it."""

import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

KEY_ID, KEY_SECRET = "LTAI5tBenchKey", "bench-secret-of-the-simulator"
PASSWORD = "password-of-the-bench"
REGION, INSTANCE = "cn-hangzhou", "gp-bp1bench"

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Child:
    """A process under measurement.

    Attributes:
        process: running.
        url: where it listens; empty for a script, which makes a pass for each line it is sent.
        started: seconds from its start until it said that it was ready.
        ca_file: signed its certificate.
    """

    process: "subprocess.Popen[str]"
    url: str
    started: float
    ca_file: str = ""

    def cpu(self) -> float:
        """Return the CPU seconds of all its threads so far, of user and system."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rsplit(")", 1)[1]
        fields = after_name.split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, line: str = "VmHWM") -> float:
        """Return MB: the peak of the resident set, or VmRSS for what it is now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(rf"^{line}:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024 / 1e6

    def one_pass(self) -> float:
        """Tell a script to make a pass, and return the seconds that it took."""
        assert self.process.stdin
        assert self.process.stdout
        began = time.perf_counter()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", "the script failed: see above"
        return time.perf_counter() - began

    def threads(self) -> int:
        """Return how many threads it has."""
        return len([*Path(f"/proc/{self.process.pid}/task").iterdir()])

    def descriptors(self) -> int:
        """Return how many descriptors are open."""
        return len([*Path(f"/proc/{self.process.pid}/fd").iterdir()])

    def get(self, path: str, *, gzip: bool = True, timeout: int = 0) -> tuple[float, bytes]:
        """Return the seconds from the request to the last byte, and the body as it came.

        Args:
            path: and query.
            gzip: whether the answer may be compressed.
            timeout: the seconds that Prometheus says it waits; 0 to say nothing.
        """
        request = urllib.request.Request(f"{self.url}{path}")
        if timeout:
            request.add_header("X-Prometheus-Scrape-Timeout-Seconds", str(timeout))
        if gzip:
            request.add_header("Accept-Encoding", "gzip")
        trust = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=120, context=trust) as answer:
            body: bytes = answer.read()
        return time.perf_counter() - began, body


@contextmanager
def running(
    command: Sequence[str], pattern: str, *, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Start a program, wait for the line that says that it is ready, and end it at last.

    Args:
        command: the program and its arguments.
        pattern: of the line; its group is the URL.
        folder: to run it in.
        environ: all of its environment, but for where Python finds this tree.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), **(environ or {})},
    )
    try:
        assert process.stdout
        found = next(filter(None, (re.search(pattern, line) for line in process.stdout)), None)
        assert found, "the program ended: see above"
        yield Child(process, found[found.re.groups], time.perf_counter() - began)
    finally:
        process.kill()
        process.communicate()


def python(*arguments: object) -> list[str]:
    """Return the command for this interpreter."""
    return [sys.executable, *map(str, arguments)]


@contextmanager
def upstream(folder: Path, *, latency: float, tls: bool) -> Iterator[Child]:
    """The simulated API."""
    pair = ["--certificate", folder / "server.pem", "--key", folder / "server.key"] if tls else []
    command = python("-m", "benchmarks.upstream", "--latency", latency, *pair)
    with running(command, r"^ready (\S+)", folder=folder) as child:
        yield replace(child, ca_file=str(folder / "ca.pem"))


@contextmanager
def peer(folder: Path, name: str, api: str, jobs: int, *flags: object) -> Iterator[Child]:
    """One of peers.py."""
    ca_file = ("--ca", folder / "ca.pem") if api.startswith("https:") else ()
    command = python("-m", "benchmarks.peers", name, "--api", api, "--jobs", jobs, *ca_file, *flags)
    with running(command, r"^ready (\S+)", folder=folder) as child:
        yield child


@contextmanager
def pushgateway(folder: Path) -> Iterator[Child]:
    """Pushgateway, as Debian has it."""
    with _debian(folder, "prometheus-pushgateway") as child:
        yield child


@contextmanager
def prometheus(folder: Path) -> Iterator[Child]:
    """Prometheus, as Debian has it, with the prometheus.yml of the folder."""
    flags = f"--config.file={folder}/prometheus.yml --storage.tsdb.path={folder}/prometheus"
    with _debian(folder, f"prometheus {flags}") as child:
        yield child


@contextmanager
def _debian(folder: Path, command: str) -> Iterator[Child]:
    """Start a program that .ci/tools.sh unpacks, on a free port."""
    programs = Path(__file__).parent.parent / ".tools/bin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # It logs to standard error, which it is given as its output.
    shell = ["sh", "-c", f'exec "{programs}"/{command} --web.listen-address={address} 2>&1']
    with running(shell, r"(?i)listening on", folder=folder) as child:
        yield Child(child.process, f"http://{address}", child.started)


@contextmanager
def exporter(
    folder: Path,
    api: str,
    jobs: Sequence[str],
    settings: str,
    *,
    extra: str = "",
    shard: str = "1/1",
) -> Iterator[Child]:
    """The exporter as users start it.

    Args:
        folder: for its configuration; the authority's certificate is there.
        api: the base URL of the simulated API.
        jobs: their ids.
        settings: the members of ``scrape``, in YAML's flow style.
        extra: further sections of the configuration.
        shard: which of the jobs it watches.
    """
    ca_file = f", ca_file: {folder / 'ca.pem'}" if api.startswith("https:") else ""
    (folder / "config.yaml").write_text(
        f"{extra}scrape: {{{settings}}}\n"
        f"api: {{calls_per_second: 10000{ca_file}}}\n"
        "targets:\n"
        f"  - name: bench\n    region_id: {REGION}\n    db_instance_id: {INSTANCE}\n"
        f"    namespace_password: {PASSWORD}\n    endpoint: {api}\n"
        + ("    jobs:\n" if jobs else "")
        + "".join(
            f"      - {{id: {job}, collection: c{number % 500}, expected_entries: 100000}}\n"
            for number, job in enumerate(jobs)
        ),
        "utf-8",
    )
    environ = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY_SECRET}
    arguments = (
        "-m",
        "exporter",
        "--web.listen-address=127.0.0.1:0",
        "--log.level=error",
        f"--shard={shard}",
    )
    with running(
        python(*arguments), r"listening on (\S+)", folder=folder, environ=environ
    ) as child:
        yield Child(child.process, f"http://{child.url}", child.started)
