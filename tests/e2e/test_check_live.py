"""``check-config --live``: each broken thing gives a line that says what to change.

What is printed stands in tests/data/check/, standard error first, to be read.
"""

import contextlib
import json
import os
import pty
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.driver import Commands, one_process
from tests.live_check import (
    DATA,
    ENVIRON,
    SCRIPTED,
    SIMULATED,
    TLS,
    expected,
    hanging,
    masked,
    says,
    simulated,
    write,
)
from tests.processes import PATIENCE, PLANTED, command, eventually, get, run
from tests.upstream import Upstream

QUICK = "api: {request_timeout: 300ms, connect_timeout: 300ms}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the configurations are."""
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def commands(folder: Path) -> Iterator[Commands]:
    """Run commands of ours there, all in one process."""
    with one_process(folder, ENVIRON) as commands:
        yield commands


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """The authority that is trusted, and one that is not."""
    return (
        Authority(tmp_path_factory.mktemp("trusted")),
        Authority(tmp_path_factory.mktemp("stranger")),
    )


def assert_printed(commands: Commands, name: str, *flags: str) -> None:
    """Check a configuration live, and compare all that it prints."""
    code, out, told = commands("check-config", "--live", f"--config.file={name}.yaml", *flags)

    printed = masked(told + out)
    assert printed == expected(name)
    assert code == (0 if f"{name}.yaml: live: good: " in out else 1)


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated(commands: Commands, folder: Path, name: str) -> None:
    """What is broken between us and the simulated API is told, each with what to do."""
    with simulated(SIMULATED[name], folder, name):
        assert_printed(commands, name)


@pytest.mark.parametrize(("name", "calls"), [("good", 2), ("no-jobs", 3)])
def test_everything_is_asked_once(commands: Commands, folder: Path, name: str, calls: int) -> None:
    """Each job is asked about once, and so is each target that has none."""
    with simulated(SIMULATED[name], folder, "once") as url:
        commands("check-config", "--live", "--config.file=once.yaml")

        _, counts = get(url + "/-/calls")

    assert json.loads(counts)["total"] == calls


def test_json_is_of_a_live_check(commands: Commands) -> None:
    """--output=json without --live is wrong usage: there would be nothing to print."""
    code, out, told = commands("check-config", "--output=json")

    assert (code, out) == (2, "")
    assert told == (
        "adbpg-job-exporter check-config: --output=json goes with --live. "
        "Try: adbpg-job-exporter check-config --help\n"
    )


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripted(commands: Commands, folder: Path, name: str) -> None:
    """So is what the simulated API cannot play."""
    with Upstream(SCRIPTED[name]) as upstream:
        write(folder, name, upstream.url)

        assert_printed(commands, name)


@pytest.mark.parametrize("name", TLS)
def test_tls(
    commands: Commands, folder: Path, name: str, authorities: tuple[Authority, Authority]
) -> None:
    """A server that cannot be trusted is told with the reason why."""
    context = TLS[name](*authorities)
    assert isinstance(context, ssl.SSLContext)
    with Upstream(tls=context) as upstream:
        write(folder, name, upstream.url, f"api: {{ca_file: {authorities[0].ca_file}}}\n")

        assert_printed(commands, name)

    assert upstream.requests == []


def test_no_such_name(commands: Commands, folder: Path) -> None:
    """A host without an address is told with the settings that lead there."""
    write(folder, "dns", "https://gpdb.cn-hangzuo.invalid")

    assert_printed(commands, "dns")


def test_nobody_listens(commands: Commands, folder: Path) -> None:
    """A refused connection is told with what may be in the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    write(folder, "refused", f"http://127.0.0.1:{port}")

    assert_printed(commands, "refused")


def test_silence(commands: Commands, folder: Path) -> None:
    """An API that does not answer is told with the limit that it passed."""
    with hanging() as upstream:
        write(folder, "timeout", upstream.url, QUICK)

        assert_printed(commands, "timeout")


def test_the_total_time(commands: Commands, folder: Path) -> None:
    """What is not answered when --live.timeout is over is counted, and is no success."""
    with hanging() as upstream:
        write(folder, "late", upstream.url)

        assert_printed(commands, "late", "--live.timeout=300ms")


def test_the_place_of_a_job_in_a_job_file(commands: Commands, folder: Path) -> None:
    """A job of a job file is told with its place there."""
    job = "- {target: main, id: three, collection: c3}\n"
    (folder / "jobs.yaml").write_text(job + job.replace("three", "four").replace("c3", "c4"))
    with Upstream(says(404, "InvalidJobId.NotFound")) as upstream:
        write(folder, "job-file", upstream.url, "job_files: [jobs.yaml]\n")

        assert_printed(commands, "job-file")


def test_without_an_access_key(tmp_path: Path) -> None:
    """A missing access key is told once, however many jobs there are."""
    write(tmp_path, "key-missing", "http://127.0.0.1:9")
    arguments = ("check-config", "--live", "--config.file=key-missing.yaml")

    done = run(*arguments, environ={"RAG_PASSWORD": "x"}, cwd=tmp_path)

    assert (done.returncode, done.stderr + done.stdout) == (1, expected("key-missing"))


def test_json_for_programs(commands: Commands, folder: Path) -> None:
    """--output=json is one object on standard output, with the same findings."""
    with simulated(SIMULATED["job-unknown"], folder, "json"):
        code, out, told = commands(
            "check-config", "--live", "--output=json", "--config.file=json.yaml"
        )

    document = json.loads(out)
    assert (code, told) == (1, "")
    assert {name: document[name] for name in ("good", "jobs", "answered")} == {
        "good": False,
        "jobs": 2,
        "answered": 1,
    }
    [finding] = document["findings"]
    assert finding["severity"] == "fault"
    assert finding["reason"] == "not_found"
    assert finding["job_ids"] == ["past"]
    assert (finding["path"], finding["line"]) == ("targets[0].jobs[1]", 11)
    assert finding["message"].startswith("target main, job past of collection c1: likely ")


def test_a_terminal_sees_progress(tmp_path: Path) -> None:
    """Who waits at a terminal sees how far it is, and nothing of it is left at the end."""
    with hanging() as upstream:
        write(tmp_path, "config", upstream.url, QUICK.replace("300ms", "1100ms"))
        ours, theirs = pty.openpty()
        popen = subprocess.Popen(
            command("check-config", "--live"),
            env={**os.environ, **ENVIRON},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        os.close(theirs)
        seen = _all_of(ours)
        code = popen.wait(PATIENCE)

    assert code == 1
    assert "\r1 of 2 jobs queried" in seen
    assert "queried\r\x1b[K" in seen


def _all_of(terminal: int) -> str:
    """Return all that is printed to a terminal, until nobody has it open any more."""
    seen = b""
    with os.fdopen(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while data := file.read(4096):
            seen += data
    return seen.decode()


def test_stopped_by_the_user(tmp_path: Path) -> None:
    """Ctrl-C ends it, tells what is known until then, and is no success."""
    with hanging() as upstream:
        write(tmp_path, "config", upstream.url)
        popen = subprocess.Popen(
            command("check-config", "--live"),
            env={**os.environ, **ENVIRON},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with popen:
            eventually(lambda: bool(upstream.requests), "a request")
            popen.send_signal(signal.SIGINT)
            out, told = popen.communicate(timeout=PATIENCE)

    assert popen.returncode == 1
    assert "Traceback" not in told
    assert "2 of 2 jobs" in told
    assert out.endswith("config.yaml: live: 1 finding: 0 of 2 jobs answered\n")


def test_the_documentation_shows_what_is_printed() -> None:
    """Each line that docs/deployment.md shows is one of those that are printed."""
    page = (DATA.parents[2] / "docs" / "deployment.md").read_text("utf-8")
    shown = page.split("```\n")[1].splitlines()

    printed = {
        line.replace(f"{file.stem}.yaml", "config.yaml")
        for file in DATA.glob("*.txt")
        for line in file.read_text("utf-8").splitlines()
    }

    assert len(shown) == 4
    assert [line for line in shown if line not in printed] == []


def test_no_text_holds_a_secret() -> None:
    """No secret is in any of the texts that were compared."""
    texts = "".join(file.read_text("utf-8") for file in DATA.glob("*.txt"))

    assert not [secret for secret in (*PLANTED, *ENVIRON.values()) if secret in texts]
