"""The command ``wait``, on the simulated API: its exit code is the job's outcome."""

import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.faults.bench import job_answer
from tests.faults.raw import configuration
from tests.processes import (
    ACCESS_KEYS,
    KEY,
    ONE_NAMESPACE,
    PROGRAM,
    plain_environ,
    run,
    simulator,
)
from tests.upstream import Behaviour, Request, Upstream, message, send

# Job, exit code, and what the last line says. A call has its fault in its first seconds.
JOBS = {
    "steady": (0, "steady of steady: Success, 6,000 entries; waited"),
    "slow": (0, "slow of slow: Success, 6,000 entries; waited"),
    "document": (0, "document of document: Success, 100%; waited"),
    "failed": (1, "failed of failed: Failed, 3,000 entries; waited"),
    "coded": (1, "Document.ParseFailed: The page 7 is broken. (RequestId"),
    "cancelled": (3, "cancelled of cancelled: Cancelled, 50%; waited"),
    "stalled": (4, "stalled of stalled: still Running after its planned end, 1,000 entries;"),
    "pending": (4, "pending of pending: still Pending after the timeout, 0%; waited"),
    "contradictory": (0, "contradictory of contradictory: Success, 100,000 entries; waited"),
    "unknown": (5, "unknown of unknown: outcome unknown after"),
    "throttled": (0, "throttled of throttled: Success, 6,000 entries; waited"),
    "away": (0, "away of away: Success, 6,000 entries; waited"),
    "garbage": (0, "garbage of garbage: Success, 6,000 entries; waited"),
    "denied": (5, "denied of denied: outcome unknown after"),
    "denied-later": (5, "denied-later of denied-later: outcome unknown after"),
    "no-answer": (5, "no-answer of no-answer: outcome unknown after"),
}
TIMEOUT = {"pending", "no-answer"}
LATER = "{kind: error, http_status: 403, code: Forbidden.RAM, from: 4s}"
SCENARIO = f"""\
{ACCESS_KEYS}{ONE_NAMESPACE}jobs:
  - {{id: steady, collection: steady, namespace: main, entries: 6000}}
  - {{id: slow, collection: slow, namespace: main, shape: slow_start, after: 4s, entries: 6000}}
  - {{id: document, collection: document, namespace: main, kind: upload_document, entries: 6, rate: 1}}
  - {{id: failed, collection: failed, namespace: main, shape: failed, after: 3s}}
  - {{id: coded, collection: coded, namespace: main, shape: failed, after: 3s, kind: upload_document, error: The page 7 is broken., error_code: Document.ParseFailed}}
  - {{id: cancelled, collection: cancelled, namespace: main, shape: cancelled, after: 3s, kind: create_index, entries: 6, rate: 1}}
  - {{id: stalled, collection: stalled, namespace: main, shape: stalled, after: 1s}}
  - {{id: pending, collection: pending, namespace: main, shape: pending, after: 1h, kind: graph_rag}}
  - {{id: contradictory, collection: contradictory, namespace: main, shape: contradictory}}
  - {{id: unknown, collection: unknown, namespace: main, shape: unknown}}
  - {{id: throttled, collection: throttled, namespace: main, entries: 6000, fault: {{kind: throttled, to: 45s}}}}
  - {{id: away, collection: away, namespace: main, entries: 6000, fault: {{kind: server_error, to: 60s}}}}
  - {{id: garbage, collection: garbage, namespace: main, entries: 6000, fault: {{kind: garbage, to: 45s}}}}
  - {{id: denied, collection: denied, namespace: main, fault: {{kind: error, http_status: 403, code: Forbidden.RAM}}}}
  - {{id: denied-later, collection: denied-later, namespace: main, fault: {LATER}}}
  - {{id: no-answer, collection: no-answer, namespace: main, fault: {{kind: page, http_status: 502}}}}
"""  # noqa: E501  a flow mapping is one line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the configuration of a running simulator."""
    folder = tmp_path_factory.mktemp("wait")
    with simulator(SCENARIO, folder) as api:
        text = api.configuration()
        named = re.sub(r'("stalled"\n\s+collection: "stalled")', r"\1\n        deadline: 8s", text)
        assert named != text
        (folder / "config.yaml").write_text(named, "utf-8")
        yield folder


@pytest.fixture(scope="module")
def done(folder: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """Every job waited for, all at once."""

    def wait(job: str) -> subprocess.CompletedProcess[str]:
        timeout = ("--timeout=8s",) if job in TIMEOUT else ()
        command = [*PROGRAM, "wait", job, "--target=main", f"--collection={job}", *timeout]
        return subprocess.run(
            command,
            env={**plain_environ(), **KEY},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    with ThreadPoolExecutor(len(JOBS)) as pool:
        return dict(zip(JOBS, pool.map(wait, JOBS), strict=True))


@pytest.mark.parametrize("job", JOBS)
def test_the_exit_code_is_the_outcome(
    done: dict[str, subprocess.CompletedProcess[str]], job: str
) -> None:
    """It ends with the right code, says why, and steers no terminal that is none."""
    code, said = JOBS[job]
    ended = done[job]

    assert ended.returncode == code, ended.stderr
    last = (ended.stderr if code else ended.stdout).splitlines()[-1]
    assert said in last
    assert (ended.stdout == "") == bool(code)
    assert re.search(r"[^\x20-\x7e\n]", ended.stdout + ended.stderr) is None


@pytest.mark.parametrize(
    ("job", "reason"),
    [("throttled", "throttled"), ("away", "server"), ("garbage", "bad_answer"), ("denied", "perm")],
)
def test_why_there_is_no_answer(
    done: dict[str, subprocess.CompletedProcess[str]], job: str, reason: str
) -> None:
    """The first failure of a kind is a line."""
    lines = [line for line in done[job].stderr.splitlines() if line.startswith("no answer")]

    assert len(lines) == 1
    assert lines[0].startswith(f"no answer: {reason}")


def test_a_bar_on_a_terminal(folder: Path) -> None:
    """On a terminal there is one bar that is drawn again, and the outcome below it."""
    primary, secondary = pty.openpty()
    ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [*PROGRAM, "wait", "document", "--target=main", "--collection=document"]
    with subprocess.Popen(
        command,
        env={**plain_environ(), **KEY, "TERM": "xterm"},
        cwd=folder,
        stderr=secondary,
        stdout=subprocess.PIPE,
    ) as popen:
        os.close(secondary)
        shown = b""
        try:
            while piece := os.read(primary, 65_536):
                shown += piece
        except OSError:  # the terminal is gone with its last program
            pass
        assert popen.stdout is not None
        out = popen.stdout.read().decode()
    os.close(primary)

    assert popen.returncode == 0
    assert "document: 100%|" in shown.decode()
    assert "\r" in shown.decode()
    assert out.startswith("job document of document: Success, 100%; waited")


def test_the_api_says_how_long_to_wait(tmp_path: Path) -> None:
    """A throttled query is made again no sooner than the API asks for, and not each 5 seconds."""
    times: list[float] = []

    def script(_: Request) -> Behaviour:
        times.append(time.monotonic())
        if len(times) == 1:
            return send(message(b"", status=429, headers=[("Retry-After", "8")]))
        return send(message(job_answer("job", Status="Success", Completed=True)))

    with Upstream(script) as api:
        (tmp_path / "config.yaml").write_text(configuration(api=api.url))
        done = run("wait", "job", "--target=main", "--collection=c", cwd=tmp_path)

    assert done.returncode == 0
    assert times[1] - times[0] >= 8


def test_wrong_usage(folder: Path) -> None:
    """What cannot be waited for is told before any call."""
    unknown = run("wait", "x", "--target=nowhere", "--collection=c", cwd=folder)
    timeout = run("wait", "x", "--target=main", "--collection=c", "--timeout=5", cwd=folder)

    assert (unknown.returncode, unknown.stderr) == (
        1,
        "config.yaml: targets: there is no target 'nowhere'; there is: main\n",
    )
    assert timeout.returncode == 2
    assert "expected a duration such as 30s" in timeout.stderr
