"""Real processes for the end-to-end tests: the exporter and the simulator, as users start them."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator.configuration import exporter_configuration
from exporter.simulator.scenario_file import load_scenario
from tests.planted import assert_absent

PATIENCE = 60.0
"""Seconds until a process that should have answered is given up: machines are slow and shared."""

PROGRAM = (sys.executable, "-m", "exporter")
KEY = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tTestAccessKey",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "test-secret-of-the-simulator",
}
# In no output of any test that uses this module, in no form: see ``get``, ``run`` and ``started``.
PLANTED = (KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "pw-of-rag-namespace")
ACCESS_KEYS = """\
access_keys:
  - {id: LTAI5tTestAccessKey, secret: test-secret-of-the-simulator}
"""
ONE_NAMESPACE = """\
namespaces:
  - {name: main, region_id: cn-hangzhou, db_instance_id: gp-bp1test, namespace: rag, password: pw-of-rag-namespace}
"""  # noqa: E501  a flow mapping is one line


@dataclass
class Process:
    """A command of ours that runs.

    Attributes:
        popen: the process.
        url: where it listens.
        log: every line of its standard error so far.
    """

    popen: subprocess.Popen[str]
    url: str = ""
    log: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self) -> None:
        """Collect the log until the process ends."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._changed:
                self.log.append(line.rstrip("\n"))
                self._changed.notify_all()

    def wait_for_log(self, part: str) -> str:
        """Return the first log line that has ``part`` in it, once it is there."""

        def found() -> str:
            return next((line for line in self.log if part in line), "")

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE), "\n".join(self.log)
            return found()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE)


def command(*arguments: str) -> list[str]:
    """Return the command line for a command of ours."""
    return [*PROGRAM, *arguments]


def run(
    *arguments: str,
    environ: Mapping[str, str] = KEY,
    cwd: Path | None = None,
    prefix: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    done = subprocess.run(
        [*prefix, *command(*arguments)],
        env={**plain_environ(), **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert_absent(PLANTED, done.stdout + done.stderr, " ".join(arguments))
    return done


@contextlib.contextmanager
def started(
    *arguments: str,
    address: str,
    environ: Mapping[str, str] = KEY,
    cwd: Path | None = None,
    prefix: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
) -> Iterator[Process]:
    """Start a command of ours.

    Args:
        arguments: after the program's name.
        address: the pattern of the line that tells where it listens.
        environ: beside the plain environment.
        cwd: its working directory.
        prefix: a command that ends in becoming ours, such as ``unshare --mount``.
        program: how ours is started; the one of this source by default.
    """
    popen = subprocess.Popen(
        [*prefix, *program, *arguments],
        env={**plain_environ(), **environ},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    process = Process(popen)
    follower = threading.Thread(target=process.follow, daemon=True)
    follower.start()
    guard = threading.Timer(PATIENCE, _kill, [popen])
    guard.start()
    try:
        process.url = _address(popen, address, process.log)
        guard.cancel()
        yield process
    finally:
        guard.cancel()
        _kill(popen)
        popen.wait()
        follower.join(PATIENCE)
        for stream in (popen.stdout, popen.stderr):
            if stream:
                stream.close()
    assert_absent(PLANTED, "\n".join(process.log), "the log")


def _kill(popen: subprocess.Popen[str]) -> None:
    """Kill a process and what it started: a prefix may have forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)


def _address(popen: subprocess.Popen[str], pattern: str, log: list[str]) -> str:
    assert popen.stdout is not None
    for line in popen.stdout:
        if found := re.search(pattern, line):
            return f"http://{found[1]}"
    popen.wait()
    raise AssertionError(f"exit code {popen.returncode} before it listened:\n" + "\n".join(log))


@contextlib.contextmanager
def exporter(
    configuration: str,
    folder: Path,
    *flags: str,
    environ: Mapping[str, str] = KEY,
    prefix: Sequence[str] = (),
) -> Iterator[Process]:
    """Start the exporter on a configuration, as the README says, on a free port."""
    (folder / "config.yaml").write_text(configuration, "utf-8")
    listen = "--web.listen-address=127.0.0.1:0"
    pattern = r"listening on (\S+)"
    with started(listen, *flags, address=pattern, environ=environ, cwd=folder, prefix=prefix) as it:
        yield it


@contextlib.contextmanager
def simulator(scenario: str, folder: Path) -> Iterator["Upstream"]:
    """Start the simulated API on a scenario, on a free port."""
    path = folder / "scenario.yaml"
    path.write_text(scenario, "utf-8")
    flags = ("--web.listen-address=127.0.0.1:0", f"--scenario.file={path}")
    with started("simulate", *flags, address=r"API on http://([^\s:]+:\d+)") as process:
        yield Upstream(process, path)


@dataclass
class Upstream:
    """The simulated API.

    Attributes:
        process: that plays it.
        scenario: its file.
    """

    process: Process
    scenario: Path

    def configuration(self, extra: str = "") -> str:
        """Return a configuration that watches the scenario's jobs."""
        return extra + exporter_configuration(load_scenario(str(self.scenario)), self.process.url)

    def calls(self) -> int:
        """Return how many calls it has seen."""
        with urllib.request.urlopen(self.process.url + "/-/calls", timeout=PATIENCE) as answer:
            total: int = json.load(answer)["total"]
        return total


def get(url: str, **headers: str) -> tuple[int, str]:
    """Return status and text of a GET; headers are given with underscores for dashes."""
    request = urllib.request.Request(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return send(request)


def post(url: str) -> tuple[int, str]:
    """Return status and text of an empty POST."""
    return send(urllib.request.Request(url, method="POST"))


def send(request: urllib.request.Request) -> tuple[int, str]:
    """Return status and text of the answer to a request."""
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read().decode()
    assert_absent(PLANTED, text, request.full_url)
    return status, text


class Page:
    """A metrics page, to be asked for samples."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the one sample with this name and these labels, if there is one."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1, f"{name} {labels}: {len(found)} samples"
        return found[0] if found else None

    def names(self, **labels: str) -> set[str]:
        """Return the names of all samples that have these labels."""
        return {s.name for s in self.samples if labels.items() <= s.labels.items()}


def scrape(process: Process, **headers: str) -> Page:
    """Return the metrics page; the answer must be a 200."""
    status, text = get(process.url + "/metrics", **headers)
    assert status == 200, text
    return Page(text)


def eventually(check: Callable[[], bool], what: str) -> None:
    """Try again until it holds; for what another process does, and nothing tells when."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        if check():
            return
        pause.wait(0.1)
    raise AssertionError(f"never: {what}")


def tool(name: str) -> str:
    """Return the path of a program that `make test` installs."""
    path = shutil.which(name)
    assert path, f"{name} is missing: run the tests with `make test`, which installs it"
    return path


def plain_environ() -> dict[str, str]:
    """Return the environment, less what would change how the exporter or Python behave."""
    dropped = re.compile(
        r"(?i)(.*_proxy|.*_CA_BUNDLE|SSL_CERT_.*|ALIBABA_CLOUD_.*|PYTHON(?!PATH).*)"
    )
    kept = {name: value for name, value in os.environ.items() if not dropped.fullmatch(name)}
    root = str(Path(__file__).parent.parent)
    return {**kept, "PYTHONPATH": root}
