"""Standard output and error that are closed, full or read by nobody, and a disk that is full."""

import contextlib
import os
import re
from pathlib import Path

import pytest

from tests.faults.bench import asked_for, well
from tests.faults.raw import as_another_user, configuration, launched
from tests.processes import Process, get, post, scrape
from tests.upstream import Behaviour, Request, Upstream, hang_up

FLAGS = ("--web.enable-lifecycle", "--log.level=debug")


def sick_or_well(request: Request) -> Behaviour:
    """Hang up on the job ``sick``, so that the log has something to tell in each scrape."""
    return hang_up() if asked_for(request) == "sick" else well(request)


def serves(process: Process) -> None:
    """Check that it does all that it should."""
    for _ in range(5):
        page = scrape(process)
        assert page.value("adbpg_job_up", job_id="job") == 1
        assert page.value("adbpg_job_up", job_id="sick") == 0
    assert post(process.url + "/-/reload") == (200, "Reloaded.\n")
    assert get(process.url + "/-/ready")[0] == 200


def start(folder: Path, api: Upstream) -> None:
    """Write the configuration."""
    text = configuration("job", "sick", api=api.url, extra="scrape: {min_interval: 0s}\n")
    (folder / "config.yaml").write_text(text)


@pytest.mark.parametrize(
    "redirections",
    [
        ">&-",
        "2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        ">/dev/full",
        "2>/dev/full",
        ">/dev/full 2>/dev/full",
    ],
)
def test_broken_outputs(tmp_path: Path, redirections: str) -> None:
    """Fault 51: with outputs that are closed or full it starts, serves, reloads and ends well."""
    before = ["sh", "-c", f'exec "$@" {redirections}', "sh"]
    with Upstream(sick_or_well) as api:
        start(tmp_path, api)
        with launched(tmp_path, *FLAGS, before=before, stdout=None, stderr=None) as it:
            serves(it)

            assert it.stop() == 0


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """Fault 51: where no file can be written, nor by its user created, it needs none."""
    before = [*as_another_user(), "sh", "-c", 'ulimit -f 0; exec "$@" 2>>log', "sh"]
    (tmp_path / "log").touch()
    (tmp_path / "log").chmod(0o666)
    with Upstream(sick_or_well) as api:
        start(tmp_path, api)
        tmp_path.chmod(0o555)
        with launched(tmp_path, *FLAGS, before=before, stderr=None) as it:
            serves(it)

            assert it.stop() == 0
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_a_reader_that_has_gone(tmp_path: Path, which: str) -> None:
    """Fault 51: with a pipe whose reader has gone it starts, serves, reloads and ends well."""
    reading, writing = os.pipe()
    os.close(reading)
    stdout, stderr = (writing, None) if which == "stdout" else (None, writing)
    with Upstream(sick_or_well) as api:
        start(tmp_path, api)
        with launched(tmp_path, *FLAGS, stdout=stdout, stderr=stderr) as it:
            os.close(writing)
            serves(it)

            assert it.stop() == 0


def fill(pipe: int) -> None:
    """Fill a pipe to its last byte, through a description of our own: the other must block."""
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    for piece in (b"x" * 4_096, b"x"):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(own, piece)
    os.close(own)


@pytest.mark.parametrize("when", ["from the start", "later"])
@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_log_that_nobody_reads(tmp_path: Path, when: str, style: str) -> None:
    """Fault 51: a full pipe holds up no scrape; who reads again is told how much was dropped."""
    reading, writing = os.pipe()
    with Upstream(sick_or_well) as api, os.fdopen(reading, "rb") as log:
        start(tmp_path, api)
        if when == "from the start":
            fill(writing)
        with launched(tmp_path, *FLAGS, f"--log.format={style}", stderr=writing) as it:
            fill(writing)
            os.close(writing)
            serves(it)
            drained = os.read(reading, 1 << 20)
            serves(it)

            assert it.stop() == 0
        lines = log.read().decode().splitlines()

    assert b"xxx" in drained
    (notice,) = [line for line in lines if "log lines were dropped" in line]
    assert int(re.findall(r'dropped"?[=:] ?(\d+)', notice)[0]) > 5
    assert any("job query failed" in line for line in lines[lines.index(notice) :])
    assert "stopped" in lines[-1]
